"""Arms, tasks and amounts as they are written on the command line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from gloze.config.ablation import ArmConfig, ComparisonTask
from gloze.config.toml import from_dict
from gloze.core.errors import ConfigError, nearest

# Options of an arm and of a task, and the settings that they name; a list takes several.
_ARM = {
    "--set": ("settings", True),
    "--finetune-set": ("finetune_settings", True),
    "--label": ("label", False),
    "--model": ("model", False),
    "--shards": ("shards", False),
    "--transfer": ("transfer", False),
}
_TASK = {
    "--set": ("settings", True),
    **{f"--{name}": (name, False) for name in ("train", "dev", "test", "format", "columns")},
    **{f"--{name}": (name, False) for name in ("recipe", "transfer")},
}
_TIMES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_AMOUNT = re.compile(r"(\d[\d_,]*(?:\.\d+)?(?:[eE][+-]?\d+)?)([kMGBT]?)")


def read_arm(text: str) -> ArmConfig:
    """Return an arm as it is written in one word of the shell.

    It begins with a recipe, or with the folder of what is trained already; options follow:
    ``"bert-mini --set sampler.max_length=64 --label short"``. ``--model`` names any model.

    Raises:
        ConfigError: for options that are unknown, lack their value or do not go together.
    """
    words, values = _parsed(text, _ARM, "an arm")
    if len(words) > 1:
        raise ConfigError(
            f"Arm {text!r}: {words[1]!r} is no option. Quote each arm as one word: "
            f"'{words[0]} --set path=value'."
        )
    if words:
        kind = "model" if Path(words[0]).is_dir() else "recipe"
        values = {kind: words[0], **values}
    return from_dict(ArmConfig, values, f"Arm {text!r}")


def read_task(text: str) -> tuple[str, ComparisonTask]:
    """Return name and files of a task as they are written in one word of the shell.

    ``"sst2=classification --train train.tsv --dev dev.tsv --format sst2"``; a task without a
    name is called what it is.

    Raises:
        ConfigError: for options that are unknown, lack their value or do not go together.
    """
    words, values = _parsed(text, _TASK, "a task")
    if len(words) != 1:
        raise ConfigError(
            f"Task {text!r}: expected one word before the options, as in 'sst2=classification "
            "--train train.tsv --dev dev.tsv'."
        )
    name, equals, task = words[0].partition("=")
    return name, from_dict(
        ComparisonTask, {"task": task if equals else name, **values}, f"Task {text!r}"
    )


def read_amount(name: str, text: str | float) -> float:
    """Return a number as it is written: ``20000000``, ``20M``, ``1.5e15``.

    Raises:
        ConfigError: if it is none.
    """
    if isinstance(text, int | float):
        return text
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"--{name} {text}: expected a number, as in 20000000, 20M or 1.5e15.")
    return float(found[1].replace("_", "").replace(",", "")) * _TIMES[found[2]]


def _parsed(
    text: str, options: dict[str, tuple[str, bool]], what: str
) -> tuple[list[str], dict[str, Any]]:
    """Return the words that are no options, and the values of those that are."""
    try:
        left = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{text!r}: a quotation mark is not closed ({error}).") from error
    words: list[str] = []
    values: dict[str, Any] = {}
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            words.append(word)
            continue
        option, equals, value = word.partition("=")
        if option not in options:
            raise ConfigError(
                f"{text!r}: unknown option of {what}: {option}. {nearest(option, options)}Known: "
                f"{', '.join(options)}."
            )
        if not equals:
            if not left:
                raise ConfigError(f"{text!r}: {option} lacks its value.")
            value = left.pop(0)
        name, takes_several = options[option]
        if takes_several:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ConfigError(f"{text!r}: {option} is given twice.")
        else:
            values[name] = value
    return words, values
