"""Files and folders that appear whole or not at all, and locks."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError, WriteError
from gloze.core.output import refuse_existing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ASIDE = "-old-"
_CURES = {
    errno.ENOSPC: "The disk is full: free some space or choose another folder with -o.",
    errno.EDQUOT: "The disk quota is used up: free some space or choose another folder with -o.",
    errno.EFBIG: "The file is over the size limit set for this process (ulimit -f).",
    errno.EACCES: "Choose a folder you may write to with -o.",
    errno.EPERM: "Choose a folder you may write to with -o.",
    errno.EROFS: "The file system is read-only: choose another folder with -o.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: choose another place with -o.",
    errno.EISDIR: "There is a folder of that name: choose another place with -o.",
    errno.EEXIST: "There is a file of that name: choose another place with -o.",
    errno.EBUSY: "The folder is in use by the system: choose another with -o.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write ``path`` into a WriteError with its cure.

    A file that may not be read on the way is a DataError.
    """
    try:
        yield
    except Exception as error:
        number = _system_number(error)
        if number not in _CURES:
            raise
        named = getattr(error, "filename", None)
        if number in (errno.EACCES, errno.EPERM) and named and _is_unreadable(named):
            raise DataError("cannot be read: you have no right to.", path=named) from error
        reason = os.strerror(number)
        raise WriteError(f"Cannot write {path}: {reason}. {_CURES[number]}") from error


def _is_unreadable(path: str | bytes | os.PathLike[str]) -> bool:
    return os.path.isfile(path) and not os.access(path, os.R_OK)


def _system_number(error: Exception) -> int:
    """Return the system's number of an error, 0 if it has none.

    Libraries written in Rust keep the number in their text; NumPy says how much it could write
    and drops the number, which was that of a full disk or a size limit.
    """
    found = re.search(r"\(os error (\d+)\)", str(error))
    if found:
        return int(found[1])
    if not isinstance(error, OSError):
        return 0
    is_cut = re.fullmatch(r"\d+ requested and \d+ written", str(error))
    return errno.ENOSPC if is_cut else error.errno or 0


@contextlib.contextmanager
def new_folder(path: Path, *, force: bool = False, ours: Sequence[str] = ("*",)) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` when the block ends without an error.

    Whatever stops the block, ``path`` is either absent (or the old one) or complete. Leftovers
    of killed processes are removed first.

    Args:
        path: a link is followed.
        force: replace ``path`` if it exists.
        ours: patterns of the names that such a folder may hold if it is to be replaced.

    Raises:
        ConfigError: if ``path`` exists and may not be replaced.
        WriteError: if the disk is full or the place cannot be written to.
    """
    refuse_existing(path, force=force, ours=ours)
    with writing(path):
        path = Path(os.path.realpath(path))
        _make_parent(path)
        sweep(path.parent)
        temporary = path.parent / f".tmp-{_self()}-{path.name}"
        _make(temporary)
        try:
            yield temporary
            sync_folder(temporary)
            replace_folder(temporary, path)
        except WriteError as error:
            raise WriteError(str(error).replace(str(temporary), str(path))) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def working_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a folder in ``parent`` that is gone afterwards; what a kill left goes before."""
    sweep(parent)
    temporary = parent / f".tmp-{_self()}-{name}"
    _make(temporary)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError) as error:  # a file in the way; /proc and its like
        raise WriteError(
            f"Cannot write {path}: {path.parent} is no folder and cannot be made one. "
            "Choose another place with -o."
        ) from error


def _make(path: Path, *, exist_ok: bool = False) -> None:
    try:
        path.mkdir(exist_ok=exist_ok)
    except FileNotFoundError as error:  # /proc and its like
        raise WriteError(f"Cannot write {path}: {path.parent} takes no folders.") from error


def replace_folder(temporary: Path, path: Path) -> None:
    """Move ``temporary`` to ``path``, over an old folder if there is one."""
    if path.exists():
        old = path.parent / f".tmp-{_self()}{_ASIDE}{path.name}"
        path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(path)
    _sync(path.parent)


@contextlib.contextmanager
def new_file(path: Path, *, force: bool = True) -> Iterator[Path]:
    """Yield a temporary path that becomes the file ``path`` when the block ends well.

    Raises:
        ConfigError: if ``path`` exists and ``force`` is not set.
        WriteError: if the disk is full or the place cannot be written to.
    """
    refuse_existing(path, force=force)
    with writing(path):
        _make_parent(path)
        temporary = path.parent / f".tmp-{_self()}-{path.name}"
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of ours, or say where it is broken.

    Raises:
        DataError: if the file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("no such file.", path=path) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error}).", path=path) from error


def folders_named(folder: Path, pattern: str) -> list[Path]:
    """Return the folders in ``folder`` whose whole name a regular expression matches, by name.

    Glob patterns would take in copies that somebody made beside them, like ``seed-1-old``.
    """
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(p for p in found if re.fullmatch(pattern, p.name) and p.is_dir())


def sweep(folder: Path) -> int:
    """Remove what killed processes of this machine left in ``folder``; return how much.

    A process killed between setting the old aside and putting the new in its place leaves both
    under temporary names: the old one is then put back.
    """
    left = [path for path in folder.glob(".tmp-*") if _is_left_over(path)]
    for path in left:
        _, _, name = path.name.partition(_ASIDE)
        if name and not (folder / name).exists():
            path.rename(folder / name)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)


def _self() -> str:
    """Name this process on this machine: others may be at work in the same folder."""
    return f"{os.getpid()}@{_machine()}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """Name the world in which a process number means one process."""
    space = Path("/proc/self/ns/pid")
    own = os.readlink(space) if space.is_symlink() else ""
    return hashlib.sha256(f"{socket.gethostname()}{own}".encode()).hexdigest()[:8]


def _is_left_over(path: Path) -> bool:
    pid, _, machine = path.name.split("-")[1].partition("@")
    return pid.isdigit() and machine == _machine() and not _is_running(int(pid))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force every file below ``folder``, and the folders, onto the disk; set plain modes.

    Some writers make files only their owner can read; others must be able to serve them.
    """
    mask = os.umask(0)
    os.umask(mask)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            path.chmod(0o644 & ~mask)
        _sync(path)
    _sync(folder)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process alone; the system frees it however the process ends.

    Raises:
        ConfigError: if another process holds it.
    """
    import fcntl

    with writing(folder):
        _make_parent(folder)
        _make(folder, exist_ok=True)
        lock = (folder / ".lock").open("a+", encoding="utf-8")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(
                f"Another run is writing to {folder} (process {lock.read().strip() or 'unknown'}). "
                "Wait for it, stop it, or choose another -o."
            ) from None
        with writing(folder):
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        yield
