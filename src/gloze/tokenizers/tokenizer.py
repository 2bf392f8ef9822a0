"""Text to ids and back, over the ``tokenizers`` library."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tokenizers

from gloze.core.files import write_json, write_text
from gloze.core.ranges import places
from gloze.tokenizers.fast import word_encoder
from gloze.tokenizers.library import library_errors
from gloze.tokenizers.marks import usual_decoder, word_marks
from gloze.tokenizers.places import token_places
from gloze.tokenizers.special import EXTRACT, SpecialIds, SpecialTokens
from gloze.tokenizers.words import BertWords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from gloze.tokenizers.segmenters import Segmenter

Ids = npt.NDArray[np.int32]
MAX_BATCH_CHARACTERS = 1 << 20
# What a folder may have; which of them depends on the kind.
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "vocab.json", "merges.txt"),
)


class Tokenizer(SpecialIds):
    """Cuts text into tokens of a fixed vocabulary; learned or loaded, never changed.

    Special tokens written out in a text, such as ``[MASK]``, are plain text to :meth:`encode`;
    :meth:`encode_with_specials` recognizes them. Safe to pickle and to share between threads.

    Attributes:
        vocab_size: number of tokens; ids are 0 to ``vocab_size - 1``.
        special_tokens: by role; BERT's five, or those of them that there are.
        special_ids: ids of all special tokens, ascending.
        segmenter: parts a text into words before it is cut at spaces; None if writing does it.
        fingerprint: SHA-256 of all that decides how text is cut; equal for equal tokenizers.
    """

    def __init__(
        self,
        definition: dict[str, Any],
        special_tokens: SpecialTokens | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        """Build from the content of a ``tokenizer.json``; padding and truncation are cleared."""
        self.special_tokens = special_tokens or SpecialTokens()
        self.segmenter = segmenter
        self._definition = {**definition, "truncation": None, "padding": None}
        self._library = _build(self._definition)
        self._library.encode_special_tokens = True
        if self._library.decoder is None:
            self._library.decoder = usual_decoder(self._definition)
        self._with_specials: tokenizers.Tokenizer | None = None
        self._ids = self._library.get_vocab(with_added_tokens=True)
        self._tokens = sorted(self._ids, key=self._ids.__getitem__)
        self.vocab_size = len(self._tokens)
        named = self.special_tokens.by_role
        self._roles = {role: self._ids[token] for role, token in named.items()}
        added = self._definition.get("added_tokens") or []
        others = (self._ids[token["content"]] for token in added if token["special"])
        self.special_ids: tuple[int, ...] = tuple(sorted({*self._roles.values(), *others}))
        if any(token["content"] == EXTRACT for token in added):
            self._roles["end"] = self._ids[EXTRACT]
        self.fingerprint = _fingerprint(self._definition, self.special_tokens, segmenter)
        self._starts_word, self._ends_word = word_marks(
            self._definition["model"], self._tokens, self.special_ids
        )
        self._fast = word_encoder(self._definition, self._library, self.unk_id)
        self._lock = Lock()

    def __reduce__(
        self,
    ) -> tuple[type[Tokenizer], tuple[dict[str, Any], SpecialTokens, Segmenter | None]]:
        return Tokenizer, (self._definition, self.special_tokens, self.segmenter)

    def __repr__(self) -> str:
        return f"Tokenizer({self.kind}, {self.vocab_size} tokens, {self.fingerprint[:12]})"

    @property
    def kind(self) -> str:
        """The library's name of the model: WordPiece, BPE, Unigram or WordLevel."""
        return type(self._library.model).__name__

    @property
    def is_cased(self) -> bool:
        """Whether capitals are kept."""
        return not (self._definition.get("normalizer") or {}).get("lowercase", False)

    @property
    def words(self) -> BertWords | None:
        """What cuts texts into words; None if that is not done in BERT's way."""
        words = None if self._fast is None else self._fast.words
        return words if isinstance(words, BertWords) else None

    @property
    def definition(self) -> dict[str, Any]:
        """The content of its ``tokenizer.json``."""
        return self._definition

    def encode(self, sentences: Sequence[str]) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Return the ids of all sentences end to end, and the number of ids of each.

        Nothing is added, cut or padded.

        Raises:
            DataError: if a text cannot be encoded.
        """
        parts = [self._encode_batch(batch) for batch in _batches(sentences)]
        if len(parts) == 1:
            return parts[0]
        ids = [ids for ids, _ in parts] or [np.zeros(0, np.int32)]
        lengths = [lengths for _, lengths in parts] or [np.zeros(0, np.int64)]
        return np.concatenate(ids), np.concatenate(lengths)

    def _encode_batch(self, sentences: Sequence[str]) -> tuple[Ids, npt.NDArray[np.int64]]:
        if self.segmenter is not None:
            sentences = [self.segmenter.parted(text) for text in sentences]
        with library_errors("cannot encode the text"):
            if self._fast is not None:
                with self._lock:
                    return self._fast.encode(sentences)
            encodings = self._library.encode_batch_fast(list(sentences), add_special_tokens=False)
            each = [encoding.ids for encoding in encodings]
        lengths = np.fromiter(map(len, each), np.int64, len(each))
        return np.concatenate([np.asarray(ids, np.int32) for ids in each]), lengths

    def encode_with_offsets(
        self, texts: Sequence[str]
    ) -> tuple[Ids, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return ids and lengths as :meth:`encode` does, and where each token stands.

        Returns:
            Ids of all texts end to end, the number of ids of each text, and the first character
            of each token in its text and the one after its last, [tokens, 2]: ``text[a:b]`` is
            what the token was made of, accents and other signs it lost included where they stand
            inside it, spaces around it left out. Pieces of one character that came apart, such
            as a Korean syllable, share its place.

        Raises:
            DataError: if a text cannot be encoded.
        """
        ids, lengths = self.encode(texts)
        offsets = np.zeros((len(ids), 2), dtype=np.int64)
        end = 0
        for batch in _batches(texts):
            parted = list(map(self.segmenter.parted, batch)) if self.segmenter else list(batch)
            with library_errors("cannot encode the text"):
                found = self._library.encode_batch(parted, add_special_tokens=False)
            for text, encoding in zip(batch, found, strict=True):
                start, end = end, end + len(encoding)
                if start < end:
                    offsets[start:end] = token_places(text, encoding.offsets, self.segmenter)
        return ids, lengths, offsets

    def encode_words(
        self, texts: Sequence[Sequence[str]]
    ) -> tuple[Ids, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the ids of texts that are cut into words already.

        Returns:
            Ids of all texts end to end, the number of ids of each text, and for each token the
            number of its word in its text, [tokens]. A word of which nothing is left, such as a
            lone control character, has no token, so its number does not occur.

        Raises:
            DataError: if a word cannot be encoded.
        """
        # Words are marked by the space before them where BERT's way is not taken.
        space = " " if self.words is None else ""
        words = [space * (i > 0) + word for text in texts for i, word in enumerate(text)]
        ids, pieces = self.encode(words)
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        ends = np.cumsum(np.append(0, pieces))
        lengths = np.diff(ends[np.cumsum(np.append(0, sizes))])
        return ids, lengths, np.repeat(places(sizes), pieces)

    def encode_with_specials(self, text: str) -> Ids:
        """Return the ids of ``text``, where a special token written out is that token."""
        if self._with_specials is None:
            self._with_specials = _build(self._definition)
        if self.segmenter is not None:
            text = self.segmenter.parted(text)
        with library_errors("cannot encode the text"):
            encoding = self._with_specials.encode(text, add_special_tokens=False)
        return np.asarray(encoding.ids, np.int32)

    def word_starts(
        self, ids: npt.NDArray[np.integer], lengths: npt.NDArray[np.integer] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Return true at the first token of each word, [tokens].

        ``lengths`` are those of the sentences laid end to end in ``ids`` (one if not given).
        A word is what lies between spaces or, in BERT's way, a run of letters and digits, a
        mark of punctuation or a Chinese character. A tokenizer that does not mark words has
        one word a token.
        """
        starts = self._starts_word[ids]
        if self._ends_word is not None:
            starts[1:] |= self._ends_word[ids[:-1]]
        if lengths is not None and len(lengths):
            firsts = np.cumsum(lengths) - lengths
            starts[firsts[lengths > 0]] = True
        starts[:1] = True
        return starts

    def may_begin_word(self, ids: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Return false at pieces that a word goes on with, like ``##ing``, [tokens]."""
        return self._starts_word[ids] if self._ends_word is None else np.ones(len(ids), bool)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the token of each id."""
        return [self._tokens[i] for i in ids]

    def token_id(self, token: str) -> int | None:
        """Return the id of ``token``, or None if it is not in the vocabulary."""
        return self._ids.get(token)

    def decode(self, ids: Iterable[int]) -> str:
        """Return readable text for ``ids``; special tokens are shown.

        Words are parted by spaces. What was cut into pairs of bytes comes back as it was.
        """
        with library_errors("cannot decode the ids"):
            return self._library.decode([int(i) for i in ids], skip_special_tokens=False)

    def save(self, folder: Path, *, max_length: int | None = None) -> None:
        """Write the tokenizer into ``folder``, as ``transformers.AutoTokenizer`` reads it.

        ``max_length`` is the longest sequence of the model that the tokenizer goes with.
        """
        folder.mkdir(parents=True, exist_ok=True)
        special = self.special_tokens.settings
        settings: dict[str, Any] = {**special, "tokenizer_class": "PreTrainedTokenizerFast"}
        if self.segmenter is not None:
            settings["segmenter"] = self.segmenter.name
        if self.words is not None and self.kind in ("WordPiece", "BPE"):
            normalizer = self._definition["normalizer"]
            settings |= {
                "do_lower_case": normalizer["lowercase"],
                "strip_accents": normalizer["strip_accents"],
                "tokenize_chinese_chars": normalizer["handle_chinese_chars"],
            }
        if self._fast is not None and self.kind == "WordPiece":
            settings["tokenizer_class"] = "BertTokenizer"
            write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in self._tokens))
        if self._fast is not None and self.kind == "BPE":
            write_json(folder / "vocab.json", {t: i for i, t in enumerate(self._tokens)})
            pairs = self._definition["model"]["merges"]
            lines = (pair if isinstance(pair, str) else " ".join(pair) for pair in pairs)
            write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *lines, ""]))
        if max_length is not None:
            settings["model_max_length"] = max_length
        write_json(folder / "tokenizer.json", self._definition)
        write_json(folder / "tokenizer_config.json", settings)
        write_json(folder / "special_tokens_map.json", special)


def _build(definition: dict[str, Any]) -> tokenizers.Tokenizer:
    bare = {**definition, "post_processor": None}
    return tokenizers.Tokenizer.from_str(json.dumps(bare))


def _batches(sentences: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for i, sentence in enumerate(sentences):
        size += len(sentence)
        if size >= MAX_BATCH_CHARACTERS:
            yield sentences[start : i + 1]
            start, size = i + 1, 0
    if start < len(sentences):
        yield sentences[start:]


def _fingerprint(
    definition: dict[str, Any], special_tokens: SpecialTokens, segmenter: Segmenter | None
) -> str:
    parts = ("normalizer", "pre_tokenizer", "model", "added_tokens")
    content = {part: definition.get(part) for part in parts} | asdict(special_tokens)
    content |= {} if segmenter is None else {"segmenter": segmenter.name}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
