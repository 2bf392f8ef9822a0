"""The plug for layouts of labelled files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from gloze.tasks.learned import AnyExample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

E_co = TypeVar("E_co", bound=AnyExample, covariant=True)


class Reader(Protocol[E_co]):
    """A layout of labelled files: what ``--format`` and ``--columns`` stand for.

    Attributes:
        metric: what such files are judged by; None if the layout does not say.
    """

    @property
    def metric(self) -> str | None: ...

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[E_co]:
        """Yield the examples of a file in their order, in bounded memory.

        Args:
            path: plain or compressed.
            needs_labels: refuse examples without a label.
            keep_rows: keep all columns of each row, for writing them out again.

        Raises:
            DataError: naming file, line and column of the first thing that is wrong.
        """
        ...
