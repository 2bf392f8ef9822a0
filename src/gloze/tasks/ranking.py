"""Ranking: the candidates of a query in the order of their relevance."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from gloze.core.contracts import Mark, Objective, keep_labels
from gloze.core.errors import ConfigError, DataError
from gloze.core.lists import turned
from gloze.core.progress import say
from gloze.metrics.ranking import ranking_figures
from gloze.nn.init import initialize
from gloze.nn.parts import cross_entropy_of_parts
from gloze.tasks.encoding import beginnings, lay_out, longest_first
from gloze.tasks.learned import Judged, Learned, id2label
from gloze.tasks.ranking_answers import CandidateAnswers, Ranked, columns_of
from gloze.tasks.ranking_draws import DrawnCandidates, Loss
from gloze.tasks.ranking_files import Query, RankingReader, ranking_reader
from gloze.tasks.sequences import SequenceHead, SequenceTask

if TYPE_CHECKING:
    import numpy.typing as npt

    from gloze.core.batch import Batch
    from gloze.core.contracts import Source
    from gloze.encoders.kinds import AnyEncoder
    from gloze.nn.readout import Readout
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.writing import AnswerWriter
    from gloze.tokenizers import Tokenizer

NAME: Final = "ranking"
_NEGATIVES = 10


@dataclass(frozen=True, kw_only=True)
class Ranking(SequenceTask[Query]):
    """How candidates get a score, each with its query in a sequence of its own.

    A candidate is relevant if its relevance is over 0.

    Attributes:
        loss: ``pointwise`` judges each candidate by itself: binary cross-entropy. ``pairwise``
            is the softmax of each relevant candidate against the irrelevant ones of its query
            (MT-DNN, Liu et al. 2019, eq. 6 and 7).
        gamma: what scores are multiplied by in that softmax.
        negatives: irrelevant candidates for each relevant one, drawn anew in each epoch; ``all``
            of them; ``auto`` is ``all`` for pointwise, and 10 for pairwise, where they are
            computed together.
        judged: ``raw`` takes every query; ``clean`` leaves out those without a relevant or
            without an irrelevant candidate, as the cleaned TrecQA does.
        cutoffs: of the figures ``mrr@k`` and ``ndcg@k``.
        metric: by which seeds are compared; ``auto`` is ``map``.
    """

    MEASURE: ClassVar[tuple[str, ...]] = ("metric", "judged", "cutoffs")

    kind: Literal["ranking"] = NAME
    loss: Loss = "pointwise"
    gamma: float = 1.0
    negatives: int | Literal["auto", "all"] = "auto"
    judged: Literal["raw", "clean"] = "raw"
    cutoffs: tuple[int, ...] = (10,)
    metric: Literal["auto", "map", "mrr", "ndcg"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gamma <= 0:
            raise ConfigError(f"task.gamma is {self.gamma}; it must be over 0.")
        if self.loss == "pointwise" and self.gamma != 1:
            raise ConfigError("task.gamma does nothing here: set task.loss=pairwise.")
        if isinstance(self.negatives, int) and self.negatives < 1:
            raise ConfigError(f"task.negatives is {self.negatives}; it must be at least 1.")
        if any(cutoff < 1 for cutoff in self.cutoffs):
            raise ConfigError(f"task.cutoffs is {list(self.cutoffs)}; each must be at least 1.")

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> RankingReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return ranking_reader(format, columns)

    def take(self, inputs: Sequence[Any]) -> list[Query]:
        """Return queries of (query, candidates)."""
        if isinstance(inputs, str):
            raise ConfigError("predict takes a list of queries; put the query into a list.")
        return [_as_query(asked) for asked in inputs]

    def some_inputs(self, texts: Sequence[str], learned: Learned) -> list[Any]:
        """Return each sentence with the three after it as candidates; see Task.some_inputs."""
        candidates = zip(*(turned(texts, by) for by in (1, 2, 3)), strict=True)
        return list(zip(texts, candidates, strict=True))

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Ranking:
        """Return the settings with every ``auto`` decided; see :meth:`Task.resolve`."""
        found = super().resolve(is_plain=is_plain)
        negatives = self.negatives
        if negatives == "auto":
            negatives = _NEGATIVES if self.loss == "pairwise" else "all"
        return replace(
            found, negatives=negatives, metric="map" if self.metric == "auto" else self.metric
        )

    def learn(self, examples: Sequence[Query], path: Path) -> Learned:
        """Return nothing, but count the queries that teach nothing; see :meth:`Task.learn`."""
        grades = [np.array(example.relevance) > 0 for example in examples]
        bare = sum(not row.any() for row in grades)
        full = sum(bool(row.all()) for row in grades)
        pooled = np.concatenate(grades)
        if (
            pooled.all()
            or not pooled.any()
            or (self.loss == "pairwise" and bare + full == len(grades))
        ):
            raise DataError(
                f"of {len(grades)} queries {bare} have no relevant and {full} no irrelevant "
                "candidate: there is nothing to learn.",
                path=path,
            )
        if bare or full:
            what = "teach nothing" if self.loss == "pairwise" else "are learned from all the same"
            say(
                f"{path}: of {len(grades):,} queries {bare:,} have no relevant candidate and "
                f"{full:,} no irrelevant one; they {what}."
            )
        return Learned()

    def encode(
        self,
        examples: Sequence[Query],
        tokenizer: Tokenizer,
        learned: Learned,
        *,
        path: Path | None = None,
    ) -> EncodedExamples:
        """Return the queries as ids, a sequence for each candidate; see :meth:`Task.encode`."""
        queries, query_lengths = tokenizer.encode([example.query for example in examples])
        texts, lengths = tokenizer.encode([text for e in examples for text in e.candidates])
        sizes = np.array([len(example.candidates) for example in examples], dtype=np.int64)
        owner = np.repeat(np.arange(len(examples)), sizes)
        query_kept, kept = longest_first(
            query_lengths[owner], lengths, np.full_like(lengths, self.max_length - 3)
        )
        is_cut = (query_kept < query_lengths[owner]) | (kept < lengths)
        encoded = lay_out(
            NAME,
            tokenizer,
            beginnings(tokenizer, queries, query_lengths, owner, query_kept),
            beginnings(tokenizer, texts, lengths, np.arange(len(owner)), kept),
            truncated=len(np.unique(owner[is_cut])),
        )
        encoded = replace(encoded, sizes=sizes)
        if path is None:
            return encoded
        relevance = np.concatenate([np.array(e.relevance, dtype=np.float32) for e in examples])
        firsts = np.cumsum(encoded.sequence_lengths) - encoded.sequence_lengths
        return replace(encoded, labels=relevance, positions=firsts)

    def asked(self, encoded: EncodedExamples) -> Source:
        """Return the candidates drawn in each epoch."""
        negatives = None if isinstance(self.negatives, str) else self.negatives
        return DrawnCandidates(encoded, self.loss, negatives)

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        head = RankingHead(encoder, readout, self)
        initialize(head.output, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)

    def answers(self, judged: Judged[Query]) -> list[Ranked]:
        """Return the order of each query's candidates, and their scores."""
        return [
            Ranked(tuple(np.argsort(-row, kind="stable").tolist()), tuple(row.tolist()))
            for row in _scores(judged)
        ]

    def figures(self, judged: Judged[Query], path: Path) -> dict[str, Any]:
        """Return MAP, MRR and NDCG, and how many queries were judged; see Task.figures."""
        relevance = [np.array(example.relevance) for example in judged.examples]
        scores = _scores(judged)
        try:
            found = ranking_figures(relevance, scores, cutoffs=self.cutoffs, judged=self.judged)
        except ConfigError as error:
            raise DataError(str(error), path=path) from None
        if found["without_relevant"] or found["without_irrelevant"]:
            found["note"] = (
                f"{found['judged']:,} of {found['queries']:,} queries judged ({self.judged}): "
                f"{found['without_relevant']:,} have no relevant candidate, "
                f"{found['without_irrelevant']:,} no irrelevant one."
            )
        return {"examples": len(judged.examples), "loss": self._loss(relevance, scores), **found}

    def _loss(
        self, relevance: list[npt.NDArray[np.float64]], scores: list[npt.NDArray[np.float64]]
    ) -> float:
        """Return the mean loss of all candidates, or of all relevant ones against the others."""
        losses = []
        for grades, row in zip(relevance, scores, strict=True):
            is_relevant = grades > 0
            if self.loss == "pointwise":
                losses.append(np.logaddexp(0, np.where(is_relevant, -row, row)))
            elif is_relevant.any() and not is_relevant.all():
                right, others = self.gamma * row[is_relevant], self.gamma * row[~is_relevant]
                losses.append(np.logaddexp(right, np.logaddexp.reduce(others)) - right)
        return float(np.concatenate(losses).mean()) if losses else 0.0

    def shown(self, learned: Learned) -> list[str]:
        """Return the task's own metric, MAP, MRR and NDCG."""
        return list(dict.fromkeys([self.metric, "map", "mrr", "ndcg"]))

    def row(self, example: Query, answer: Ranked) -> dict[str, Any]:
        """Return the scores and ranks of all candidates of a query."""
        return {f"{name}s": list(values) for name, values in columns_of(answer).items()}

    def writer(
        self, path: Path, layout: str | None = None, *, source: Path, force: bool = False
    ) -> AbstractContextManager[AnswerWriter]:
        """Return the writer of a table with a row for each candidate; see :meth:`Task.writer`."""
        self.check_layout(layout)
        return CandidateAnswers.open(path, source=source, force=force)

    def width(self, learned: Learned) -> int:
        """Return 1."""
        return 1

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return the head as ``transformers`` names it: a classifier of one output."""
        return {
            **id2label(["relevance"]),
            **self.their_architecture("BertForSequenceClassification"),
        }


def _scores(judged: Judged[Query]) -> list[npt.NDArray[np.float64]]:
    """Return the scores of each query's candidates."""
    sizes = [len(example.candidates) for example in judged.examples]
    return np.split(judged.rows[:, 0].astype(np.float64), np.cumsum(sizes)[:-1])


def _as_query(asked: Any) -> Query:
    parts = list(asked) if isinstance(asked, list | tuple) else []
    texts = parts[1] if len(parts) == 2 and isinstance(parts[1], list | tuple) else []
    if not texts or not all(isinstance(text, str) for text in (parts[0], *texts)):
        raise ConfigError(
            f"predict takes queries like (query, [candidate, candidate]), not {asked!r:.80}."
        )
    return Query(parts[0], tuple(texts))


class RankingHead(SequenceHead):
    """One score for each candidate."""

    rows_per = "sequence"

    def __init__(self, encoder: AnyEncoder, readout: Readout, task: Ranking) -> None:
        super().__init__(encoder, readout, task, 1)
        self.loss, self.gamma = task.loss, task.gamma

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss, and how many candidates or relevant ones are told right."""
        labels = batch.labels[NAME]
        scores = self.scores(hidden_states, batch)[:, 0].float()
        if self.loss == "pairwise":
            assert batch.sizes is not None
            return Mark(*cross_entropy_of_parts(self.gamma * scores, batch.sizes, labels))
        loss = F.binary_cross_entropy_with_logits(scores, labels, reduction="sum")
        return Mark(loss, ((scores.detach() > 0) == (labels > 0)).sum())
