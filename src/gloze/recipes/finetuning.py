"""Recipes of fine-tuning: how a pre-trained encoder learns a task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gloze.config.finetuning import EncoderKind, FinetuneConfig
from gloze.config.toml import from_dict, override, read_toml, to_dict
from gloze.core.errors import ConfigError
from gloze.nn.readout import ReadoutConfig
from gloze.tasks import TASKS
from gloze.tasks.sequences import SequenceTask
from gloze.training.config import TrainingConfig
from gloze.training.transfer import Transfer, is_frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTES = ("versions",)
# Of the language model's loss beside a task's (Radford et al. 2018, 4.1).
_GPTS_WEIGHT = 0.5


def finetuning(
    task: str,
    transfer: Transfer,
    hidden_size: int,
    num_hidden_layers: int = 12,
    kind: EncoderKind = "transformer",
) -> FinetuneConfig:
    """Return the default recipe of a task for an encoder of this size.

    All weights: 3 epochs of 32 sequences (Devlin et al. 2019, A.3). The rate is the paper's
    5e-5 for hidden sizes of 512 and more; small encoders need longer steps, up to 3e-4 for
    hidden sizes under 256 (Turc et al. 2019, section 4). The control has the same settings, so
    that it differs in its weights alone. A head on a frozen encoder starts from nothing and has
    nothing to spoil: 10 epochs at 3e-3. Gradual unfreezing (Howard and Ruder 2018, 3.2 and 3.3)
    lets one more part learn each epoch, at 1/2.6 of the rate of the one above, and has two
    epochs for all of them. A GPT, which reads from left to right, goes on predicting the next
    token, at half the weight (Radford et al. 2018, 4.1). Of a table of word vectors see
    :func:`static_finetuning`, of LSTMs :func:`recurrent_finetuning`.
    """
    if kind == "lookup":
        return static_finetuning(task, transfer, hidden_size)
    if kind == "lstm":
        return recurrent_finetuning(task, transfer, num_hidden_layers)
    rate = 5e-5 if hidden_size >= 512 else 1e-4 if hidden_size >= 256 else 3e-4
    settings: Any = TASKS[task]()
    training = TrainingConfig(
        epochs=3,
        batch_size=32,
        learning_rate=rate,
        warmup_rate=0.1,
        weight_decay=0.01,
        evaluations=3,
    )
    readout = ReadoutConfig()
    if is_frozen(transfer):
        training = replace(training, epochs=10, learning_rate=3e-3, evaluations=5)
    if transfer == "mix":
        readout = ReadoutConfig(layers="all", combine="mix")
    if transfer == "gradual":
        training = replace(
            training,
            epochs=num_hidden_layers + 3,
            schedule="slanted_triangular",
            layerwise_lr_decay=1 / 2.6,
            unfreeze_epochs=1,
            evaluations=num_hidden_layers + 3,
        )
    return FinetuneConfig(
        transfer=transfer,
        task=settings,
        readout=readout,
        training=training,
        lm_weight=_GPTS_WEIGHT if kind == "gpt" and not is_frozen(transfer) else 0.0,
    )


def static_finetuning(task: str, transfer: Transfer, hidden_size: int) -> FinetuneConfig:
    """Return the default recipe of a task for a table of word vectors.

    A BiLSTM over them, as wide each way as they are, half of its inputs dropped (Lample et al.
    2016, 2.1 and 4.3); of texts the largest of each number is taken (Conneau et al. 2017).
    Whatever the transfer, Adam begins at 2e-3 for 10 epochs of 32 sequences: what learns most
    begins from nothing. Nothing decays, or words that are never met would fade.
    """
    settings: Any = TASKS[task]()
    if isinstance(settings, SequenceTask):
        settings = replace(settings, pooling="max")
    unfreeze = 1.0 if transfer == "gradual" else None
    training = TrainingConfig(
        epochs=10,
        batch_size=32,
        learning_rate=2e-3,
        warmup_rate=0.1,
        weight_decay=0.0,
        evaluations=10,
        unfreeze_epochs=unfreeze,
    )
    # A mix is refused where the layers are known.
    combine: Literal["concatenate", "mix"] = "mix" if transfer == "mix" else "concatenate"
    readout = ReadoutConfig(
        layers="all" if transfer == "mix" else (-1,),
        combine=combine,
        lstm_layers=1,
        lstm_size=hidden_size,
        lstm_dropout=0.5,
    )
    return FinetuneConfig(transfer=transfer, task=settings, readout=readout, training=training)


def recurrent_finetuning(task: str, transfer: Transfer, num_hidden_layers: int) -> FinetuneConfig:
    """Return the default recipe of a task for stacks of LSTMs.

    All weights at once, or one part after the other (Howard and Ruder 2018, 3.2 and 3.3): Adam at
    4e-3 with their betas, a slanted triangle, each part at 1/2.6 of the rate of the one above.
    Frozen, and in a mix of layers, they are inputs of a BiLSTM of 200 each way with half of its
    inputs dropped, as ELMo's are (Peters et al. 2018, 3.3).
    """
    settings: Any = TASKS[task]()
    training = TrainingConfig(
        epochs=num_hidden_layers + 3,
        batch_size=32,
        learning_rate=4e-3,
        warmup_rate=0.1,
        schedule="slanted_triangular",
        layerwise_lr_decay=1 / 2.6,
        adam_beta1=0.7,
        adam_beta2=0.99,
        weight_decay=0.01,
        evaluations=num_hidden_layers + 3,
    )
    if transfer == "none":
        training = replace(training, layerwise_lr_decay=1.0)
    if transfer == "gradual":
        training = replace(training, unfreeze_epochs=1)
    if not is_frozen(transfer):
        return FinetuneConfig(transfer=transfer, task=settings, training=training)
    training = TrainingConfig(
        epochs=10,
        batch_size=32,
        learning_rate=1e-3,
        warmup_rate=0.1,
        weight_decay=0.0,
        evaluations=10,
    )
    if isinstance(settings, SequenceTask):
        settings = replace(settings, pooling="max")
    readout = ReadoutConfig(lstm_layers=1, lstm_size=200, lstm_dropout=0.5)
    if transfer == "mix":
        readout = replace(readout, layers="all", combine="mix")
    return FinetuneConfig(transfer=transfer, task=settings, readout=readout, training=training)


def load_finetuning(
    recipe: str | Path | FinetuneConfig | None,
    changes: Sequence[str] = (),
    *,
    task: str,
    transfer: Transfer | None = None,
    hidden_size: int,
    num_hidden_layers: int = 12,
    kind: EncoderKind = "transformer",
    seed: int | None = None,
) -> FinetuneConfig:
    """Return the default recipe, or one from a TOML file, with ``path=value`` changes applied.

    Args:
        recipe: a TOML file or a FinetuneConfig; the default of task and size if not given.
        changes: each ``path=value``.
        task: what is to be learned; a recipe of another is refused.
        transfer: the way; ``full`` if neither this nor the recipe says.
        hidden_size: of the encoder.
        num_hidden_layers: of the encoder.
        kind: of the encoder.
        seed: replaces the recipe's.

    Raises:
        ConfigError: for an unknown setting (the nearest is named), file or value.
    """
    where = ""
    if asked := [change for change in changes if change.partition("=")[0].strip() == "transfer"]:
        way = asked[-1].partition("=")[2].strip()
        raise ConfigError(f"Give --transfer {way} instead of --set: the defaults follow from it.")
    if recipe is None:
        values = to_dict(finetuning(task, transfer or "full", hidden_size, num_hidden_layers, kind))
    elif isinstance(recipe, FinetuneConfig):
        values = to_dict(recipe)
    else:
        where = str(recipe)
        values = {k: v for k, v in read_toml(Path(recipe)).items() if k not in _NOTES}
    values.setdefault("task", {}).setdefault("kind", task)
    values = override(values, changes, FinetuneConfig)
    if recipe is None and not values["readout"]["lstm_layers"]:
        # With the BiLSTM goes what the default says of it.
        named = {change.partition("=")[0].strip() for change in changes}
        for name in ("lstm_size", "lstm_dropout"):
            if f"readout.{name}" not in named:
                del values["readout"][name]
    if (kind := values["task"]["kind"]) != task:
        raise ConfigError(f"{where or 'The recipe'} is of the task {kind!r}, not {task!r}.")
    config = from_dict(FinetuneConfig, values, where)
    if transfer is not None and config.transfer != transfer:
        raise ConfigError(
            f"The recipe's transfer is {config.transfer!r} and --transfer is {transfer!r}. "
            "Give it once, by --transfer: the defaults follow from it."
        )
    if seed is None or seed == config.seed:
        return config
    return from_dict(FinetuneConfig, {**to_dict(config), "seed": seed})
