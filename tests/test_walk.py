"""docs/walk.md lists the files of one example in the order in which they are called."""

import re
import sys
from pathlib import Path

import gloze
from gloze.verbs.prepare import prepare
from gloze.verbs.pretrain import pretrain
from tests.small import documents, recipe, tokenizer

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = Path(gloze.__file__).parent


def listed():
    """Yield verb, file and function of each row of the table."""
    verb = ""
    for line in (REPOSITORY / "docs" / "walk.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| (\w*) \| `(\S+)` \| `(\w+)` \|", line):
            verb = found[1] or verb
            yield verb, found[2], found[3]


def first_calls(work):
    """Return (file, function) of every function of gloze in the order of their first call."""
    seen = {}

    def note(frame, event, argument):
        if event == "call":
            path = frame.f_code.co_filename
            if path.startswith(str(SOURCE)):
                seen.setdefault((path[len(str(SOURCE)) + 1 :], frame.f_code.co_name), len(seen))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return seen


def test_a_real_step_calls_the_files_of_the_walk_in_its_order(tmp_path):
    corpus = tmp_path / "corpus.txt"
    texts = ["\n".join(sentences) for sentences in documents(60)]
    corpus.write_text("\n\n".join(texts), encoding="utf-8")
    tokenizer().save(tmp_path / "tokenizer")
    shards = tmp_path / "shards"
    calls = {
        "prepare": first_calls(
            lambda: prepare([corpus], tokenizer=tmp_path / "tokenizer", output=shards)
        ),
        "pretrain": first_calls(
            # Without threads or evaluations: a profile follows one thread, and one example.
            lambda: pretrain(
                recipe("training.steps=1", "training.loader_workers=0", "training.evaluations=0"),
                shards=shards,
                output=tmp_path / "run",
            )
        ),
    }
    for verb, order in calls.items():
        rows = [(file, function) for v, file, function in listed() if v == verb]
        missing = [row for row in rows if row not in order]
        assert not missing, f"{verb} never calls {missing}"
        assert rows == sorted(rows, key=order.__getitem__), verb


def test_every_file_of_the_walk_is_short():
    for _, file, _ in listed():
        assert len((SOURCE / file).read_text(encoding="utf-8").splitlines()) < 300, file
