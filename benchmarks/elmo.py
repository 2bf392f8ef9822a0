"""Words a second of ELMo's encoder at its published size, against a plain program of PyTorch's.

Characters, convolutions, highway layers and two stacks of two LSTMs with 4,096 cells and 512
numbers in a state, on sentences of the standard library's documentation, words between spaces.
The plain program has `nn.Conv1d` over the 50 characters of every word, and `nn.LSTM` with
`proj_size` over packed sequences, turned round for the stack that reads from the right; it has
the same weights and gives the same numbers, which is checked first. ``characters`` is
a forward pass of the words alone, ``read`` one of all, both without gradients; ``train`` is a
forward and a backward pass, of the loss that sums the states.

    python -m benchmarks.elmo
"""

from __future__ import annotations

import argparse
import os
import re
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from benchmarks.sides import measure, product_rate, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from gloze.core.batch import Batch
    from gloze.encoders.lstm import LSTMEncoder

BATCHES = 4


def encoder() -> LSTMEncoder:
    """Return the encoder of the recipe, of random weights, without dropout."""
    from gloze.recipes import load_recipe

    torch.manual_seed(0)
    return load_recipe("elmo").encoder.build(6).eval()


def texts(words: int) -> list[list[list[str]]]:
    """Return batches of sentences of so many words each, as lists of words."""
    from gloze.text.library_docs import read_library_docs

    paragraphs = (text for each in read_library_docs().documents for text in each.paragraphs)
    every = (sentence for text in paragraphs for sentence in re.split(r"(?<=[.!?])\s+", text))
    cut = (own for sentence in every if 2 < len(own := sentence.split()) < 60)
    batches: list[list[list[str]]] = [[]]
    size = 0
    for sentence in cut:
        if size + len(sentence) + 2 > words:
            if len(batches) == BATCHES:
                break
            batches.append([])
            size = 0
        batches[-1].append(sentence)
        size += len(sentence) + 2
    return batches


def batch_of(sentences: list[list[str]], size: int) -> Batch:
    """Return the words of sentences between the marks of begin and end."""
    from dataclasses import replace

    from gloze.data.collate import end_to_end
    from gloze.tokenizers.spelling import spell, spell_marks

    begin, end = spell_marks(size)[:, None]
    spelled = np.concatenate([x for words in sentences for x in (begin, spell(words, size), end)])
    lengths = np.array([len(words) + 2 for words in sentences])
    ids = np.zeros(len(spelled), dtype=np.int64)
    batch = end_to_end(ids, ids, lengths)
    return replace(batch, characters=torch.from_numpy(spelled))


class Plain(nn.Module):
    """The same network of PyTorch's own modules."""

    def __init__(self, ours: LSTMEncoder) -> None:
        super().__init__()
        cnn: Any = ours.embeddings
        cnn = cnn.cnn
        self.embeddings, self.highways, self.projection = (
            cnn.embeddings,
            cnn.highways,
            cnn.projection,
        )
        self.convolutions = nn.ModuleList()
        for (width, count), linear in zip(cnn.config.filters, cnn.convolutions, strict=True):
            conv = nn.Conv1d(cnn.config.embedding_size, count, width)
            conv.weight.data = linear.weight.data.unflatten(1, (width, -1)).transpose(1, 2).clone()
            conv.bias.data = linear.bias.data
            self.convolutions.append(conv)
        self.stacks = nn.ModuleList()
        for stack in ours.stacks:
            layers: Any = stack.layers
            self.stacks.append(nn.ModuleList(self._layer(layer) for layer in layers))

    def _layer(self, ours: Any) -> nn.LSTM:
        own = nn.LSTM(ours.sizes.input_size, ours.sizes.cell_size, proj_size=ours.sizes.size)
        own.weight_ih_l0.data, own.weight_hh_l0.data = ours.input.weight, ours.recurrent.weight
        own.weight_hr_l0.data, own.bias_ih_l0.data = ours.projection.weight, ours.input.bias
        nn.init.zeros_(own.bias_hh_l0)
        return own

    def words(self, codes: Tensor) -> Tensor:
        """Return the vector of each word, [words, 512].

        Args:
            codes: of the characters of each, [words, 50].
        """
        x = self.embeddings(codes).transpose(1, 2)
        x = torch.cat([conv(x).amax(2) for conv in self.convolutions], 1).relu()
        for highway in self.highways:
            new, carry = highway(x).chunk(2, 1)
            carry = carry.sigmoid()
            x = carry * F.relu(new) + (1 - carry) * x
        result: Tensor = self.projection(x)
        return result

    def forward(self, codes: Tensor, orders: list[Tensor], sizes: Tensor) -> list[Tensor]:
        """Return the last states, [words, 1024], as a list of one.

        Args:
            codes: as :meth:`words` takes them.
            orders: of the words step after step, from the left and from the right.
            sizes: words of each step.
        """
        x = self.words(codes)
        found = []
        for stack, order in zip(self.stacks, orders, strict=True):
            layers: Any = stack
            first = layers[0](PackedSequence(x[order], sizes))[0]
            second = layers[1](first)[0].data + first.data
            found.append(torch.empty_like(second).index_copy(0, order, second))
        return [torch.cat(found, 1)]


def plain_input(batch: Batch) -> tuple[Tensor, list[Tensor], Tensor]:
    """Return what the plain program is given of a batch."""
    from gloze.nn.char_cnn import codes_of
    from gloze.nn.lstm import Reading

    assert batch.characters is not None
    lengths = (batch.characters != 0).sum(1).tolist()
    codes = codes_of(batch.characters, lengths, 50)
    readings = [Reading.of(batch, way) for way in ("left_to_right", "right_to_left")]
    return codes, [each.order for each in readings], torch.tensor(readings[0].sizes)


def side(who: str, words: int, *, what: str) -> Callable[[], float]:
    """Return a pass over one batch after the other."""
    model = encoder()
    assert model.num_bytes is not None
    given = [batch_of(sentences, model.num_bytes) for sentences in texts(words)]
    if who == "gloze":
        run: Any = model
        inputs: list[Any] = [(batch,) for batch in given]
    else:
        run, inputs = Plain(model), [plain_input(batch) for batch in given]
        with torch.inference_mode():
            torch.testing.assert_close(
                run(*inputs[0])[-1], model(given[0])[-1], rtol=1e-4, atol=1e-5
            )
    count = None
    if what == "characters":
        run, count = (model.embeddings, 1) if who == "gloze" else (run.words, 1)
    turns = cycle(zip(given, inputs, strict=True))

    def step() -> float:
        batch, own = next(turns)
        if what == "train":
            run(*own)[-1].sum().backward()
        else:
            with torch.inference_mode():
                run(*own[:count])
        return batch.num_tokens

    return step


def main() -> None:
    """Measure reading and training."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    parser.add_argument("--words", type=int, default=2048, help="of a batch")
    parser.add_argument(
        "--only", nargs="*", default=["characters", "read", "train"], metavar="PASS"
    )
    options = parser.parse_args()
    for what in options.only:
        shared = {"words": options.words, "what": what}
        found = measure(
            {who: (side, {**shared, "who": who}) for who in ("gloze", "plain")},
            rounds=options.rounds,
            seconds=options.seconds,
        )
        notes = {
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "words of a batch": options.words,
            "float32 product, GFLOP/s": round(product_rate("float32") / 1e9),
        }
        report(f"ELMo at its published size, {what}", "words", found, notes)


if __name__ == "__main__":
    main()
