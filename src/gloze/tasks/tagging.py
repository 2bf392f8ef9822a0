"""Tagging: a label for every word of a sentence: names, chunks, parts of speech, segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import numpy as np
import torch

from gloze.core.batch import IGNORE
from gloze.core.contracts import Objective, keep_labels
from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.core.settings import check_rate, refuse_idle
from gloze.metrics.chunks import tagging_figures
from gloze.nn.crf import LinearChain
from gloze.nn.init import initialize
from gloze.tasks.gold_tags import GoldTags, gold_tags, learn_tags, number_tags, report_tags, usual
from gloze.tasks.learned import Judged, Learned, id2label, their_labels
from gloze.tasks.schemes import Scheme, convert, detect, rules
from gloze.tasks.sentences import Sentence, SentenceReader, as_sentences, find_reader, layout_of
from gloze.tasks.tag_answers import Decoder, TaggedWords, TextAnswers, answer, mean_loss
from gloze.tasks.tag_counts import sentence_counts
from gloze.tasks.tag_encoding import EncodedSentences, encode_sentences, units
from gloze.tasks.tagger import NAME, Tagger
from gloze.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gloze.encoders.kinds import AnyEncoder
    from gloze.nn.readout import Readout
    from gloze.tasks.learned import Counted, Rows
    from gloze.tasks.writing import AnswerWriter
    from gloze.tokenizers import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Tagging(Task[Sentence]):
    """How words get a tag, and by which figure the answers are judged.

    Attributes:
        max_length: tokens of a sequence with [CLS] and [SEP]; longer sentences are read through
            windows that overlap by half, each word where it has the most context.
        context: ``document`` fills the sequence up with the sentences around, as far as the
            document reaches (Devlin et al. 2019, 5.3); ``sentence`` shows the sentence alone.
        scheme: of the files: ``iob1``, ``iob2``, ``bioes``, or ``none`` for tags that are no
            chunks; ``auto`` finds out.
        train_scheme: in which chunks are learned; answers are written as the files are. ``auto``
            is ``bioes`` for files written so, else ``iob2``.
        breaches: ``convert`` reads tags that break their scheme as conlleval does and counts
            them; ``refuse`` stops at the first.
        crf: whether a linear chain over the tags is learned.
        constrained: whether only sequences that the scheme allows are answered (``decoding``),
            and with a chain only allowed steps have a share in its probabilities too
            (``training``); ``auto`` is ``decoding`` with a chain and ``no`` without.
        dropout: before the scores.
        metric: by which seeds are compared: ``f1`` of chunks as conlleval counts them,
            ``f1_strict``, or ``accuracy`` of words; ``auto`` is f1 if the tags are chunks.
    """

    WRITES: ClassVar[tuple[str, ...]] = ("table", "text")
    long_text = "windows"

    kind: Literal["tagging"] = "tagging"
    max_length: int = 128
    context: Literal["sentence", "document"] = "sentence"
    scheme: Literal["auto", "iob1", "iob2", "bioes", "none"] = "auto"
    train_scheme: Literal["auto", "iob2", "bioes"] = "auto"
    breaches: Literal["convert", "refuse"] = "convert"
    crf: bool = False
    constrained: Literal["auto", "no", "decoding", "training"] = "auto"
    dropout: float = 0.1
    metric: Literal["auto", "f1", "f1_strict", "accuracy"] = "auto"

    def __post_init__(self) -> None:
        if self.max_length < 3:
            raise ConfigError(f"task.max_length is {self.max_length}; it must be at least 3.")
        check_rate("task.dropout", self.dropout)
        if self.constrained == "training" and not self.crf:
            raise ConfigError(
                "task.constrained is training, which only a chain can use. "
                "Set task.crf=true, or task.constrained=decoding."
            )

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> SentenceReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return find_reader(format, columns)

    def take(self, inputs: Sequence[Any]) -> list[Sentence]:
        """Return sentences given as lists of words, or as texts."""
        return as_sentences(inputs)

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Self:
        """Return the settings as they are: the tags decide the rest."""
        return self

    def learn(self, examples: Sequence[Sentence], path: Path) -> Learned:
        """Return the labels and the schemes; see :meth:`Task.learn`."""
        if self.context == "document" and all(e.document is None for e in examples):
            raise ConfigError(
                f"task.context is document, and {path} marks no documents: -DOCSTART- lines, "
                "# newdoc in CoNLL-U, a document column in tables. Set task.context=sentence."
            )
        gold = self._gold(examples, path)
        train_scheme = usual(gold.scheme) if self._target is None else self._target
        has_chunks = gold.scheme != "none"
        if not has_chunks:
            self._refuse_chunks(path)
        labels = learn_tags(gold, train_scheme, path)
        kind = f"{gold.scheme}, learned as {train_scheme}" if has_chunks else "no chunks"
        say(f"{path}: the tags are {kind}; {len(labels)} labels.")
        return Learned(labels=labels).with_values(
            scheme=gold.scheme, train_scheme=train_scheme, characters=examples[0].is_segmented
        )

    def _refuse_chunks(self, path: Path) -> None:
        """Refuse settings of chunks, where tags are none."""
        names = ("train_scheme", *(["metric"] * (self.metric != "accuracy")))
        cure = f"the tags of {path} are no chunks. Name another column with --columns tag=N?"
        refuse_idle("task", self, (*names, "breaches", "constrained"), cure)

    @property
    def _target(self) -> Scheme | None:
        return None if self.train_scheme == "auto" else self.train_scheme

    def _gold(
        self, examples: Sequence[Sentence], path: Path, learned: Learned | None = None
    ) -> GoldTags:
        return gold_tags(
            examples,
            path,
            scheme=None if self.scheme == "auto" else self.scheme,
            like=None if learned is None else learned.values["scheme"],
            to=self._target if learned is None else learned.values["train_scheme"],
            refuse_breaches=self.breaches == "refuse",
        )

    def encode(
        self,
        examples: Sequence[Sentence],
        tokenizer: Tokenizer,
        learned: Learned,
        *,
        path: Path | None = None,
    ) -> EncodedSentences:
        """Return the sentences as ids; see :meth:`Task.encode`. Said is what is odd of them."""
        labels = None
        if path is not None:
            gold = self._gold(examples, path, learned)
            labels = number_tags(gold, learned.labels, path)
            report_tags(gold, labels, examples, path)
        encoded = encode_sentences(
            NAME,
            units(examples, learned),
            tokenizer,
            max_length=self.max_length,
            in_documents=self.context == "document",
            labels=labels,
        )
        encoded.report(path or "input")
        return encoded

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        crf = None
        if self.crf:
            steps = rules(learned.labels, learned.values["train_scheme"]).steps
            is_allowed = torch.from_numpy(steps) if self.constrained == "training" else None
            crf = LinearChain(len(learned.labels), is_allowed)
        head = Tagger(readout, len(learned.labels), self.dropout, crf)
        initialize(head.output, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)

    def answers(self, judged: Judged[Sentence]) -> list[TaggedWords]:
        """Return tags, their probabilities and the chunks they write, for each sentence.

        Tags are written in the scheme of the files trained on; a probability is that of the tag
        in the scheme of training.
        """
        tags, shares = self._decode(judged)
        scheme = judged.learned.values["scheme"]
        if scheme != judged.learned.values["train_scheme"]:
            tags = [convert(own, scheme) for own in tags]
        sentences = units(judged.examples, judged.learned)
        return [answer(*each, scheme) for each in zip(sentences, tags, shares, strict=True)]

    def _decode(self, judged: Judged[Sentence]) -> tuple[list[list[str]], list[Rows]]:
        is_free = self.constrained == "no" or (self.constrained == "auto" and not self.crf)
        labels, values = judged.learned.labels, judged.learned.values
        decoder = Decoder(
            chain=_chain(judged),
            rules=None if is_free else rules(labels, values["train_scheme"]),
        )
        encoded = _encoded(judged)
        numbers, shares = decoder.decode(encoded.by_word(judged.rows), encoded.num_words)
        count, edges = len(encoded.num_words), np.cumsum(encoded.num_words)[:-1]
        tags = [[labels[number] for number in own] for own in np.split(numbers, edges)]
        return tags[:count], np.split(shares, edges)[:count]

    def figures(self, judged: Judged[Sentence], path: Path) -> dict[str, Any]:
        """Return figures of words and, if the tags are chunks, of chunks; see :meth:`Task.figures`.

        ``loss`` is that of training, a word, over all whose tags training knows. ``breaches``
        are the file's tags that break its scheme, ``unseen`` those that training did not have.
        """
        learned = judged.learned
        gold = self._gold(judged.examples, path, learned)
        numbers = number_tags(gold, learned.labels, path)
        said, _ = self._decode(judged)
        encoded = _encoded(judged)
        scores = encoded.by_word(judged.rows)
        return {
            "examples": len(said),
            "loss": mean_loss(scores, numbers, encoded.num_words, _chain(judged)),
            "breaches": len(gold.breaches),
            "unseen": int(np.count_nonzero(numbers == IGNORE)),
            **tagging_figures(gold.tags, said, learned.values["train_scheme"]),
        }

    def counted(self, judged: Judged[Sentence], path: Path, metric: str) -> Counted:
        """Return the counts of each sentence; see :meth:`Task.counted`."""
        gold, (said, _) = self._gold(judged.examples, path, judged.learned), self._decode(judged)
        return sentence_counts(gold.tags, said, metric, judged.learned.values["train_scheme"])

    def shown(self, learned: Learned) -> list[str]:
        """Return the names of the figures worth a column, the task's own first."""
        if learned.values["scheme"] == "none":
            return ["accuracy"]
        own = "f1" if self.metric == "auto" else self.metric
        return list(dict.fromkeys([own, "f1", "precision", "recall", "f1_strict", "accuracy"]))

    def row(self, example: Sentence, answer: TaggedWords) -> dict[str, Any]:
        """Return the columns that ``predict`` adds to those of the input."""
        if example.is_segmented:
            return {"segmented": answer.segmented}
        return {
            "predicted_tags": list(answer.tags),
            "probabilities": [round(share, 6) for share in answer.probabilities],
            "entities": [entity._asdict() for entity in answer.entities],
        }

    def tally(self, answer: TaggedWords) -> Iterable[str]:
        """Return the tags that the sentence has."""
        return dict.fromkeys(answer.tags)

    def writer(
        self, path: Path, layout: str | None = None, *, source: Path, force: bool = False
    ) -> AbstractContextManager[AnswerWriter]:
        """Return the writer of a file of answers; see :meth:`Task.writer`.

        Where nothing is said the name decides: .jsonl, .parquet and .csv are tables, all else is
        text: the lines of the input with one more column, or words with spaces between them.
        """
        is_table = layout_of(path) in ("jsonl", "parquet", "csv")
        if layout == "text" or (layout is None and not is_table):
            return TextAnswers.open(path, force=force)
        return super().writer(path, layout, source=source, force=force)

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return what ``config.json`` says of the head for ``transformers``."""
        # Their class knows no chain: with one only the bare encoder computes the same.
        architecture = "BertModel" if self.crf else "BertForTokenClassification"
        return {
            "architectures": [architecture],
            "classifier_dropout": self.dropout,
            **id2label(learned.labels),
        }

    @classmethod
    def from_theirs(cls, values: dict[str, Any], max_length: int) -> tuple[Self, Learned]:
        """Return the task of a ``BertForTokenClassification``; its labels tell the scheme."""
        labels = their_labels(values)
        scheme = detect([label] for label in labels)
        # Of IOB1, which has a B where chunks touch alone, not every label of IOB2 may be there.
        learned = Learned(labels=labels).with_values(
            scheme=scheme, train_scheme=scheme, characters=False
        )
        return cls(max_length=max_length), learned


def _encoded(judged: Judged[Sentence]) -> EncodedSentences:
    return cast("EncodedSentences", judged.encoded)


def _chain(judged: Judged[Sentence]) -> LinearChain | None:
    return cast("Tagger", judged.head).crf
