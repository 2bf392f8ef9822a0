"""A full disk, whoever notices it first, is a WriteError and leaves nothing behind."""

from __future__ import annotations

import errno
import resource

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from gloze.core.errors import ConfigError, WriteError
from gloze.core.files import new_file, new_folder, writing

LIMIT = 4096


@pytest.fixture
def small_files_only():
    """Refuse files over LIMIT bytes, as a full disk would."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, old[1]))
    yield
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
@pytest.mark.usefixtures("small_files_only")
def test_a_folder_that_does_not_fit_is_a_write_error_and_the_old_one_stays(tmp_path, write):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old", encoding="utf-8")
    with (
        pytest.raises(WriteError, match=r"Cannot write .*model"),
        new_folder(target, force=True) as t,
    ):
        write(t / "part.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (target / "old").read_text(encoding="utf-8") == "old"


@pytest.mark.usefixtures("small_files_only")
def test_a_file_that_does_not_fit_is_a_write_error_and_leaves_nothing(tmp_path):
    with pytest.raises(WriteError, match="over the size limit"), new_file(tmp_path / "a") as path:
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
