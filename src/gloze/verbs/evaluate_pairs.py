"""``gloze evaluate`` of a language model on minimal pairs: how often the good one is likelier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.checkpoint import load_language_model
from gloze.core.errors import ConfigError, DataError, nearest
from gloze.inference.likelihood import log_likelihoods
from gloze.tasks.formats import parse_columns
from gloze.tasks.tables import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from gloze.inference.model import Model

FORMAT = "blimp"
_COLUMNS = {"good": "sentence_good", "bad": "sentence_bad", "type": "UID"}
_PAIRS_AT_ONCE = 4096


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in one thing, one of them as people say it.

    Attributes:
        good, bad: the sentences.
        type: what they differ in; empty if the file does not say.
    """

    good: str
    bad: str
    type: str


def read_pairs(path: Path, columns: str | dict[str, str] | None = None) -> list[Pair]:
    """Return the pairs of a file of JSON lines, in their order.

    Args:
        path: the file; ``-`` is standard input.
        columns: names of its fields for ``good``, ``bad`` and ``type``, where they are not BLiMP's.

    Raises:
        ConfigError: if ``columns`` names something else.
        DataError: naming the place of the first thing that is wrong.
    """
    given = parse_columns(columns) if isinstance(columns, str) else columns or {}
    if odd := [role for role in given if role not in _COLUMNS]:
        raise ConfigError(
            f"--columns: there is no role {odd[0]!r}. {nearest(odd[0], _COLUMNS)}The roles of "
            f"minimal pairs are {', '.join(_COLUMNS)}."
        )
    names = {**_COLUMNS, **given}
    found = []
    for row in read_rows(path, "jsonl"):
        texts = {}
        for role, name in names.items():
            text = row.values.get(name, "" if role == "type" and role not in given else None)
            if not isinstance(text, str):
                raise DataError(
                    f"no text in {name!r}: a pair has one in {names['good']!r} and one in "
                    f"{names['bad']!r}.",
                    path=path, line=row.line, column=name,
                    hint="Other names are said by --columns good=...,bad=...,type=...",
                )  # fmt: skip
            texts[role] = text
        found.append(Pair(**texts))
    return found


def judge_pairs(
    models: dict[str, Path], data: Path, columns: str | dict[str, str] | None, device: str
) -> dict[str, dict[str, Any]]:
    """Return how often each model finds the good sentence likelier, over all pairs and by type.

    Args:
        models: folders by seed.
        data: the file of pairs.
        columns: of the file, as of :func:`read_pairs`.
        device: to compute on.

    Raises:
        ConfigError: if one does not say how likely texts are.
        DataError: if the data or a model cannot be used.
    """
    pairs = read_pairs(data, columns)
    return {
        seed: pair_figures(
            pairs, differences(load_language_model(folder, masked=True, device=device), pairs)
        )
        for seed, folder in models.items()
    }


def differences(
    model: Model, pairs: Sequence[Pair], *, within_word_l2r: bool = False
) -> npt.NDArray[np.float64]:
    """Return by how much the good sentence of each pair is likelier, [pairs]; alike is 0.

    Args:
        model: as of :func:`gloze.inference.likelihood.log_likelihoods`.
        pairs: in any order.
        within_word_l2r: as there.
    """
    found = [np.zeros(0)]
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[start : start + _PAIRS_AT_ONCE]
        texts = [pair.good for pair in some] + [pair.bad for pair in some]
        ids, lengths = model.tokenizer.encode(texts)
        # Texts of the same tokens are read once, so that rounding never tells them apart.
        keys: list[Any] = [part.tobytes() for part in np.split(ids, np.cumsum(lengths)[:-1])]
        if model.num_bytes is not None:
            # Words of which each is unknown to the vocabulary are not the same by their letters.
            keys = texts
        distinct = dict(zip(keys, texts, strict=True))
        numbers = {key: number for number, key in enumerate(distinct)}
        sums = log_likelihoods(
            model, list(distinct.values()), within_word_l2r=within_word_l2r
        ).sums[[numbers[key] for key in keys]]
        found.append(sums[: len(some)] - sums[len(some) :])
    return np.concatenate(found)


def pair_figures(pairs: Sequence[Pair], ahead: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the figures of pairs, of all and by type.

    Args:
        pairs: that were judged.
        ahead: by how much the good sentence of each is likelier.
    """
    figures = _figures(ahead)
    types = np.array([pair.type for pair in pairs])
    by_type = {name: _figures(ahead[types == name]) for name in dict.fromkeys(types.tolist())}
    if figures["ties"]:
        figures["note"] = f"{figures['ties']:,} pairs are equally likely; they count half."
    return figures | ({"types": by_type} if list(by_type) != [""] else {})


def _figures(ahead: npt.NDArray[np.float64]) -> dict[str, Any]:
    ties = int((ahead == 0).sum())
    right = float((ahead > 0).sum() + ties / 2) / len(ahead)
    return {"examples": len(ahead), "accuracy": right, "ties": ties}
