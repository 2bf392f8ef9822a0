"""Scores of starts and ends to answers: the best spans of all windows of a context."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Ints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.tasks.learned import Rows
    from gloze.tasks.span_windows import EncodedQuestions

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A possible answer.

    Attributes:
        text: as it stands in the context; empty for no answer.
        start: its first character in the context; None for no answer.
        end: the character after its last.
        probability: its share among the candidates; they add up to 1.
        start_logit, end_logit: the head's scores.
    """

    text: str
    start: int | None
    end: int | None
    probability: float
    start_logit: float
    end_logit: float


@dataclass(frozen=True)
class SpanAnswer:
    """An answer.

    Attributes:
        text: as it stands in the context; empty if it says that there is none.
        start: its first character in the context; None if there is none.
        end: the character after its last.
        probability: its share among the candidates.
        n_best: the candidates with different texts, the best first.
        null_odds: how far no answer scores above the best answer; None where training had no
            question without an answer.
    """

    text: str
    start: int | None
    end: int | None
    probability: float
    n_best: tuple[Candidate, ...]
    null_odds: float | None = None

    @property
    def best_text(self) -> str:
        """The best candidate that is an answer."""
        return next((found.text for found in self.n_best if found.start is not None), "")

    def columns(self) -> dict[str, Any]:
        """Return the answer as columns of a table."""
        row = {
            "predicted_answer": self.text,
            "predicted_start": self.start,
            "predicted_end": self.end,
            "probability": self.probability,
        }
        return row if self.null_odds is None else {**row, "null_odds": self.null_odds}


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How spans are chosen.

    Attributes:
        max_tokens: most tokens of an answer.
        n_best: most candidates that are answers.
        whole_words: whether answers begin and end where words do.
        null_threshold: there is no answer where ``null_odds`` is over this; None if there
            always is one.
    """

    max_tokens: int
    n_best: int
    whole_words: bool
    null_threshold: float | None


def decode(
    contexts: Sequence[str], encoded: EncodedQuestions, rows: Rows, how: Decoding
) -> Iterator[SpanAnswer]:
    """Yield the answer to each question.

    A span may begin at a token only in the window that has the most context around it; windows
    are compared by their scores as they are (Devlin et al. 2019, released run_squad.py).

    Args:
        contexts: the text of each question.
        encoded: the questions, in the same order.
        rows: score of each token as a start and as an end, [tokens, 2].
        how: to choose.
    """
    scores, places = rows.astype(np.float64), encoded.window_tokens()
    tables = encoded.contexts
    starts = np.where(places.is_best, scores[places.rows, 0], -np.inf)
    ends = scores[places.rows, 1]
    begins_word = tables.word_firsts[places.tokens] == places.tokens
    ends_word = tables.word_lasts[places.tokens] == places.tokens
    null = scores[encoded.starts]
    # Where the windows of each question begin, and where the tokens of these do.
    windows = np.cumsum(np.append(0, np.bincount(encoded.cut.owner, minlength=len(contexts))))
    firsts = np.cumsum(np.append(0, encoded.cut.lengths))[windows]
    runs = zip(pairwise(windows.tolist()), pairwise(firsts.tolist()), strict=True)
    for question, ((low, high), (first, end)) in enumerate(runs):
        own = slice(first, end)
        offsets = tables.offsets[places.tokens[own]]
        words = (begins_word[own], ends_word[own]) if how.whole_words else None
        found = _distinct(
            contexts[question], starts[own], ends[own], places.left[own], offsets, words, how
        )
        nothing = null[low:high][null[low:high].sum(axis=1).argmin()]
        yield _answer(found, nothing, how.null_threshold)


def best_spans(
    starts: Scores, ends: Scores, left: Ints, max_tokens: int, count: int
) -> tuple[Ints, Ints, Scores]:
    """Return first token, last token and summed score of the best spans, the best first.

    All pairs are looked at. Of equals the earlier start comes first, then the earlier end.

    Args:
        starts: score of each token as a start, -inf where none may begin, [tokens].
        ends: score of each token as an end, -inf where none may end, [tokens].
        left: most tokens that a span from each token may have, [tokens].
        max_tokens: most tokens of any span.
        count: most spans that are returned.
    """
    begins = np.flatnonzero(starts > -np.inf)
    width = min(max_tokens, int(left.max(initial=1)))
    if not len(begins):
        return begins, begins, np.zeros(0)
    padded = np.append(ends, np.full(width - 1, -np.inf))
    totals = np.lib.stride_tricks.sliding_window_view(padded, width)[begins]
    totals = totals + starts[begins, None]
    totals[np.arange(width) >= left[begins, None]] = -np.inf
    flat = totals.ravel()
    chosen = np.arange(len(flat))
    if count < len(flat):
        least = np.partition(flat, -count)[-count]
        # Of those that score as the last one does only as many as there is room for, in order.
        chosen = np.flatnonzero(flat >= least)
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")][:count]
    chosen = chosen[flat[chosen] > -np.inf]
    first = begins[chosen // width]
    return first, first + chosen % width, flat[chosen]


_Span = tuple[str, int, int, float, float]


def _distinct(
    context: str,
    starts: Scores,
    ends: Scores,
    left: Ints,
    offsets: Ints,
    words: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None,
    how: Decoding,
) -> list[_Span]:
    """Return the best spans of different texts, with the scores of their ends."""
    if words is not None:
        begins = np.where(words[0], starts, -np.inf)
        finals = np.where(words[1], ends, -np.inf)
        # A word longer than an answer may be has no whole answer in it.
        if found := _distinct(context, begins, finals, left, offsets, None, how):
            return found
    count = 4 * how.n_best
    while True:
        spans: dict[str, _Span] = {}
        firsts, lasts, _ = best_spans(starts, ends, left, how.max_tokens, count)
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            start, end = int(offsets[first, 0]), _past_marks(context, int(offsets[last, 1]))
            span = (context[start:end], start, end, float(starts[first]), float(ends[last]))
            spans.setdefault(span[0], span)
        if len(spans) >= how.n_best or len(firsts) < count:
            return list(spans.values())[: how.n_best]
        count *= 4


def _past_marks(text: str, end: int) -> int:
    """Return an end moved past the marks on the last character: accents, vowel signs.

    A tokenizer that takes accents off has no token for them.
    """
    while end < len(text) and unicodedata.category(text[end]) == "Mn":
        end += 1
    return end


def _answer(found: list[_Span], nothing: Scores, null_threshold: float | None) -> SpanAnswer:
    total = np.array([start + end for *_, start, end in found])
    odds = None
    spans: list[tuple[str, int | None, int | None, float, float]] = list(found)
    if null_threshold is not None:
        # A context without a token has no answer: it scores 0, as in run_squad.py.
        odds = float(nothing.sum() - total.max(initial=-np.inf)) if found else float(nothing.sum())
        place = int(np.searchsorted(-total, -nothing.sum(), side="right"))
        spans.insert(place, ("", None, None, float(nothing[0]), float(nothing[1])))
        total = np.insert(total, place, nothing.sum())
    shares = np.exp(total - total.max(initial=-np.inf))
    shares /= shares.sum()
    n_best = tuple(
        Candidate(*span[:3], float(share), *span[3:])
        for span, share in zip(spans, shares, strict=True)
    )
    says_none = odds is not None and null_threshold is not None and odds > null_threshold
    best = next((each for each in n_best if (each.start is None) == says_none), None)
    if best is None:
        return SpanAnswer("", None, None, 0.0, n_best, odds)
    return SpanAnswer(best.text, best.start, best.end, best.probability, n_best, odds)
