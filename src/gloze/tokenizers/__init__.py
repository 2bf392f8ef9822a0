"""Text to ids and back, with word starts: learned from a corpus or loaded from a file."""

from gloze.tokenizers.extension import learn_words, new_ids, size_with, with_words
from gloze.tokenizers.loading import load_tokenizer
from gloze.tokenizers.segmenters import Segmenter, load_segmenter
from gloze.tokenizers.tokenizer import SpecialTokens, Tokenizer
from gloze.tokenizers.wordpiece import TokenizerConfig, learn_tokenizer

__all__ = [
    "Segmenter",
    "SpecialTokens",
    "Tokenizer",
    "TokenizerConfig",
    "learn_tokenizer",
    "learn_words",
    "load_segmenter",
    "load_tokenizer",
    "new_ids",
    "size_with",
    "with_words",
]
