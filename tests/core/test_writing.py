"""A full disk, whoever notices it first, is a WriteError and leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import os
import resource

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from gloze.core.errors import ConfigError, WriteError
from gloze.core.files import _machine, new_file, new_folder, sweep, writing

LIMIT = 4096


@contextlib.contextmanager
def small_files_only():
    """Refuse files over LIMIT bytes, as a full disk would.

    Only around the writing itself: the runner's own output may go to a file too.
    """
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def by_python(path):
    path.write_bytes(bytes(10 * LIMIT))


def by_numpy(path):
    np.save(path, np.zeros(LIMIT))


def by_tokenizers(path):
    vocab = {f"word{number}": number for number in range(LIMIT)}
    Tokenizer(models.WordLevel(vocab, unk_token="word0")).save(str(path))


def by_safetensors(path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(LIMIT)}, str(path))


WRITERS = [by_python, by_numpy, by_tokenizers, by_safetensors]


@pytest.mark.parametrize("write", WRITERS)
def test_a_folder_that_does_not_fit_is_a_write_error_and_the_old_one_stays(tmp_path, write):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old", encoding="utf-8")
    with (
        pytest.raises(WriteError, match=r"Cannot write .*model"),
        small_files_only(),
        new_folder(target, force=True) as t,
    ):
        write(t / "part.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (target / "old").read_text(encoding="utf-8") == "old"


def test_a_file_that_does_not_fit_is_a_write_error_and_leaves_nothing(tmp_path):
    with (
        pytest.raises(WriteError, match="over the size limit"),
        small_files_only(),
        new_file(tmp_path / "a") as path,
    ):
        by_python(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "file system is read-only"),
        (Exception("I/O error: No space left on device (os error 28)"), "The disk is full"),
        (OSError("1000 requested and 109 written"), "The disk is full"),
    ],
)
def test_each_refusal_names_the_path_and_the_cure(tmp_path, error, message):
    said = f"Cannot write {tmp_path}: .*{message}"
    with pytest.raises(WriteError, match=said), writing(tmp_path):
        raise error


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), ValueError("x"), ConfigError("x")]
)
def test_other_errors_pass_unchanged(tmp_path, error):
    with pytest.raises(type(error)) as caught, writing(tmp_path):
        raise error
    assert caught.value is error


DEAD = f".tmp-999999999@{_machine()}"


def test_a_kill_between_old_and_new_puts_the_old_one_back(tmp_path):
    dead = f"{DEAD}-old-dear"
    (tmp_path / dead).mkdir()
    (tmp_path / dead / "file").write_text("old")
    (tmp_path / f"{DEAD}-dear").mkdir()
    assert sweep(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["dear"]
    assert (tmp_path / "dear" / "file").read_text() == "old"


def test_what_a_killed_process_set_aside_goes_once_the_new_one_is_there(tmp_path):
    (tmp_path / f"{DEAD}-old-dear").mkdir()
    (tmp_path / "dear").mkdir()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dear"]


def test_what_a_running_process_or_another_machine_writes_is_left_alone(tmp_path):
    (tmp_path / f".tmp-{os.getpid()}@{_machine()}-mine").mkdir()
    (tmp_path / ".tmp-999999999@elsewhere-theirs").mkdir()
    assert sweep(tmp_path) == 0
