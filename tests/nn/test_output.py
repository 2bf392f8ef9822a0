"""The loss over the vocabulary, taken in blocks, is the loss of all scores at once."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gloze.nn.output import TokenOutput
from gloze.nn.rows import round_up_rows

VOCAB = 90


def parts(asked):
    torch.manual_seed(0)
    table = nn.Embedding(VOCAB, 16)
    output = TokenOutput(table)
    nn.init.normal_(output.bias)
    hidden = round_up_rows(torch.randn(asked, 16)).requires_grad_()
    return table, output, hidden, torch.randint(VOCAB, (asked,))


@pytest.mark.parametrize("asked", [1, 63, 64, 128, 129, 300])
def test_loss_answers_and_gradients_are_those_of_all_scores(asked):
    table, output, hidden, labels = parts(asked)
    weights = (hidden, table.weight, output.bias)
    loss, right = output.loss(hidden, labels)
    mine = torch.autograd.grad(loss * 0.3, weights)
    scores = output(hidden)[:asked]
    expected = F.cross_entropy(scores, labels, reduction="sum")
    theirs = torch.autograd.grad(expected * 0.3, weights)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(right, scores.argmax(-1) == labels)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert not mine[0][asked:].any()


def test_in_half_precision_it_stays_near():
    table, output, hidden, labels = parts(200)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = output.loss(hidden, labels)
    mine = torch.autograd.grad(loss, (hidden, table.weight, output.bias))
    expected = F.cross_entropy(output(hidden)[:200], labels, reduction="sum")
    theirs = torch.autograd.grad(expected, (hidden, table.weight, output.bias))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    for one, other in zip(mine, theirs, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.01 * other.norm()


def test_scores_of_any_size_give_a_finite_loss():
    _, output, hidden, labels = parts(4)
    loss, _ = output.loss(hidden * 1e4, labels)
    expected = F.cross_entropy(output(hidden * 1e4)[:4], labels, reduction="sum")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_nothing_asked_is_no_loss():
    _, output, hidden, labels = parts(0)
    loss, right = output.loss(hidden, labels)
    loss.backward()
    assert loss.item() == 0
    assert right.shape == (0,)


def test_without_gradients_the_loss_is_the_same():
    _, output, hidden, labels = parts(100)
    with torch.no_grad():
        loss, _ = output.loss(hidden, labels)
    assert not loss.requires_grad
    assert loss.item() == output.loss(hidden, labels)[0].item()
