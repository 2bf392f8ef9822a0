"""Checksums of files, and the manifest of a folder that lists them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError
from gloze.core.files import read_json

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """Write the size and SHA-256 of every file of ``folder``, last of all."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=2) + "\n", encoding="utf-8")


def verify_manifest(folder: Path) -> None:
    """Check every file that the manifest of ``folder`` lists.

    Raises:
        DataError: naming the first file that is missing, cut or altered.
    """
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
        raise DataError("not a manifest: it lists no files.", path=folder / MANIFEST)
    for name, known in files.items():
        verify_file(folder / name, known)


def verify_file(path: Path, known: dict[str, Any]) -> None:
    """Check one file against its known ``bytes`` and ``sha256``.

    Raises:
        DataError: if the file is missing, cut or altered.
    """
    if not path.is_file():
        raise DataError("missing.", path=path)
    size = path.stat().st_size
    if size != known.get("bytes"):
        raise DataError(f"{size} bytes where {known.get('bytes')} were written.", path=path)
    if sha256(path) != known.get("sha256"):
        raise DataError("altered since it was written (its SHA-256 differs).", path=path)
