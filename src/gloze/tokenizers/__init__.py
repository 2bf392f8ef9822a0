"""Text to ids and back, with word starts: learned from a corpus or loaded from a file."""

from gloze.tokenizers.loading import load_tokenizer
from gloze.tokenizers.tokenizer import SpecialTokens, Tokenizer
from gloze.tokenizers.wordpiece import TokenizerConfig, learn_tokenizer

__all__ = ["SpecialTokens", "Tokenizer", "TokenizerConfig", "learn_tokenizer", "load_tokenizer"]
