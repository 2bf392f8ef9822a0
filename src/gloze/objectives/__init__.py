"""Pretext tasks: one file each, how it asks beside how it marks."""

from gloze.objectives.activations import ActivationsConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.objectives.mlm import MaskedLMConfig
from gloze.objectives.nsp import NextSentenceConfig
from gloze.objectives.one_blank import OneBlankConfig

OBJECTIVES = {
    "mlm": MaskedLMConfig,
    "nsp": NextSentenceConfig,
    "lm": LanguageModelConfig,
    "activations": ActivationsConfig,
    "one_blank": OneBlankConfig,
}
