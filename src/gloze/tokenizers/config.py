"""Settings of the learning of a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings

if TYPE_CHECKING:
    from gloze.tokenizers.tokenizer import Tokenizer

Kind = Literal["wordpiece", "words"]
Split = Literal["punctuation", "spaces", "jieba"]


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig(Settings):
    """How a vocabulary is learned.

    Attributes:
        kind: ``wordpiece`` cuts words into pieces; ``words`` keeps them whole, and what is not in
            the vocabulary is unknown.
        vocab_size: number of tokens, special tokens and letters included; of ``words`` the most.
        min_count: what is met less often is not learned; by default 2 for the pairs of pieces of
            WordPiece, 5 for words.
        cased: keep capitals and accents; else both are removed,
        keep_accents: or capitals alone.
        split: what parts words. ``punctuation`` is BERT's way: spaces, and every mark of
            punctuation and Chinese character is a word. ``spaces`` alone is for text that is cut
            into words already, ``jieba`` (the ``zh`` extra) for Chinese; both with ``words`` only.
        limit_alphabet: of WordPiece: most letters kept, the most frequent first; by default 1000,
            and as many more as it takes to cover 99.99% of the text (Chinese needs some 5000).
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
        least = "a letter" if self.kind == "wordpiece" else "a word"
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
        if self.kind == "wordpiece" and self.split != "punctuation":
            raise ConfigError(
                f"split {self.split} is for whole words: BERT's WordPiece goes with punctuation. "
                "Add --kind words (tokenizer.kind in a recipe)."
            )
        if self.kind == "words" and self.limit_alphabet is not None:
            raise ConfigError("limit_alphabet is of WordPiece: whole words have no letters.")


def config_of(tokenizer: Tokenizer, vocab_size: int | None = None) -> TokenizerConfig | None:
    """Return the settings that a tokenizer could have been learned with; None for other kinds.

    ``vocab_size`` is its own by default.
    """
    kinds: dict[str, Kind] = {"WordPiece": "wordpiece", "WordLevel": "words"}
    kind = kinds.get(tokenizer.kind)
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
