"""Figures of choices: how often the option taken is the right one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError


def choice_figures(
    gold: npt.NDArray[np.integer[Any]],
    taken: npt.NDArray[np.integer[Any]],
    num_options: npt.NDArray[np.integer[Any]],
) -> dict[str, Any]:
    """Return the accuracy, that by number of options, and that of guessing.

    Args:
        gold: number of each example's right option, [examples].
        taken: number of the option said, [examples].
        num_options: how many options there were, [examples].

    Returns:
        ``accuracy``, ``guessing`` (the expected accuracy of a blind guess), ``examples``, and
        ``by_options``: for each number of options how many ``examples`` and their ``accuracy``.

    Raises:
        ConfigError: if there is nothing to judge.
    """
    if len(gold) == 0 or len(gold) != len(taken):
        raise ConfigError(f"{len(gold)} questions and {len(taken)} answers cannot be judged.")
    right = np.asarray(gold) == np.asarray(taken)
    counts = np.asarray(num_options)
    return {
        "examples": len(gold),
        "accuracy": float(right.mean()),
        "guessing": float((1 / counts).mean()),
        "by_options": {
            str(count): {
                "examples": int((counts == count).sum()),
                "accuracy": float(right[counts == count].mean()),
            }
            for count in np.unique(counts).tolist()
        },
    }
