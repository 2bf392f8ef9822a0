"""Softmax within samples laid end to end is that of each sample by itself."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.nn.parts import cross_entropy_of_parts, softmax_of_parts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 99))
def test_samples_are_as_if_each_stood_alone(counts, seed):
    torch.manual_seed(seed)
    sizes = torch.tensor(counts)
    scores = (torch.randn(int(sizes.sum())) * 30).requires_grad_()
    gold = torch.tensor([int(torch.randint(n, ())) for n in counts])
    loss, correct = cross_entropy_of_parts(scores, sizes, gold)
    alone = scores.split(counts)
    wanted = sum(F.cross_entropy(x, g, reduction="sum") for x, g in zip(alone, gold, strict=True))
    assert torch.allclose(loss, wanted, atol=1e-4)
    [gradient] = torch.autograd.grad(loss, scores)
    assert torch.allclose(gradient, torch.autograd.grad(wanted, scores)[0], atol=1e-5)
    assert correct == sum(int(x.argmax() == g) for x, g in zip(alone, gold, strict=True))
    probabilities = torch.cat([x.softmax(0) for x in alone])
    assert torch.allclose(softmax_of_parts(scores, sizes), probabilities, atol=1e-6)


def test_an_equal_score_is_not_the_best():
    sizes, gold = torch.tensor([2, 3]), torch.tensor([0, 1])
    _, correct = cross_entropy_of_parts(torch.tensor([1.0, 1.0, 0.0, 2.0, 1.0]), sizes, gold)
    assert correct == 1


def test_large_scores_do_not_overflow():
    loss, _ = cross_entropy_of_parts(
        torch.tensor([1e4, -1e4, 3e4]), torch.tensor([3]), torch.tensor([2])
    )
    assert loss == 0
