"""``gloze prepare``: the same shards for any number of workers, whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gloze.core.errors import ConfigError, DataError, WriteError
from gloze.core.files import _machine, sweep
from gloze.data.shards import Shards
from gloze.verbs.prepare import prepare
from tests.tokenizers.small import TEXT, small_tokenizer

RUN = """
import resource, sys
from gloze.core.errors import GlozeError
from gloze.verbs.prepare import prepare

if __name__ == "__main__":
    corpus, tokenizer, output, workers, limit = sys.argv[1:]
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        prepare([corpus], tokenizer=tokenizer, output=output, workers=int(workers))
    except GlozeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    small_tokenizer().save(folder)
    return folder


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    documents = ["\n".join(TEXT[: 1 + i % 3]) for i in range(50)]
    path.write_text("\n\n".join(documents), encoding="utf-8")
    return path


@pytest.fixture
def large_corpus(tmp_path):
    path = tmp_path / "large.txt"
    document = "\n".join(TEXT * 50)
    path.write_text("\n\n".join([document] * 1500), encoding="utf-8")
    return path


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def start(tmp_path, corpus, tokenizer, *, workers=1, limit=0):
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    arguments = [corpus, tokenizer, tmp_path / "shards", workers, limit]
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_corpus_becomes_shards_and_a_summary_that_names_the_next_step(
    corpus, tokenizer, tmp_path
):
    output = tmp_path / "shards"
    summary = prepare([corpus], tokenizer=tokenizer, output=output, valid_fraction=0.2)
    fingerprint = small_tokenizer().fingerprint
    train = Shards.open(output, "train", fingerprint=fingerprint)
    valid = Shards.open(output, "valid", fingerprint=fingerprint)
    assert train.num_documents + valid.num_documents == 50
    assert summary.splits["train"]["tokens"] == train.num_tokens
    assert f"gloze pretrain bert-mini --shards {output}" in str(summary)
    assert json.loads(json.dumps(summary.to_dict()))["path"] == str(output)


@pytest.mark.parametrize("kind", ["uncased", "cased"])
def test_one_and_three_workers_write_the_same_bytes(shared_data, tmp_path, kind):
    book = shared_data / "openstax" / "writing-guide.txt.gz"
    vocab = shared_data / "vocab" / f"bert-base-{kind}-vocab.txt"
    for workers in (1, 3):
        prepare([book], tokenizer=vocab, output=tmp_path / str(workers), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_sentences_are_split_by_rules_or_left_as_lines(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("The cat sat. The dog sat.\n\nthe mat\n", encoding="utf-8")
    for mode, count in (("rules", 3), ("line", 2)):
        output = tmp_path / mode
        summary = prepare([path], tokenizer=tokenizer, output=output, sentences=mode)
        assert sum(split["sentences"] for split in summary.splits.values()) == count


def test_unknown_tokens_are_counted_and_shown(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("the cat \u0416 \u0416\n\nthe dog\n", encoding="utf-8")
    summary = prepare([path], tokenizer=tokenizer, output=tmp_path / "shards")
    assert summary.unknown_rate == pytest.approx(2 / 6)
    assert "33.333% of tokens are unknown" in str(summary)
    assert "tokenizer learned from this corpus" in str(summary)


def test_a_mask_written_in_the_corpus_is_plain_text(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("the [MASK] sat [SEP] [PAD]\n\nthe [CLS] dog\n", encoding="utf-8")
    prepare([path], tokenizer=tokenizer, output=tmp_path / "shards", valid_fraction=0)
    tokens = Shards.open(tmp_path / "shards", "train").tokens
    assert not np.isin(tokens, [0, 2, 3, 4]).any()


def test_documents_without_a_token_are_dropped_and_counted(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("the cat\n\n\u200b\n\nthe dog\n", encoding="utf-8")
    summary = prepare([path], tokenizer=tokenizer, output=tmp_path / "shards")
    assert summary.empty_documents == 1
    assert "1 documents without a token" in str(summary)


def test_a_single_document_is_refused_with_the_cure(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("the cat\nthe dog\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"blank lines between documents.*--valid-fraction 0"):
        prepare([path], tokenizer=tokenizer, output=tmp_path / "shards")
    assert [p.name for p in tmp_path.iterdir()] == ["corpus.txt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 0}, "workers 0"),
        ({"sentences": "words"}, "Known: rules, line"),
        ({"valid_fraction": 1.0}, "valid_fraction 1.0"),
        ({"valid_fraction": float("nan")}, "valid_fraction nan"),
    ],
)
def test_impossible_settings_are_refused_before_any_work(
    corpus, tokenizer, tmp_path, settings, message
):
    with pytest.raises(ConfigError, match=re.escape(message)):
        prepare([corpus], tokenizer=tokenizer, output=tmp_path / "shards", **settings)
    assert not (tmp_path / "shards").exists()


def test_a_missing_corpus_or_tokenizer_leaves_nothing_behind(corpus, tokenizer, tmp_path):
    with pytest.raises(DataError, match="no such tokenizer"):
        prepare([corpus], tokenizer=tmp_path / "none", output=tmp_path / "shards")
    with pytest.raises(DataError, match="absent"):
        prepare([tmp_path / "absent.txt"], tokenizer=tokenizer, output=tmp_path / "shards")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


def test_an_existing_folder_is_kept_unless_force_is_said(corpus, tokenizer, tmp_path):
    output = tmp_path / "shards"
    output.mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        prepare([corpus], tokenizer=tokenizer, output=output)
    prepare([corpus], tokenizer=tokenizer, output=output, force=True)
    Shards.open(output, "train")


def test_a_place_that_cannot_be_written_is_named(corpus, tokenizer):
    with pytest.raises(WriteError, match=r"corpus.txt.*[Cc]hoose another"):
        prepare([corpus], tokenizer=tokenizer, output=corpus / "shards")


@pytest.mark.parametrize("limit", [1000, 20_000, 200_000])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_ends_with_code_4_and_nothing_half_made(
    large_corpus, tokenizer, tmp_path, limit, workers
):
    process = start(tmp_path, large_corpus, tokenizer, workers=workers, limit=limit)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 4, error
    assert f"Cannot write {tmp_path / 'shards'}" in error
    assert "Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.txt", "run.py"]


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_one_stopped_at_work_leaves_no_shards_and_no_workers(
    large_corpus, tokenizer, tmp_path, way
):
    process = start(tmp_path, large_corpus, tokenizer, workers=2)
    tokens = f".tmp-{process.pid}@{_machine()}-shards/train-tokens.npy"
    deadline = time.monotonic() + 60
    while not (tmp_path / tokens).exists() or (tmp_path / tokens).stat().st_size < 100_000:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(way)
    process.communicate(timeout=60)  # ends only when the workers, too, have closed their output
    assert process.returncode != 0
    assert not (tmp_path / "shards").exists()
    while _is_alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.txt", "run.py"]


def _is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_cut_compressed_file_is_refused(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt.gz"
    path.write_bytes(gzip.compress("\n\n".join(TEXT * 50).encode())[:-20])
    with pytest.raises(DataError, match=r"corpus.txt.gz"):
        prepare([path], tokenizer=tokenizer, output=tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_refused_lines_are_kept_beside_the_shards(tokenizer, tmp_path):
    path = tmp_path / "corpus.txt"
    lines = [f"the cat {i}" for i in range(5000)]
    lines[2500:2500] = [""]
    text = "\n".join(lines).encode() + b"\nbro\xffken\n"
    path.write_bytes(text)
    summary = prepare([path], tokenizer=tokenizer, output=tmp_path / "shards")
    assert sum(summary.problems.values()) == 1
    assert summary.rejects == tmp_path / "shards" / "rejects.jsonl"
    assert len(summary.rejects.read_text(encoding="utf-8").splitlines()) == 1
    Shards.open(tmp_path / "shards", "train")
