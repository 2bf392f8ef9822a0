"""Pretext tasks: one file each, how it asks beside how it marks."""

from gloze.objectives.activations import ActivationsConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.objectives.mlm import MaskedLMConfig
from gloze.objectives.nsp import NextSentenceConfig

OBJECTIVES = {
    "mlm": MaskedLMConfig,
    "nsp": NextSentenceConfig,
    "lm": LanguageModelConfig,
    "activations": ActivationsConfig,
}
