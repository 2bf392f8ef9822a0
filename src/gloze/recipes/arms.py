"""Changes to what an encoder sees and how it is built, each a function from recipe to recipe."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from gloze.config.run import ObjectivesConfig
from gloze.core.errors import ConfigError
from gloze.data.samplers import TextBlockConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.objectives.one_blank import OneBlankConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.config.run import RunConfig

_HEAD_SIZE = 64


def _transformer(base: RunConfig) -> TransformerConfig:
    if not isinstance(base.encoder, TransformerConfig):
        raise ConfigError(
            f"{base.name} has a {base.encoder.kind} encoder, and the change is of Transformers."
        )
    return base.encoder


def _one_way(base: RunConfig, direction: Any) -> RunConfig:
    # Heads that begin by looking at neighbours look ahead too.
    encoder = _from_published_start(base, direction=direction)
    lm = base.objectives.lm or LanguageModelConfig(tie_weights=True)
    return replace(base, encoder=encoder, objectives=ObjectivesConfig(lm=lm))


def _from_published_start(base: RunConfig, **settings: Any) -> TransformerConfig:
    """Return another Transformer, for which the starts of ours are not made."""
    encoder = _transformer(base)
    start = encoder.initialization if encoder.initialization == "scaled" else "published"
    return replace(encoder, initialization=start, **settings)


def left_to_right(base: RunConfig) -> RunConfig:
    """The next token is predicted from those before it: LTR & No NSP, which makes BERT a GPT.

    Devlin et al. 2019, table 5, dev, BERT-base: MNLI 82.1 (with both sides: 84.4), QNLI 84.3
    (88.4), MRPC 77.5 (86.7), SST-2 92.1 (92.7), SQuAD 1.1 F1 77.8 (88.5). A BiLSTM on top while
    fine-tuning (``readout.lstm_layers=2``): 82.1, 84.1, 75.7, 91.6, 84.9.
    """
    return _one_way(base, "left_to_right")


def right_to_left(base: RunConfig) -> RunConfig:
    """The token before is predicted from those after it.

    No published figure: the other half of the one below.
    """
    return _one_way(base, "right_to_left")


def two_way(base: RunConfig) -> RunConfig:
    """Two one-way Transformers that meet in the output alone: ELMo with a Transformer.

    As many layers again; both share the embeddings and the output. Of such models see Peters et
    al. 2018b (Dissecting contextual word embeddings).
    """
    sampler = TextBlockConfig(max_length=base.sampler.max_length)
    return replace(_one_way(base, "two_way"), sampler=sampler)


def one_blank(base: RunConfig) -> RunConfig:
    """One token of each sequence is left out and predicted from the others' pooled states.

    CBOW's question asked of a Transformer, on text blocks. No published figure; a sequence gives
    one answer where 15% of its tokens are asked of BERT, which is what it costs.
    """
    encoder = _transformer(base)
    if encoder.direction != "bidirectional":
        raise ConfigError(f"{base.name} does not see both sides of a blank.")
    sampler = TextBlockConfig(max_length=base.sampler.max_length)
    return replace(base, sampler=sampler, objectives=ObjectivesConfig(one_blank=OneBlankConfig()))


def pre_norm(base: RunConfig) -> RunConfig:
    """Norms before what layers add, and one at the end, as in GPT-2.

    It bears training without warm-up (Xiong et al. 2020). The start is the published one: compare
    it with ``encoder.initialization=published``.
    """
    return replace(base, encoder=_from_published_start(base, norm_position="before"))


def sinusoidal(base: RunConfig) -> RunConfig:
    """Fixed waves in place of learned positions, as in the first Transformer.

    Vaswani et al. 2017, table 3 (E), translation: BLEU 25.7 learned, 25.8 fixed. The start is the
    published one, as above.
    """
    return replace(base, encoder=_from_published_start(base, position_embeddings="sinusoidal"))


def deep_narrow(base: RunConfig) -> RunConfig:
    """About three quarters of the width, and as many layers as give the same parameters.

    No published figure at these sizes.
    """
    return _reshaped(base, floor(_transformer(base).hidden_size * 3 / 4 / _HEAD_SIZE))


def shallow_wide(base: RunConfig) -> RunConfig:
    """About five quarters of the width, and as many layers as give the same parameters.

    No published figure at these sizes.
    """
    return _reshaped(base, ceil(_transformer(base).hidden_size * 5 / 4 / _HEAD_SIZE))


def _reshaped(base: RunConfig, heads: int) -> RunConfig:
    """Return a Transformer of so many heads of 64 numbers, whose weights are about as many.

    A layer has 12 h h of them, the token table V h; positions and segments go with the table.
    """
    encoder = _transformer(base)
    hidden = heads * _HEAD_SIZE
    if not hidden:
        raise ConfigError(
            f"{base.name} is {encoder.hidden_size} wide, which leaves no narrower one in heads of "
            f"{_HEAD_SIZE}."
        )
    rows = base.tokenizer.vocab_size + encoder.max_position_embeddings + encoder.type_vocab_size
    total = rows * encoder.hidden_size + 12 * encoder.num_hidden_layers * encoder.hidden_size**2
    layers = max(1, round((total - rows * hidden) / (12 * hidden**2)))
    changed = replace(
        encoder,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
    )
    return replace(base, encoder=changed)


ARMS: dict[str, Callable[[RunConfig], RunConfig]] = {
    "left-to-right": left_to_right,
    "right-to-left": right_to_left,
    "two-way": two_way,
    "one-blank": one_blank,
    "pre-norm": pre_norm,
    "sinusoidal": sinusoidal,
    "deep-narrow": deep_narrow,
    "shallow-wide": shallow_wide,
}
