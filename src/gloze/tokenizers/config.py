"""Settings of the learning of a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.tokenizers.fast import is_byte_level

if TYPE_CHECKING:
    from gloze.tokenizers.tokenizer import Tokenizer

Kind = Literal["wordpiece", "bpe", "byte_bpe", "words"]
Split = Literal["punctuation", "spaces", "jieba"]


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig(Settings):
    """How a vocabulary is learned.

    Attributes:
        kind: ``wordpiece`` cuts words into pieces; ``bpe`` does by joining letters, as GPT, and
            ``byte_bpe`` by joining bytes, as GPT-2, so that nothing is unknown; ``words`` keeps
            them whole, and what is not in the vocabulary is unknown.
        vocab_size: number of tokens, special tokens and letters (or the 256 bytes) included, so
            not that of the pairs which are joined; of ``words`` the most.
        min_count: what is met less often is not learned; by default 2 for pairs of pieces, 5 for
            words.
        cased: keep capitals and accents, as ``byte_bpe`` always does; else both are removed,
        keep_accents: or capitals alone.
        split: what parts words. ``punctuation`` is BERT's way: spaces, and every mark of
            punctuation and Chinese character is a word. ``spaces`` alone is for text that is cut
            into words already, ``jieba`` (the ``zh`` extra) for Chinese; both with ``words`` only.
        limit_alphabet: of WordPiece and ``bpe``: most letters kept, the most frequent first; by
            default 1000, and as many more as it takes to cover 99.99% of the text (Chinese needs
            some 5000).
    """

    kind: Kind = "wordpiece"
    vocab_size: int = 30522
    min_count: int | None = None
    cased: bool = False
    keep_accents: bool = False
    split: Split = "punctuation"
    limit_alphabet: int | None = None

    def __post_init__(self) -> None:
        for name, given, known in (("kind", self.kind, Kind), ("split", self.split, Split)):
            if given not in get_args(known):
                raise ConfigError(
                    f"Unknown {name} of tokenizer {given!r}. Known: {', '.join(get_args(known))}."
                )
        least = "a word" if self.kind == "words" else "a letter"
        if self.vocab_size < 6:
            raise ConfigError(
                f"vocab_size {self.vocab_size} has no room for the 5 special tokens and {least}."
            )
        if self.min_count is not None and self.min_count < 1:
            raise ConfigError(f"min_count {self.min_count} is less than once. Least: 1.")
        if self.limit_alphabet is not None and self.limit_alphabet < 1:
            raise ConfigError(f"limit_alphabet {self.limit_alphabet} keeps no letter. Least: 1.")
        if self.cased and self.keep_accents:
            raise ConfigError("cased keeps accents as well: leave keep_accents out.")
        self._check_kind()

    def _check_kind(self) -> None:
        """Refuse what a kind has no use for."""
        if self.kind != "words" and self.split != "punctuation":
            raise ConfigError(
                f"split {self.split} is for whole words: {self.kind} cuts text by a rule of its "
                "own. Add --kind words (tokenizer.kind in a recipe)."
            )
        if self.kind == "words" and self.limit_alphabet is not None:
            raise ConfigError(
                "limit_alphabet is of WordPiece and bpe: whole words have no letters."
            )
        if self.kind != "byte_bpe":
            return
        if self.limit_alphabet is not None:
            raise ConfigError("limit_alphabet is of letters: byte_bpe has the 256 bytes instead.")
        if self.keep_accents:
            raise ConfigError("byte_bpe keeps capitals and accents: leave keep_accents out.")
        object.__setattr__(self, "cased", True)


def config_of(tokenizer: Tokenizer, vocab_size: int | None = None) -> TokenizerConfig | None:
    """Return the settings that a tokenizer could have been learned with; None for other kinds.

    ``vocab_size`` is its own by default.
    """
    kind = _kind(tokenizer)
    if kind is None:
        return None
    parted = (tokenizer.definition.get("pre_tokenizer") or {}).get("type")
    normalizer = tokenizer.definition.get("normalizer") or {}
    spaces: Split = "spaces" if tokenizer.segmenter is None else "jieba"
    return TokenizerConfig(
        kind=kind,
        vocab_size=tokenizer.vocab_size if vocab_size is None else vocab_size,
        cased=tokenizer.is_cased,
        keep_accents=not tokenizer.is_cased and normalizer.get("strip_accents") is False,
        split=spaces if kind == "words" and parted == "WhitespaceSplit" else "punctuation",
    )


def _kind(tokenizer: Tokenizer) -> Kind | None:
    if tokenizer.kind == "BPE":
        if is_byte_level(tokenizer.definition):
            return "byte_bpe"
        has_ends = tokenizer.definition["model"].get("end_of_word_suffix")
        return "bpe" if has_ends and tokenizer.words is not None else None
    kinds: dict[str, Kind] = {"WordPiece": "wordpiece", "WordLevel": "words"}
    return kinds.get(tokenizer.kind)
