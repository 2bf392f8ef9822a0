"""The loss over the vocabulary, taken in blocks, is the loss of all scores at once."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gloze.nn.output import TokenOutput, VocabularyOutput
from gloze.nn.rows import round_up_rows

VOCAB = 90


KINDS = {
    "kept": TokenOutput,
    "flat": lambda table: VocabularyOutput(16, VOCAB, tied_to=table),
}


def parts(asked, kind="kept"):
    torch.manual_seed(0)
    table = nn.Embedding(VOCAB, 16)
    output = KINDS[kind](table)
    nn.init.normal_(output.bias)
    hidden = round_up_rows(torch.randn(asked, 16)).requires_grad_()
    return table, output, hidden, torch.randint(VOCAB, (asked,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", [1, 63, 64, 128, 129, 300])
def test_loss_answers_and_gradients_are_those_of_all_scores(asked, kind):
    table, output, hidden, labels = parts(asked, kind)
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


def test_an_output_without_a_bias_neither_trains_nor_saves_one():
    table, with_bias, hidden, labels = parts(200, "flat")
    output = VocabularyOutput(16, VOCAB, tied_to=table, bias=False)
    nn.init.zeros_(with_bias.bias)
    assert dict(output.named_parameters()) == {}
    assert output.state_dict() == {}
    found = []
    for each in (output, with_bias):
        loss, _ = each.loss(hidden, labels)
        found.append([loss, *torch.autograd.grad(loss, (hidden, table.weight))])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_in_half_precision_it_stays_near(kind):
    table, output, hidden, labels = parts(200, kind)
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


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_any_size_give_a_finite_loss(kind):
    _, output, hidden, labels = parts(4, kind)
    loss, _ = output.loss(hidden * 1e4, labels)
    expected = F.cross_entropy(output(hidden * 1e4)[:4], labels, reduction="sum")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_asked_is_no_loss(kind):
    _, output, hidden, labels = parts(0, kind)
    loss, right = output.loss(hidden, labels)
    loss.backward()
    assert loss.item() == 0
    assert right.shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_without_gradients_the_loss_is_the_same(kind):
    _, output, hidden, labels = parts(100, kind)
    with torch.no_grad():
        loss, _ = output.loss(hidden, labels)
    assert not loss.requires_grad
    assert loss.item() == output.loss(hidden, labels)[0].item()


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, torch.Tensor):
                self.numbers = max(self.numbers, each.numel())
        return result


def largest(loss_of, rows):
    hidden, labels = torch.randn(rows, 16, requires_grad=True), torch.randint(VOCAB, (rows,))
    with Largest() as seen:
        loss_of(hidden, labels).backward()
    return seen.numbers


def test_the_flat_loss_never_holds_the_scores_of_more_rows_than_one_product_needs():
    output = VocabularyOutput(16, VOCAB)
    flat = [largest(lambda x, y: output.loss(x, y)[0], rows) for rows in (1024, 3000)]
    assert flat == [1024 * VOCAB] * 2
    whole = largest(lambda x, y: F.cross_entropy(output(x), y, reduction="sum"), 3000)
    assert whole >= 3000 * VOCAB


def test_an_output_with_a_table_of_its_own_has_it_beside_the_bias_and_a_tied_one_has_not():
    names = [[n for n, _ in VocabularyOutput(16, VOCAB).named_parameters()]]
    names.append([n for n, _ in parts(1, "flat")[1].named_parameters()])
    assert names == [["bias", "table.weight"], ["bias"]]
