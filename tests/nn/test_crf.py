"""The linear chain: every sum and best path against counting all sequences out, and pytorch-crf."""

from itertools import pairwise, product

import pytest
import torch

from gloze.nn.crf import FORBIDDEN, LinearChain, best_tags, forbid

LENGTHS = (3, 1, 4)
LABELS = 3


def chain(steps=None, seed=0):
    torch.manual_seed(seed)
    found = LinearChain(LABELS, steps)
    for weight in found.parameters():
        torch.nn.init.normal_(weight)
    return found


def drawn(seed=1, lengths=LENGTHS):
    torch.manual_seed(seed)
    words = sum(lengths)
    return torch.randn(words, LABELS), torch.randint(LABELS, (words,)), torch.tensor(lengths)


def score(model, scores, path):
    """The score of one sequence of tags, by the definition."""
    total = model.start[path[0]] + model.end[path[-1]]
    total = total + sum(scores[place, tag] for place, tag in enumerate(path))
    steps = model.transitions + model.penalty
    return total + sum(steps[a, b] for a, b in pairwise(path))


def all_paths(length):
    return list(product(range(LABELS), repeat=length))


def by_counting(model, scores, labels, lengths):
    """Loss, best tags and marginals from the scores of all sequences there are."""
    loss, best, marginals = torch.zeros(()), [], []
    for own, right in zip(
        scores.split(lengths.tolist()), labels.split(lengths.tolist()), strict=True
    ):
        paths = all_paths(len(own))
        totals = torch.stack([score(model, own, path) for path in paths])
        loss = loss + totals.logsumexp(0) - score(model, own, right.tolist())
        best += paths[int(totals.argmax())]
        share = totals.softmax(0)
        marginals.append(
            torch.stack(
                [
                    torch.stack(
                        [share[[p[i] == tag for p in paths]].sum() for tag in range(LABELS)]
                    )
                    for i in range(len(own))
                ]
            )
        )
    return loss, torch.tensor(best), torch.cat(marginals)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_constrained", [False, True])
def test_loss_paths_marginals_and_gradients_are_those_of_all_sequences(seed, is_constrained):
    steps = torch.ones(LABELS, LABELS, dtype=torch.bool)
    if is_constrained:
        steps[0, 1] = steps[2, 2] = False
    model = chain(steps, seed)
    scores, labels, lengths = drawn(seed + 10)
    scores.requires_grad_()
    loss, best, marginals = by_counting(model, scores, labels, lengths)
    torch.testing.assert_close(model.loss(scores, labels, lengths), loss, rtol=1e-5, atol=1e-3)
    found = best_tags(scores, lengths, model.start, model.transitions + model.penalty, model.end)
    assert found.tolist() == best.tolist()
    torch.testing.assert_close(model.marginals(scores, lengths), marginals, rtol=1e-4, atol=1e-5)
    wanted = (scores, *model.parameters())
    ours = torch.autograd.grad(model.loss(scores, labels, lengths), wanted)
    theirs = torch.autograd.grad(loss, wanted)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_loss_paths_and_gradients_are_those_of_pytorch_crf(seed):
    torchcrf = pytest.importorskip("torchcrf")
    model, lengths = chain(seed=seed), (5, 9, 2, 1)
    scores, labels, sizes = drawn(seed, lengths)
    scores.requires_grad_()
    theirs = torchcrf.CRF(LABELS, batch_first=True)
    with torch.no_grad():
        theirs.start_transitions.copy_(model.start)
        theirs.transitions.copy_(model.transitions)
        theirs.end_transitions.copy_(model.end)
    pad = torch.nn.utils.rnn.pad_sequence
    rows, right = (pad(x.split(lengths), batch_first=True) for x in (scores, labels))
    mask = torch.arange(max(lengths)) < sizes[:, None]
    expected = -theirs(rows, right, mask=mask)
    loss = model.loss(scores, labels, sizes)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, scores)[0], torch.autograd.grad(expected, scores)[0]
    )
    paths = [tag for path in theirs.decode(rows, mask=mask) for tag in path]
    found = best_tags(scores, sizes, model.start, model.transitions, model.end)
    assert found.tolist() == paths


def test_a_fresh_chain_is_a_softmax_over_each_word():
    scores, labels, lengths = drawn()
    model = LinearChain(LABELS)
    expected = torch.nn.functional.cross_entropy(scores, labels, reduction="sum")
    torch.testing.assert_close(model.loss(scores, labels, lengths), expected)
    torch.testing.assert_close(model.marginals(scores, lengths), scores.softmax(-1))


def test_forbidden_steps_are_never_taken_nor_counted():
    scores = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 1.0]])
    allowed = torch.ones(LABELS, LABELS, dtype=torch.bool)
    allowed[0, 1] = False
    model, lengths = LinearChain(LABELS, allowed), torch.tensor([2])
    none = torch.zeros(LABELS)
    # 9 + 1 for the first tag and another, 0 + 9 for another and the second: the former wins.
    assert best_tags(scores, lengths, none, forbid(allowed), none).tolist() == [0, 2]
    both = torch.tensor([0, 1])
    assert model.loss(scores, both, lengths).item() > -FORBIDDEN / 2
    assert model.loss(scores, torch.tensor([0, 2]), lengths).item() < 1


def test_of_equal_paths_the_first_tags_are_taken():
    none = torch.zeros(LABELS)
    found = best_tags(
        torch.zeros(4, LABELS), torch.tensor([3, 1]), none, torch.zeros(LABELS, LABELS), none
    )
    assert found.tolist() == [0, 0, 0, 0]


def test_the_loss_is_computed_in_float32_inside_autocast():
    model = chain()
    scores, labels, lengths = drawn()
    expected = model.loss(scores, labels, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.loss(scores, labels, lengths)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_marginals_come_in_inference_mode_too():
    model = chain()
    with torch.inference_mode():
        scores, _, lengths = drawn()
        found = model.marginals(scores, lengths)
    torch.testing.assert_close(found.sum(-1), torch.ones(sum(LENGTHS)))


def test_sequences_do_not_touch_each_other():
    model = chain()
    scores, labels, lengths = drawn()
    apart = sum(
        model.loss(own, right, torch.tensor([len(own)])).item()
        for own, right in zip(scores.split(LENGTHS), labels.split(LENGTHS), strict=True)
    )
    assert model.loss(scores, labels, lengths).item() == pytest.approx(apart, rel=1e-5)


def test_no_sequences_have_no_loss():
    empty = torch.zeros(0, LABELS), torch.zeros(0, dtype=torch.long), torch.zeros(0).long()
    assert chain().loss(*empty).item() == 0
