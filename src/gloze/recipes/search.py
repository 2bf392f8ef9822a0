"""Which settings a search tries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

from gloze.core.errors import ConfigError
from gloze.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.training.transfer import Transfer

Changes = tuple[str, ...]
_METHODS = ("grid", "optuna")
_NOT_TRIED = {
    "seed": "every trial has the first seed, and --seeds N gives the best settings more",
    **{
        f"task.{name}": "trials are compared by it, so it has to be one"
        for task in TASKS.values()
        for name in task.MEASURE
    },
    "transfer": "the settings that suit one way do not suit another: search each by itself",
}
_BATCH, _RATE, _EPOCHS = "training.batch_size", "training.learning_rate", "training.epochs"
# Devlin et al. 2019, A.3; for small encoders Turc et al. 2019, who trained all for 4 epochs.
_LARGE = {_BATCH: ("16", "32"), _RATE: ("5e-5", "3e-5", "2e-5"), _EPOCHS: ("2", "3", "4")}
_SMALL = {
    _BATCH: ("8", "16", "32", "64", "128"),
    _RATE: ("3e-4", "1e-4", "5e-5", "3e-5"),
    _EPOCHS: ("4",),
}


@dataclass(frozen=True)
class Space:
    """The settings to be tried.

    Attributes:
        method: ``grid`` tries every combination, ``optuna`` those that promise most.
        choices: the values of a setting, as written.
        ranges: lowest and highest value of a setting, between which rates are drawn evenly in
            their logarithm, whole numbers between whole ones; of ``optuna`` alone.
    """

    method: Literal["grid", "optuna"]
    choices: dict[str, tuple[str, ...]]
    ranges: dict[str, tuple[float, float] | tuple[int, int]]

    def grid(self) -> list[Changes]:
        """Return every combination of the choices, each as ``path=value`` changes."""
        return [
            tuple(f"{path}={value}" for path, value in zip(self.choices, values, strict=True))
            for values in product(*self.choices.values())
        ]

    def refuse_set(self, settings: Sequence[str]) -> None:
        """Refuse settings, each ``path=value``, that every trial would replace.

        Raises:
            ConfigError: at the first.
        """
        for setting in settings:
            path = setting.partition("=")[0].strip()
            if path in {**self.choices, **self.ranges}:
                raise ConfigError(
                    f"--set {setting} does nothing here: --search tries {path}. Leave it out, or "
                    "give --search only what is to be tried."
                )


def read_space(
    text: str, transfer: Transfer, hidden_size: int, *, is_static: bool = False
) -> Space:
    """Return what ``--search`` stands for.

    Args:
        text: ``grid`` or ``optuna``, or one of these and settings, or settings alone, each as
            ``path=value,value``; of ``optuna`` also as ``path=lowest..highest``.
        transfer: all weights must train where the text names no settings.
        hidden_size: of the encoder, which decides those.
        is_static: whether it is a table of word vectors, for which there is no published grid.

    Raises:
        ConfigError: if it is none of these.
    """
    words = [word for word in _cut(text, " \t\n") if word]
    if not words:
        raise ConfigError("--search is empty: give grid, optuna, or settings to try.")
    method: Literal["grid", "optuna"] = "grid"
    if words[0] in _METHODS:
        method = "optuna" if words.pop(0) == "optuna" else "grid"
    if not words:
        if is_static or transfer not in ("full", "none"):
            of = "Transformers" if is_static else "--transfer full"
            raise ConfigError(
                f"--search {text}: the published grid is for {of}. Name what to try, "
                "such as --search 'training.learning_rate=1e-3,3e-3,1e-2'."
            )
        return _published(method, hidden_size)
    space = Space(method, {}, {})
    for word in words:
        path, equals, values = word.partition("=")
        if not equals or not path or not values or path in {**space.choices, **space.ranges}:
            raise ConfigError(
                f"--search {word!r}: expected path=value,value, each path once, as in "
                "'training.learning_rate=2e-5,5e-5 training.epochs=2,3'."
            )
        if path in _NOT_TRIED:
            raise ConfigError(f"--search {word}: {_NOT_TRIED[path]}.")
        if ".." in values:
            space.ranges[path] = _range(word, values, method)
        else:
            space.choices[path] = tuple(_cut(values, ","))
    return space


def _published(method: Literal["grid", "optuna"], hidden_size: int) -> Space:
    grid = _LARGE if hidden_size >= 512 else _SMALL
    if method == "grid":
        return Space(method, grid, {})
    rates = [float(rate) for rate in grid[_RATE]]
    choices = {path: values for path, values in grid.items() if path != _RATE}
    return Space(method, choices, {_RATE: (min(rates), max(rates))})


def _range(word: str, values: str, method: str) -> tuple[float, float] | tuple[int, int]:
    if method != "optuna":
        raise ConfigError(f"--search {word}: a grid has no ranges. Write --search 'optuna {word}'.")
    try:
        ends = values.split("..")
        low, high = (float(value) for value in ends)
    except ValueError:
        low = high = 0.0
    if not 0 < low < high < math.inf:
        raise ConfigError(
            f"--search {word}: expected lowest..highest, both finite and over 0, as in 1e-5..1e-4."
        )
    return (int(low), int(high)) if all(end.isdecimal() for end in ends) else (low, high)


def _cut(text: str, separators: str) -> list[str]:
    """Return what stands between separators, those in brackets, braces and quotes left alone."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character in "[{") - (character in "]}")
            if not depth and character in separators:
                parts.append("")
                continue
        parts[-1] += character
    return parts
