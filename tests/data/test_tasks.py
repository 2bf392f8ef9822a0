"""A preparation in tasks: the same bytes as in one go, whoever does them, in any order."""

import hashlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from gloze import prepare, prepare_task
from gloze.core.errors import ConfigError, DataError
from gloze.data.tasks import PrepareTasks
from gloze.text.read import ReadOptions
from gloze.text.sources import find_sources
from tests.small import documents, tokenizer

TASKS = 7


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Files of all sizes and kinds, some with faults, one empty document among them."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(11):
        texts = documents(count=5 * (number % 4) + 2, seed=number)
        if number % 3:
            text = "\n\n".join("\n".join(sentences) for sentences in texts)
            (folder / f"{number:02d}.txt").write_text(text + ("\n\n\x00bad\n" * (number == 4)))
        else:
            rows = [json.dumps({"text": "\n".join(sentences)}) for sentences in texts]
            rows += ['{"text": ""}', '{"no": 1}'] * (number == 6)
            (folder / f"{number:02d}.jsonl").write_text("\n".join(rows) + "\n")
    tokenizer().save(folder.parent / "vocab")
    return folder


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def whole(corpus):
    output = corpus.parent / "whole"
    prepare(corpus, tokenizer=corpus.parent / "vocab", output=output)
    assert (output / "rejects.jsonl").exists()
    return digest(output)


def arguments(corpus, output):
    return {"corpus": corpus, "tokenizer": corpus.parent / "vocab", "output": output}


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_any_number_of_tasks_gives_the_same_bytes(corpus, whole, tmp_path, count):
    prepare(**arguments(corpus, tmp_path / "shards"), tasks=count)
    assert digest(tmp_path / "shards") == whole
    assert not (tmp_path / "shards.parts").exists()


def test_tasks_may_be_done_in_any_order_and_more_than_once(corpus, whole, tmp_path):
    order = [*range(1, TASKS + 1), 3, 5]
    random.Random(0).shuffle(order)
    for number in order:
        summary = prepare_task(number, **arguments(corpus, tmp_path / "shards"), tasks=TASKS)
    assert summary.missing == []
    prepare(**arguments(corpus, tmp_path / "shards"), tasks=TASKS)
    assert digest(tmp_path / "shards") == whole


def command(corpus, output, *more):
    words = [sys.executable, "-m", "gloze", "prepare", str(corpus), "-o", str(output)]
    return [*words, "--tokenizer", str(corpus.parent / "vocab"), "--tasks", str(TASKS), *more]


def test_killed_tasks_leave_nothing_half_made_and_are_done_anew(corpus, whole, tmp_path):
    output, draw = tmp_path / "shards", random.Random(1)
    for number in range(1, TASKS + 1):
        process = subprocess.Popen(
            command(corpus, output, "--task", str(number)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(draw.uniform(0.2, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command(corpus, output), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digest(output) == whole


def test_parts_of_another_corpus_or_setting_are_refused(corpus, tmp_path):
    given = arguments(corpus, tmp_path / "shards")
    for number in range(1, TASKS + 1):
        prepare_task(number, **given, tasks=TASKS, sentences="line" if number == 3 else "rules")
    with pytest.raises(ConfigError, match=r"part-00003-of-00007 was made with other sentences"):
        prepare(**given, tasks=TASKS)
    assert not (tmp_path / "shards").exists()


def test_a_damaged_part_is_refused(corpus, tmp_path):
    given = arguments(corpus, tmp_path / "shards")
    for number in range(1, TASKS + 1):
        prepare_task(number, **given, tasks=TASKS)
    path = tmp_path / "shards.parts" / "part-00002-of-00007" / "tokens.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"part-00002-of-00007.tokens\.npy: altered"):
        prepare(**given, tasks=TASKS)


def test_a_corpus_changed_between_tasks_is_refused(corpus, tmp_path):
    copied = tmp_path / "corpus"
    shutil.copytree(corpus, copied)
    shutil.copytree(corpus.parent / "vocab", tmp_path / "vocab")
    given = arguments(copied, tmp_path / "shards")
    for number in range(1, TASKS + 1):
        prepare_task(number, **given, tasks=TASKS)
    file = copied / "10.txt"
    file.write_text(file.read_text().replace("the", "teh"))
    with pytest.raises(ConfigError, match=r"part-00001-of-00007 was made with other sources"):
        prepare(**given, tasks=TASKS)


def test_a_corpus_beside_the_output_is_never_removed(corpus, tmp_path):
    copied = tmp_path / "wiki.parts"
    shutil.copytree(corpus, copied)
    with pytest.raises(ConfigError, match=r"wiki\.parts"):
        prepare(copied, tokenizer=corpus.parent / "vocab", output=tmp_path / "wiki", tasks=2)
    assert digest(copied) == digest(corpus)


def test_parts_that_another_machine_is_making_are_left_alone(corpus, tmp_path):
    given = arguments(corpus, tmp_path / "shards")
    elsewhere = tmp_path / "shards.parts" / ".tmp-999999999@another-part-00002-of-00007"
    elsewhere.mkdir(parents=True)
    prepare_task(1, **given, tasks=TASKS)
    assert elsewhere.exists()


def test_faults_of_all_parts_are_judged_together(corpus, tmp_path):
    given = arguments(corpus, tmp_path / "shards")
    with pytest.raises(DataError, match="the corpus has faults"):
        prepare(**given, tasks=2, options=ReadOptions(strict=True))
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "8"), "there are tasks 1 to 7"),
        (("--task", "1", "--force"), "goes with --tasks N"),
        (("--task", "1", "--workers", "0"), "cannot work"),
        (("--sentences", "rules", "-"), "cannot be shared out"),
    ],
)
def test_impossible_calls_are_refused(corpus, tmp_path, words, message):
    words = command(corpus, tmp_path / "shards", *words)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs ray (the `scale` extra)"
)


@needs_ray
def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(corpus, whole, tmp_path):
    output = tmp_path / "shards"
    killed = []

    def kill_one():
        deadline = time.monotonic() + 120
        while not killed and time.monotonic() < deadline:
            found = subprocess.run(
                ["pgrep", "-f", "ray::_do"], capture_output=True, text=True, check=False
            )
            for number in found.stdout.split():
                os.kill(int(number), signal.SIGKILL)
                killed.append(number)
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    done = subprocess.run(
        command(corpus, output, "--ray", "local"),
        capture_output=True,
        text=True,
        check=False,
    )
    killer.join()
    assert done.returncode == 0, done.stderr
    assert killed
    assert digest(output) == whole


@needs_ray
def test_a_fault_found_on_a_cluster_is_told_as_it_is_found_here(corpus, tmp_path):
    (tmp_path / "broken.txt.gz").write_bytes(b"\x1f\x8b not gzip")
    words = command(tmp_path / "broken.txt.gz", tmp_path / "shards", "--ray", "local")
    words[words.index("--tokenizer") + 1] = str(corpus.parent / "vocab")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "broken.txt.gz" in done.stderr
    assert "Traceback" not in done.stderr


def test_tasks_read_whole_files_of_about_as_many_bytes(corpus, tmp_path):
    tasks = PrepareTasks.of(corpus, corpus.parent / "vocab", tmp_path, "rules", ReadOptions(), 3)
    sources = find_sources([corpus])
    shares = tasks._shares(sources)
    assert [source for share in shares for source in share] == sources
    sizes = [sum(os.path.getsize(source.name) for source in share) for share in shares]
    largest = max(os.path.getsize(source.name) for source in sources)
    assert max(sizes) - min(sizes) <= 2 * largest
