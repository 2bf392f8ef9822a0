"""What may be replaced: only what is ours, never what the command reads."""

import os

import pytest

from gloze.core.errors import ConfigError, DataError, WriteError
from gloze.core.files import new_folder, writing
from gloze.core.output import refuse_existing, refuse_inputs


def test_force_replaces_what_is_ours_and_nothing_else(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a-1.npy").touch()
    (folder / ".lock").touch()
    with pytest.raises(ConfigError, match="exists already"):
        refuse_existing(folder, force=False, ours=["a-*.npy"])
    refuse_existing(folder, force=True, ours=["a-*.npy"])
    (folder / "thesis.txt").touch()
    with pytest.raises(ConfigError, match=r"holds thesis\.txt, which gloze does not write"):
        refuse_existing(folder, force=True, ours=["a-*.npy"])


def test_a_file_is_not_replaced_by_a_folder_nor_a_folder_by_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file, and a folder"):
        refuse_existing(tmp_path / "file", force=True, ours=["*"])
    with pytest.raises(ConfigError, match="is a folder, and a file"):
        refuse_existing(tmp_path, force=True)


def test_inputs_in_the_output_are_found_through_links(tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    refuse_inputs(tmp_path / "run", [tmp_path, tmp_path / "running", "hf:name", "-"])
    for inside in (tmp_path / "run", tmp_path / "link" / "model"):
        with pytest.raises(ConfigError, match="would remove it"):
            refuse_inputs(tmp_path / "run", [inside])


def test_a_file_that_is_read_is_not_written_over(tmp_path):
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a.jsonl")
    refuse_inputs(tmp_path / "b.jsonl", [tmp_path / "a.jsonl", "-"])
    for given in (tmp_path / "a.jsonl", tmp_path / "link"):
        with pytest.raises(ConfigError, match=r"reads .*, and would write over it"):
            refuse_inputs(tmp_path / "a.jsonl", [given])


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "old").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with new_folder(tmp_path / "link", force=True) as temporary:
        (temporary / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["new"]
    assert {path.name for path in tmp_path.iterdir()} == {"link", "real"}


def test_a_file_that_may_not_be_read_is_no_matter_of_writing(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DataError, match=r"secret: cannot be read"), writing(tmp_path / "out"):
        raise PermissionError(13, "Permission denied", str(secret))
    with pytest.raises(WriteError, match="Cannot write"), writing(tmp_path / "out"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "out"))


def test_a_name_too_long_is_a_matter_of_the_name(tmp_path):
    path = tmp_path / ("a" * 300)
    with pytest.raises(WriteError, match="shorter name"), writing(path):
        path.mkdir()
