"""Files that are no text, told by how they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

START_BYTES = 1 << 16
_MAGIC = {
    b"\x1f\x8b": "gzip: name it .gz",
    b"BZh": "bzip2: name it .bz2",
    b"\xfd7zXZ\0": "xz: name it .xz",
    b"\x28\xb5\x2f\xfd": "Zstandard: name it .zst",
    b"PAR1": "Parquet: name it .parquet",
    b"PK\x03\x04": "a ZIP archive: unpack it",
    b"%PDF-": "a PDF: extract its text",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}


def refuse_known(start: bytes, path: str | Path) -> None:
    """Refuse a file that begins as no text does.

    Args:
        start: its first bytes.
        path: for the message.

    Raises:
        DataError: saying what it is and what to do.
    """
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise DataError(f"not text but {what}.", path=path)
