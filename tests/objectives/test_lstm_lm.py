"""A language model of LSTMs beside a plain PyTorch program with the same weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gloze.data.collate import collate
from gloze.encoders.lstm import LSTMConfig
from gloze.objectives.lm import LanguageModelConfig, ask_for_next
from tests.objectives.test_mlm import samples
from tests.small import tokenizer

LANES, LENGTH, VOCAB, SIZE = 3, 7, 90, 12


def blocks():
    """Return three blocks of text, each lane going on where it was, [lanes, length + 1]."""
    text = np.random.default_rng(0).integers(5, VOCAB, (LANES, 3 * LENGTH + 1))
    return [text[:, start : start + LENGTH + 1] for start in range(0, 3 * LENGTH, LENGTH)]


def batch_of(block):
    given = samples([LENGTH] * LANES)
    return collate(
        ask_for_next(
            replace(
                given,
                input_ids=block[:, :-1].ravel(),
                after=block[:, -1],
                lanes=np.arange(LANES),
            )
        )
    )


@pytest.mark.parametrize("tied", [False, True])
def test_losses_and_gradients_of_block_after_block_are_those_of_a_plain_program(tied):
    torch.manual_seed(0)
    sizes = {"embedding_size": SIZE, "hidden_size": SIZE, "initializer_range": 0.5}
    model = LSTMConfig(**sizes).build(VOCAB)
    head = LanguageModelConfig(tie_weights=tied).build(model, tokenizer(), 0.3).head
    plain, state = nn.LSTM(SIZE, SIZE, 2, batch_first=True), None
    weights = dict(plain.named_parameters())
    with torch.no_grad():
        for number, layer in enumerate(model.stacks[0].layers):
            weights[f"weight_ih_l{number}"].copy_(layer.input.weight)
            weights[f"weight_hh_l{number}"].copy_(layer.recurrent.weight)
            weights[f"bias_ih_l{number}"].copy_(layer.input.bias)
            weights[f"bias_hh_l{number}"].zero_()
    for block in blocks():
        batch = batch_of(block)
        mark = head(model(batch), batch)
        states, state = plain(
            F.embedding(torch.from_numpy(block[:, :-1]), model.embeddings.weight), state
        )
        state = tuple(each.detach() for each in state)
        scores = F.linear(states, head.output.weight, head.output.bias).flatten(0, 1)
        labels = torch.from_numpy(block[:, 1:]).flatten()
        expected = F.cross_entropy(scores, labels, reduction="sum")
        assert mark.loss.item() == pytest.approx(expected.item(), rel=1e-6)
        # The gradient of the first layer has gone back through everything above it.
        first = model.stacks[0].layers[0]
        found = torch.autograd.grad(mark.loss, [first.input.weight, model.embeddings.weight])
        wanted = torch.autograd.grad(expected, [plain.weight_ih_l0, model.embeddings.weight])
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
