"""Examples in blocks that fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gloze.tasks.learned import AnyExample

# Of a block, the columns that are written out again counted too. In the windows of long texts each
# token stands several times, with its scores: this keeps a block under a few hundred megabytes.
MAX_CHARACTERS = 1 << 23


def in_blocks(examples: Iterable[AnyExample], most: int) -> Iterator[list[AnyExample]]:
    """Yield examples in their order, in lists bounded in number and in characters.

    Args:
        examples: of any task; one with more characters than a block may have stands alone.
        most: examples of a block.
    """
    block: list[AnyExample] = []
    characters = 0
    for example in examples:
        own = _characters(vars(example))
        if block and (len(block) == most or characters + own > MAX_CHARACTERS):
            yield block
            block, characters = [], 0
        block.append(example)
        characters += own
    if block:
        yield block


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list | tuple) else 0
