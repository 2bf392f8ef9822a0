"""Text to ids and back, with word starts: learned from a corpus or loaded from a file."""

from gloze.tokenizers.config import TokenizerConfig, config_of
from gloze.tokenizers.extension import learn_words, new_ids, size_with, with_words
from gloze.tokenizers.learning import learn_tokenizer
from gloze.tokenizers.loading import load_tokenizer
from gloze.tokenizers.segmenters import Segmenter, load_segmenter
from gloze.tokenizers.special import SpecialTokens
from gloze.tokenizers.task_tokens import with_task_tokens
from gloze.tokenizers.tokenizer import TOKENIZER_FILES, Tokenizer

__all__ = [
    "TOKENIZER_FILES",
    "Segmenter",
    "SpecialTokens",
    "Tokenizer",
    "TokenizerConfig",
    "config_of",
    "learn_tokenizer",
    "learn_words",
    "load_segmenter",
    "load_tokenizer",
    "new_ids",
    "size_with",
    "with_task_tokens",
    "with_words",
]
