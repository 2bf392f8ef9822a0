"""Settings from outside: TOML files and ``path=value`` changes, checked against the typed tree."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import tomli_w
from pydantic import TypeAdapter, ValidationError

from gloze.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Return settings as a tree of plain values; what is not set is left out."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items() if item is not None}
        return [clean(item) for item in value] if isinstance(value, list | tuple) else value

    result: dict[str, Any] = clean(asdict(config))
    return result


def to_toml(config: Any) -> str:
    """Return settings as TOML."""
    return tomli_w.dumps(to_dict(config))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: if it is absent or is not TOML; names the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error


def from_dict(kind: type[T], values: dict[str, Any], where: str = "") -> T:
    """Return the settings of type ``kind``.

    Raises:
        ConfigError: naming each unknown or mistyped setting, with the nearest known name.
    """
    try:
        result = TypeAdapter(kind).validate_python(values)
        _refuse_infinite(values, where)
        return result
    except ValidationError as error:
        lines = [_message(kind, detail) for detail in error.errors()]
        raise ConfigError((f"{where}: " if where else "") + "\n".join(lines)) from None


def _refuse_infinite(values: dict[str, Any], where: str, path: str = "") -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _refuse_infinite(value, where, f"{path}{name}.")
        elif isinstance(value, float) and not math.isfinite(value):
            start = f"{where}: " if where else ""
            raise ConfigError(f"{start}{path}{name} is {value}; it must be a finite number.")


def override(values: dict[str, Any], changes: Iterable[str], tree: Any = None) -> dict[str, Any]:
    """Return a copy of a tree with ``path=value`` changes; values are written as in TOML.

    A bare word is taken as text; ``none`` removes the setting unless that is a word it can have.
    Where a block becomes of another
    ``kind``, what only the old kind knows is left out.

    Args:
        values: the tree.
        changes: in their order, but kinds first.
        tree: its type, which knows the kinds.

    Raises:
        ConfigError: if a change has no ``=`` or its path leads through a value.
    """
    result = _copy(values)
    for change in sorted(changes, key=lambda change: not _is_kind(change)):
        path, equals, text = change.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set {change!r}: expected path=value, as in training.steps=1000.")
        *parents, last = path.strip().split(".")
        branch = result
        for name in parents:
            branch = branch.setdefault(name, {})
            if not isinstance(branch, dict):
                raise ConfigError(f"--set {change!r}: {name!r} is a value and holds no settings.")
        if text.strip() == "none" and not _has_none(tree, [*parents, last]):
            branch.pop(last, None)
        else:
            branch[last] = _value(text.strip())
        if _is_kind(change):
            known = _known(tree, parents, text.strip())
            for name in [name for name in branch if known and name not in known]:
                del branch[name]
    return result


def _is_kind(change: str) -> bool:
    return change.partition("=")[0].strip().endswith(".kind")


def _known(tree: Any, path: list[str], kind: str) -> list[str]:
    """Return the settings of the block at ``path`` if it is of this kind; none if unknown."""
    for name in path:
        tree = _settings(tree).get(name)
    chosen = next((block for block in _choices(tree) if kind in _kinds(block)), None)
    return [field.name for field in fields(chosen)] if chosen else []


def _has_none(tree: Any, path: list[str]) -> bool:
    """Return whether ``none`` is a word that the setting at ``path`` can have."""
    for name in path:
        tree = _settings(tree).get(name)
    return "none" in _words(tree)


def _words(kind: Any) -> set[str]:
    arguments = get_args(kind)
    return {a for a in arguments if isinstance(a, str)}.union(*map(_words, arguments))


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, dict) else v for k, v in values.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _message(kind: Any, detail: ErrorDetails) -> str:
    """Say in our words what pydantic found; unions put the chosen kind into the path."""
    parts = [str(part) for part in detail["loc"]]
    names, block = [], kind
    for part in parts:
        known = _settings(block)
        if part in known:
            names.append(part)
            block = known[part]
        elif part == parts[-1] and detail["type"] == "unexpected_keyword_argument":
            return (
                f"Unknown setting in {'.'.join([*names, part])}: {part!r}. "
                f"{nearest(part, known)}Known: {', '.join(known)}."
            )
        else:
            block = next((b for b in _choices(block) if part in _kinds(b)), block)
    path = ".".join(names) or parts[-1]
    if detail["type"] == "missing" or detail["type"] == "missing_argument":
        return f"Missing setting: {'.'.join([*names, *parts[len(names) :]])}."
    return f"{path} is {detail['input']!r}: {detail['msg']}."


def _choices(block: Any) -> list[Any]:
    if isinstance(block, type) and is_dataclass(block):
        return [block]
    return [choice for argument in get_args(block) for choice in _choices(argument)]


def _kinds(block: Any) -> tuple[str, ...]:
    return (block.__name__, *get_args(get_type_hints(block).get("kind")))


def _settings(block: Any) -> dict[str, Any]:
    """Return the names and types of the settings of a block; of all its kinds if it has some."""
    found: dict[str, Any] = {}
    for choice in _choices(block):
        hints = get_type_hints(choice, include_extras=True)
        found |= {field.name: hints[field.name] for field in fields(choice)}
    return found
