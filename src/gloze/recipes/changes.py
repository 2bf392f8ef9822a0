"""Changes to a system: ablations and options, each a function from recipe to recipe.

``bert-mini+no-nsp`` is bert-mini so changed; several are made in order. Figures are the papers',
of models of their size on their data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gloze.config.run import ObjectivesConfig, PhaseConfig
from gloze.core.errors import ConfigError
from gloze.data.samplers import TextBlockConfig
from gloze.data.text_stream import StreamConfig
from gloze.recipes.arms import ARMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.config.run import RunConfig


def _with_mlm(base: RunConfig, **settings: Any) -> RunConfig:
    if base.objectives.mlm is None:
        raise ConfigError(f"{base.name} masks nothing: the change has nothing to change.")
    mlm = replace(base.objectives.mlm, **settings)
    return replace(base, objectives=replace(base.objectives, mlm=mlm))


def _shown(base: RunConfig, *, masked: float, random: float) -> RunConfig:
    """Change what tokens are shown as; noise that no token would be drawn from any more goes."""
    noise = {} if random else {"noise": "uniform"}
    return _with_mlm(base, masked_rate=masked, random_rate=random, **noise)


def mask_80_10_10(base: RunConfig) -> RunConfig:
    """Of the tokens asked about 80% [MASK], 10% unchanged, 10% random: BERT's own.

    Devlin et al. 2019, table 8, dev: MNLI 84.2, NER F1 95.4 fine-tuned and 94.9 from features.
    """
    return _shown(base, masked=0.8, random=0.1)


def mask_100_0_0(base: RunConfig) -> RunConfig:
    """All of them [MASK]; also the blank noising of Xie et al. 2017.

    Devlin et al. 2019, table 8, dev: MNLI 84.3, NER F1 94.9 fine-tuned and 94.0 from features.
    """
    return _shown(base, masked=1.0, random=0.0)


def mask_80_0_20(base: RunConfig) -> RunConfig:
    """80% [MASK], 20% random.

    Devlin et al. 2019, table 8, dev: MNLI 84.1, NER F1 95.2 fine-tuned and 94.6 from features.
    """
    return _shown(base, masked=0.8, random=0.2)


def mask_80_20_0(base: RunConfig) -> RunConfig:
    """80% [MASK], 20% unchanged.

    Devlin et al. 2019, table 8, dev: MNLI 84.4, NER F1 95.2 fine-tuned and 94.7 from features.
    """
    return _shown(base, masked=0.8, random=0.0)


def mask_0_20_80(base: RunConfig) -> RunConfig:
    """20% unchanged, 80% random.

    Devlin et al. 2019, table 8, dev: MNLI 83.7, NER F1 94.8 fine-tuned and 94.6 from features.
    """
    return _shown(base, masked=0.0, random=0.8)


def mask_0_0_100(base: RunConfig) -> RunConfig:
    """All of them random.

    Devlin et al. 2019, table 8, dev: MNLI 83.6, NER F1 94.9 fine-tuned and 94.6 from features.
    """
    return _shown(base, masked=0.0, random=1.0)


def whole_words(base: RunConfig) -> RunConfig:
    """Words are chosen, and all tokens of each asked about; shards say what a word is.

    BERT-large on SQuAD 1.1 dev: F1 92.8 in place of 91.0 (google-research/bert, its README).
    """
    return _with_mlm(base, whole_words=True)


def unigram_noise(base: RunConfig) -> RunConfig:
    """Tokens asked about are shown as others, drawn as frequent as they are (Xie et al. 2017).

    Their figures are of left-to-right models; none is known for a masked one.
    """
    return _with_mlm(base, masked_rate=0.0, random_rate=1.0, choice="even", noise="unigram")


def kneser_ney_noise(base: RunConfig) -> RunConfig:
    """Tokens that many others may follow become noise, drawn by histories (Xie et al. 2017).

    Their figures are of left-to-right models; none is known for a masked one.
    """
    noise = {"choice": "continuations", "noise": "histories"}
    return _with_mlm(base, masked_rate=0.0, random_rate=1.0, **noise)


def no_nsp(base: RunConfig) -> RunConfig:
    """Sentence pairs as before, and no question whether B follows A.

    Devlin et al. 2019, table 5, dev, BERT-base: MNLI 83.9 (with: 84.4), QNLI 84.9 (88.4),
    MRPC 86.5 (86.7), SST-2 92.6 (92.7), SQuAD 1.1 F1 87.9 (88.5).
    """
    return replace(base, objectives=replace(base.objectives, nsp=None))


def text_blocks(base: RunConfig) -> RunConfig:
    """Whole sentences of one document instead of pairs, and no question about pairs.

    The DOC-SENTENCES of Liu et al. 2019, table 2, dev: SQuAD 1.1 F1 90.6 (pairs with NSP: 90.4),
    SQuAD 2.0 F1 79.7 (78.7), MNLI 84.7 (84.0), SST-2 92.7 (92.9), RACE 65.6 (64.2).
    """
    names = ("max_length", "short_rate", "dupe_factor")
    known = {name: getattr(base.sampler, name) for name in names if hasattr(base.sampler, name)}
    return replace(no_nsp(base), sampler=TextBlockConfig(**known))


def only_nsp(base: RunConfig) -> RunConfig:
    """Only the question whether B follows A: nothing is masked.

    No published figure: the other half of the ablation above.
    """
    if base.objectives.nsp is None:
        raise ConfigError(f"{base.name} asks no question about pairs that could be left alone.")
    return replace(base, objectives=ObjectivesConfig(nsp=base.objectives.nsp))


def static_masks(base: RunConfig) -> RunConfig:
    """Ten epochs of pairs and masks are drawn and met again in turn, as by BERT's data script.

    Liu et al. 2019, table 1, dev: SQuAD 2.0 F1 78.3 (drawn anew: 78.7), MNLI 84.3 (84.0),
    SST-2 92.5 (92.9).
    """
    if isinstance(base.sampler, StreamConfig):
        raise ConfigError(f"{base.name} reads a stream, whose blocks are not drawn.")
    return replace(base, sampler=replace(base.sampler, dupe_factor=10))


def two_phases(base: RunConfig) -> RunConfig:
    """Length 128 for nine tenths of the budget, then 512 (Devlin et al. 2019, A.2).

    How BERT itself was trained; the paper has no figure without. Up to 77 tokens of a sequence
    are asked about, so that 15% are at both lengths.
    """
    short = replace(base, sampler=replace(base.sampler, max_length=128))
    if short.objectives.mlm is not None:
        short = _with_mlm(short, max_predictions=77)
    return replace(short, phases=(PhaseConfig(start=0.9, max_length=512),))


CHANGES: dict[str, Callable[[RunConfig], RunConfig]] = {
    "mask-80-10-10": mask_80_10_10,
    "mask-100-0-0": mask_100_0_0,
    "mask-80-0-20": mask_80_0_20,
    "mask-80-20-0": mask_80_20_0,
    "mask-0-20-80": mask_0_20_80,
    "mask-0-0-100": mask_0_0_100,
    "whole-words": whole_words,
    "unigram-noise": unigram_noise,
    "kneser-ney-noise": kneser_ney_noise,
    "no-nsp": no_nsp,
    "text-blocks": text_blocks,
    "only-nsp": only_nsp,
    "static-masks": static_masks,
    "two-phases": two_phases,
    **ARMS,
}
