"""The linear-chain conditional random field: scores of tags that know their neighbours."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

# Added to what is not allowed: impossible beside any real score, and still a number.
FORBIDDEN = -1e4


class LinearChain(nn.Module):
    """Log-linear model of whole tag sequences (Lafferty et al. 2001; Lample et al. 2016, 2.2).

    The score of a sequence is the sum of its tags' own scores, of a number for each tag that
    follows another, and of one for the first tag and one for the last. All start at 0, where
    the model is a softmax over each word by itself. Everything is computed in float32.

    Args:
        num_labels: how many tags there are.
        steps: which tags (column) may follow each (row), where others are to have no share in
            the probabilities; everything if not given.
    """

    penalty: Tensor

    def __init__(self, num_labels: int, steps: Bool[Tensor, "labels labels"] | None = None) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(num_labels))
        self.transitions = nn.Parameter(torch.zeros(num_labels, num_labels))
        self.end = nn.Parameter(torch.zeros(num_labels))
        allowed = torch.ones(num_labels, num_labels, dtype=torch.bool) if steps is None else steps
        self.register_buffer("penalty", forbid(allowed), persistent=False)

    def loss(
        self,
        scores: Float[Tensor, "words labels"],
        labels: Int[Tensor, " words"],
        lengths: Int[Tensor, " sequences"],
    ) -> Float[Tensor, ""]:
        """Return -log probability of the labels, summed over sequences laid end to end."""
        with torch.autocast(scores.device.type, enabled=False):
            own = scores.float().gather(1, labels[:, None]).sum()
            last = lengths.cumsum(0) - 1
            first = last - lengths + 1
            is_inside = torch.ones_like(labels, dtype=torch.bool).index_fill(0, first, False)[1:]
            steps = self.steps()[labels[:-1], labels[1:]][is_inside].sum()
            ends = self.start[labels[first]].sum() + self.end[labels[last]].sum()
            return self.log_partition(scores, lengths).sum() - own - steps - ends

    def log_partition(
        self, scores: Float[Tensor, "words labels"], lengths: Int[Tensor, " sequences"]
    ) -> Float[Tensor, " sequences"]:
        """Return the log of the sum over all sequences of tags: the forward algorithm."""
        with torch.autocast(scores.device.type, enabled=False):
            padded, is_word = to_rows(scores.float(), lengths)
            steps, total = self.steps(), self.start + padded[:, 0]
            for place in range(1, padded.shape[1]):
                longer = torch.logsumexp(total[:, :, None] + steps, dim=1) + padded[:, place]
                total = torch.where(is_word[:, place, None], longer, total)
            return torch.logsumexp(total + self.end, dim=1)

    def marginals(
        self, scores: Float[Tensor, "words labels"], lengths: Int[Tensor, " sequences"]
    ) -> Float[Tensor, "words labels"]:
        """Return the probability of each tag of each word, whatever the other words' tags are.

        They are the derivatives of the log partition by the scores.
        """
        with torch.inference_mode(False), torch.enable_grad():
            leaf = scores.detach().clone().float().requires_grad_()
            return torch.autograd.grad(self.log_partition(leaf, lengths).sum(), leaf)[0]

    def steps(self) -> Float[Tensor, "labels labels"]:
        """Return what is added for each tag (column) after another (row)."""
        return self.transitions.float() + self.penalty


def forbid(allowed: Bool[Tensor, "*labels"]) -> Float[Tensor, "*labels"]:
    """Return 0 for what is allowed and a number that rules out the rest."""
    return torch.where(allowed, 0.0, FORBIDDEN)


def best_tags(
    scores: Float[Tensor, "words labels"],
    lengths: Int[Tensor, " sequences"],
    start: Float[Tensor, " labels"],
    transitions: Float[Tensor, "labels labels"],
    end: Float[Tensor, " labels"],
) -> Int[Tensor, " words"]:
    """Return the tags of the best-scored sequences, laid end to end (Viterbi 1967).

    Of equals the tag with the smaller number is taken, from the last word back.

    Args:
        scores: of each tag for each word; sequences lie end to end.
        lengths: words of each sequence, at least 1.
        start: added for the first tag.
        transitions: added for each tag (column) after another (row).
        end: added for the last tag.
    """
    padded, is_word = to_rows(scores.float(), lengths)
    total, came_from = start + padded[:, 0], []
    for place in range(1, padded.shape[1]):
        longer, before = (total[:, :, None] + transitions).max(dim=1)
        total = torch.where(is_word[:, place, None], longer + padded[:, place], total)
        came_from.append(before)
    tag = (total + end).argmax(1)
    path = [tag]
    for place in range(padded.shape[1] - 1, 0, -1):
        before = came_from[place - 1].gather(1, tag[:, None])[:, 0]
        tag = torch.where(is_word[:, place], before, tag)
        path.append(tag)
    return torch.stack(path[::-1], 1)[is_word]


def to_rows(
    scores: Float[Tensor, "words labels"], lengths: Int[Tensor, " sequences"]
) -> tuple[Float[Tensor, "sequences longest labels"], Bool[Tensor, "sequences longest"]]:
    """Return sequences as rows of a rectangle, zeros after the last word, and where words are."""
    longest = int(lengths.max()) if len(lengths) else 1
    is_word = torch.arange(longest, device=scores.device) < lengths[:, None]
    padded = scores.new_zeros(*is_word.shape, scores.shape[1])
    padded[is_word] = scores
    return padded, is_word
