"""Sentences as ids: the first token of each word is asked about; long ones through windows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Bools, Ints
from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.core.ranges import ranges
from gloze.data.windows import Windows, has_most_context, windows
from gloze.tasks.encoded import EncodedExamples
from gloze.tasks.encoding import Segments, lay_out
from gloze.tasks.sentences import Sentence, in_characters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.tasks.learned import Learned
    from gloze.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class EncodedSentences(EncodedExamples):
    """Sentences as ids; a sentence over the length limit is several samples.

    Every word is asked about once: at ``positions`` stand the first tokens of ``words``.

    Attributes:
        words: the word that each position asks about, counted through all sentences, [positions].
        num_words: of each sentence, [sentences].
        without_tokens: words of which the tokenizer leaves nothing; they stand as [UNK].
        in_windows: sentences in more than one window.
        alone: sentences of no document, where documents are to be shown.
    """

    words: Ints
    num_words: Ints
    without_tokens: int
    in_windows: int
    alone: int

    def counts(self) -> dict[str, int]:
        """Return how much there is; nothing is cut."""
        return {**super().counts(), "examples": len(self.num_words)}

    def by_word(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return rows of positions in the order of the words, [words, width]."""
        result = np.empty_like(rows)
        result[self.words] = rows
        return result

    def report(self, name: Path | str) -> None:
        """Say what of the sentences in ``name`` is not shown as it stands there."""
        if self.without_tokens:
            say(
                f"{name}: the tokenizer leaves nothing of {self.without_tokens:,} words; they "
                "stand as unknown."
            )
        if self.in_windows:
            say(
                f"{name}: {self.in_windows:,} sentences over the length limit are read through "
                "windows; nothing is cut."
            )
        if self.alone:
            say(
                f"{name}: {self.alone:,} sentences are of no document, so nothing is shown around "
                "them."
            )


@dataclass(frozen=True)
class _Tokens:
    """The tokens of all sentences end to end.

    Attributes:
        ids: [tokens].
        word: that each is of, counted through all sentences, [tokens].
        lengths: tokens of each sentence, [sentences].
        without: how many words had none.
    """

    ids: npt.NDArray[np.int32]
    word: Ints
    lengths: Ints
    without: int

    @property
    def is_first(self) -> Bools:
        """Whether a token is the first of its word."""
        return np.diff(self.word, prepend=-1) > 0


def units(sentences: Sequence[Sentence], learned: Learned) -> Sequence[Sentence]:
    """Return sentences of what was tagged in training: words, or characters.

    Raises:
        ConfigError: for segmented text, if the tags of training do not say where words begin.
    """
    if any(each.is_segmented for each in sentences) and not set(learned.labels) <= set("BIESO"):
        raise ConfigError(
            "Segmented text (--format cws) is cut into characters, and the tags of training do not "
            f"say where words of them begin: {', '.join(learned.labels[:5])}."
        )
    return [in_characters(s) for s in sentences] if learned.values["characters"] else sentences


def encode_sentences(
    name: str,
    sentences: Sequence[Sentence],
    tokenizer: Tokenizer,
    *,
    max_length: int,
    in_documents: bool = False,
    labels: Ints | None = None,
) -> EncodedSentences:
    """Encode sentences of any length; nothing is cut.

    Args:
        name: of the task.
        sentences: in the order of their documents.
        tokenizer: of the encoder.
        max_length: of a sequence with [CLS] and [SEP].
        in_documents: fill each sequence up with the sentences around.
        labels: of every word of all sentences; 0 if not known.
    """
    num_words = np.array([len(sentence.words) for sentence in sentences], dtype=np.int64)
    tokens = _tokenize(sentences, num_words, tokenizer)
    cut = windows(tokens.lengths, max_length - 2, max(1, (max_length - 2) // 2))
    own = ranges((np.cumsum(tokens.lengths) - tokens.lengths)[cut.owner] + cut.starts, cut.lengths)
    shown = _shown(sentences, tokens.lengths, cut, max_length - 2, in_documents=in_documents)
    segments = Segments(tokens.ids, tokens.is_first, ranges(*shown), shown[1])
    laid_out = lay_out(name, tokenizer, segments)
    asked = has_most_context(tokens.lengths, cut) & tokens.is_first[own]
    window, token = np.repeat(np.arange(len(cut.owner)), cut.lengths)[asked], own[asked]
    words = tokens.word[token]
    known = {part.name: getattr(laid_out, part.name) for part in fields(laid_out)}
    return EncodedSentences(
        **known
        | {
            "positions": laid_out.starts[window] + 1 + token - shown[0][window],
            "labels": np.zeros(len(words), np.int64) if labels is None else labels[words],
        },
        words=words,
        num_words=num_words,
        without_tokens=tokens.without,
        in_windows=int(np.count_nonzero(np.bincount(cut.owner) > 1)),
        alone=_numbers(sentences).count(None) if in_documents else 0,
    )


def _tokenize(sentences: Sequence[Sentence], num_words: Ints, tokenizer: Tokenizer) -> _Tokens:
    """Return the tokens of the words; a word of which nothing is left is [UNK]."""
    ids, lengths, places = tokenizer.encode_words([sentence.words for sentence in sentences])
    word = np.repeat(np.cumsum(num_words) - num_words, lengths) + places
    left_out = np.setdiff1d(np.arange(int(num_words.sum())), word)
    where = np.searchsorted(word, left_out)
    ids = np.insert(ids, where, tokenizer.unk_id).astype(np.int32)
    word = np.insert(word, where, left_out)
    sentence = np.repeat(np.arange(len(num_words)), num_words)[word]
    return _Tokens(ids, word, np.bincount(sentence, minlength=len(num_words)), len(left_out))


def _shown(
    sentences: Sequence[Sentence], lengths: Ints, cut: Windows, room: int, *, in_documents: bool
) -> tuple[Ints, Ints]:
    """Return the first token and the number of tokens that each window shows.

    A window of a whole sentence shows as much of the document as there is room for, the sentence
    in the middle; at the ends of the document the other side gets what one side leaves.
    """
    starts = np.cumsum(lengths) - lengths
    begins = starts[cut.owner] + cut.starts
    if not in_documents:
        return begins, cut.lengths
    first, last = _documents(sentences, lengths)
    first, last = first[cut.owner], last[cut.owner]
    latest = np.maximum(first, last - room)
    around = np.clip(begins - (room - cut.lengths) // 2, first, latest)
    is_whole = lengths[cut.owner] <= room
    return (
        np.where(is_whole, around, begins),
        np.where(is_whole, np.minimum(room, last - first), cut.lengths),
    )


def _numbers(sentences: Sequence[Sentence]) -> list[int | None]:
    """Return the document of each sentence; what stands before the first mark is one too."""
    numbers = [sentence.document for sentence in sentences]
    unmarked = next((i for i, number in enumerate(numbers) if number is not None), 0)
    return [-1] * unmarked + numbers[unmarked:]


def _documents(sentences: Sequence[Sentence], lengths: Ints) -> tuple[Ints, Ints]:
    """Return where the document of each sentence begins and ends, in tokens of all sentences.

    A sentence of no document is one by itself.
    """
    ends = np.cumsum(lengths)
    numbers = _numbers(sentences)
    is_new = [
        number is None or number != before
        for before, number in zip([None, *numbers], numbers, strict=False)
    ]
    document = np.cumsum(np.array(is_new, dtype=np.int64)) - 1
    firsts = np.flatnonzero(is_new)
    lasts = np.append(firsts[1:], len(numbers)) - 1 if numbers else firsts
    return (ends - lengths)[firsts][document], ends[lasts][document]
