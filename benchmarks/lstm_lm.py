"""Tokens a second of a recurrent language model's training step, against a plain PyTorch program.

Two layers of 650 cells read 20 places of a text side by side, 35 tokens a step, and go on from the
states they had (Zaremba et al. 2015, the medium one), with a full softmax over 10,000, 33,000 or
50,000 words. The plain program is `nn.Embedding`, `nn.LSTM`, `nn.Linear` and the cross-entropy of
all scores, with the same weights, dropout, clipping and optimizer; it has float32 or bf16 by
autocast. gloze learns in the precision that it picks by itself, and in float32.

    python -m benchmarks.lstm_lm 10000 33000 50000
"""

from __future__ import annotations

import argparse
import os
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from benchmarks.sides import measure, product_rate, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.core.batch import Step

SIZE, LAYERS, DROPOUT = 650, 2, 0.5
LANES, LENGTH, STEPS = 20, 35, 8


def texts(vocab_size: int) -> np.ndarray:
    """Return words by falling frequency for all lanes and steps, [lanes, steps x length + 1]."""
    draw = np.random.default_rng(0)
    shares = 1 / np.arange(1, vocab_size - 4)
    ids = draw.choice(len(shares), (LANES, STEPS * LENGTH + 1), p=shares / shares.sum())
    return ids.astype(np.int64) + 5


def gloze_side(vocab_size: int, precision: str) -> Callable[[], int]:
    """Return an update of gloze's, with data at hand."""
    from gloze.objectives.lm import LanguageModelConfig
    from gloze.recipes import load_recipe
    from gloze.training.learner import Learner
    from gloze.training.update import Updater

    config = load_recipe("lstm-lm", [f"training.precision={precision}"])
    torch.manual_seed(0)
    encoder: Any = config.encoder.build(vocab_size)
    tokenizer: Any = None
    objective = LanguageModelConfig().build(encoder, tokenizer)
    updater = Updater(Learner(encoder, [objective]), config.training, seed=0)
    data = cycle(_steps(texts(vocab_size)))

    def step() -> int:
        given = next(data)
        updater.update(given, 0, 1e-4).read()
        return given.num_tokens

    return step


def _steps(ids: np.ndarray) -> list[Step]:
    from gloze.core.batch import Samples, Step
    from gloze.data.collate import collate
    from gloze.objectives.lm import ask_for_next

    found = []
    for number in range(STEPS):
        piece = ids[:, number * LENGTH : (number + 1) * LENGTH + 1]
        none = np.zeros(LANES * LENGTH, dtype=bool)
        samples = Samples(
            input_ids=piece[:, :-1].ravel(),
            token_type_ids=none.astype(np.int64),
            lengths=np.full(LANES, LENGTH),
            is_special=none,
            word_starts=~none,
            keys=np.zeros(LANES, dtype=np.uint64),
            indices=np.arange(LANES),
            after=piece[:, -1],
            lanes=np.arange(LANES),
        )
        batch = collate(ask_for_next(samples))
        found.append(Step(0, number, [batch], {"lm": LANES * LENGTH}, LANES * LENGTH))
    return found


class Plain(nn.Module):
    """The model as it is usually written down."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, SIZE)
        self.dropout = nn.Dropout(DROPOUT)
        self.lstm = nn.LSTM(SIZE, SIZE, LAYERS, dropout=DROPOUT, batch_first=True)
        self.output = nn.Linear(SIZE, vocab_size)

    def forward(self, ids: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Return the scores of each token, and the state to go on from."""
        states, state = self.lstm(self.dropout(self.embeddings(ids)), state)
        return self.output(self.dropout(states)), state


def plain_side(vocab_size: int, precision: str) -> Callable[[], int]:
    """Return a step of the plain program on the same data."""
    torch.manual_seed(0)
    model = Plain(vocab_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16")
    ids = torch.from_numpy(texts(vocab_size))
    starts = cycle(range(0, STEPS * LENGTH, LENGTH))
    state: Any = None

    def step() -> int:
        nonlocal state
        start = next(starts)
        optimizer.zero_grad()
        with autocast:
            scores, state = model(ids[:, start : start + LENGTH], state)
        labels = ids[:, start + 1 : start + LENGTH + 1]
        loss = nn.functional.cross_entropy(scores.float().flatten(0, 1), labels.flatten())
        state = tuple(each.detach() for each in state)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        return LANES * LENGTH

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 33_000, 50_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    for size in options.sizes:
        sides = {
            "gloze": (gloze_side, {"vocab_size": size, "precision": "auto"}),
            "gloze, float32": (gloze_side, {"vocab_size": size, "precision": "float32"}),
            "plain, float32": (plain_side, {"vocab_size": size, "precision": "float32"}),
            "plain, bf16": (plain_side, {"vocab_size": size, "precision": "bfloat16"}),
        }
        found = measure(sides, rounds=options.rounds, seconds=options.seconds)
        notes = {
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "float32 product, GFLOP/s": round(product_rate("float32") / 1e9),
            "bf16 product, GFLOP/s": round(product_rate("bfloat16") / 1e9),
        }
        report(f"LSTM language model, {size:,} words", "tokens", found, notes)


if __name__ == "__main__":
    main()
