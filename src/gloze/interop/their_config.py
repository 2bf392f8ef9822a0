"""What a ``config.json`` of transformers says of sizes, checked before anything is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from gloze.core.errors import ConfigError, DataError, nearest
from gloze.encoders.transformer import Initialization, TransformerConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NEEDED = ("hidden_size", "num_hidden_layers", "num_attention_heads")


def read_config(
    values: dict[str, Any], names: Mapping[str, str], path: Path, **fixed: Any
) -> tuple[TransformerConfig, int]:
    """Return the sizes and the vocabulary size that a ``config.json`` states.

    Args:
        values: of the file.
        names: of settings, ours and theirs; what is not stated is as usual with us, but for sizes.
        path: of the file, for messages.
        fixed: further settings of the encoder.

    Raises:
        DataError: if a size is missing, or a value is of another type or makes no sense.
    """
    for name in ("vocab_size", *(names[each] for each in _NEEDED)):
        if name not in values:
            raise DataError(f"{name} is missing. {nearest(name, values)}", path=path)
    known = {ours: values[theirs] for ours, theirs in names.items() if theirs in values}
    for ours, value in (("vocab_size", values["vocab_size"]), *known.items()):
        whole = not ours.endswith(("prob", "range", "eps"))
        allowed = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed) or not 0 <= value < 1e8:
            name = names.get(ours, ours)
            raise DataError(f"{name} is {value!r}: not a number that makes sense.", path=path)
    # Unknown to transformers, which keeps it: a control with random weights starts alike.
    if values.get("initialization") in get_args(Initialization):
        known["initialization"] = values["initialization"]
    try:
        return TransformerConfig(**known, **fixed), values["vocab_size"]
    except ConfigError as error:
        raise DataError(str(error), path=path) from error


def differs(config: TransformerConfig, wanted: Mapping[str, Any], what: str) -> str | None:
    """Return the first setting of an encoder that is not as ``what`` has it; None if all are."""
    for name, value in wanted.items():
        if (own := getattr(config, name)) != value:
            return f"{what} has {name} {value}, and this encoder {own}"
    return None
