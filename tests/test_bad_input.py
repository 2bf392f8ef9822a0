"""Bad input ends with its exit code and one clear message, and leaves nothing half-written."""

import json
import shutil
import subprocess
import sys

import pytest

from gloze.checkpoint import save_model
from gloze.cli import main
from gloze.config.build import build_learner
from gloze.config.toml import to_toml
from tests.small import documents, recipe, tokenizer, write_shards


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, with small inputs beside it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A corpus, a tokenizer, shards, a recipe, a model and labelled data that are all sound."""
    folder = tmp_path_factory.mktemp("inputs")
    texts = ["\n".join(sentences) for sentences in documents(60)]
    (folder / "corpus.txt").write_text("\n\n".join(texts), encoding="utf-8")
    tokenizer().save(folder / "tokenizer")
    write_shards(folder / "shards")
    (folder / "recipe.toml").write_text(to_toml(recipe("training.steps=4")), encoding="utf-8")
    _, learner = build_learner(recipe(), tokenizer())
    save_model(folder / "model", learner, tokenizer(), card="")
    rows = [f"{'the cat' if i % 2 else 'a dog'} sees it\t{i % 2}" for i in range(40)]
    (folder / "train.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8")
    return folder


def refused(capsys, code, words, *message):
    """Run a command; it must end with ``code`` and one message holding each of ``message``."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert errors.count("error:") == 1
    for part in message:
        assert part in errors, errors


def nothing_left(folder, *known):
    left = {path.name for path in folder.iterdir()} - set(known)
    assert not left, left


def test_a_missing_corpus(capsys, place, inputs):
    words = ["prepare", "none.txt", "--tokenizer", inputs / "tokenizer", "-o", "shards"]
    refused(capsys, 3, words, "none.txt")
    nothing_left(place)


def test_an_empty_corpus(capsys, place, inputs):
    (place / "empty.txt").write_text("\n\n")
    for verb in (
        ["prepare", "empty.txt", "--tokenizer", inputs / "tokenizer"],
        ["tokenizer", "empty.txt", "--vocab-size", "100"],
    ):
        refused(capsys, 3, [*verb, "-o", "out"], "empty.txt")
    nothing_left(place, "empty.txt")


def test_a_corpus_of_one_document(capsys, place, inputs):
    (place / "one.txt").write_text("the cat sees it.\na dog likes it.\n")
    words = ["prepare", "one.txt", "--tokenizer", inputs / "tokenizer", "-o", "shards"]
    refused(capsys, 3, words, "one single document", "blank lines")
    nothing_left(place, "one.txt")


def test_a_vocabulary_larger_than_the_corpus_supports(capsys, place, inputs):
    words = ["tokenizer", inputs / "corpus.txt", "--vocab-size", "30000", "-o", "tok"]
    refused(capsys, 3, words, "30000", "--vocab-size")
    nothing_left(place)


def test_a_sequence_length_over_the_position_table(capsys, place, inputs):
    words = ["pretrain", inputs / "recipe.toml", "--shards", inputs / "shards", "-o", "run"]
    words += ["--set", "sampler.max_length=64"]
    refused(capsys, 2, words, "max_length 64", "max_position_embeddings 32")
    nothing_left(place)


@pytest.mark.parametrize(
    ("change", "meant"),
    [("encoder.hiden_size=64", "'hidden_size'"), ("training.learning_rat=1", "'learning_rate'")],
)
def test_a_mistyped_setting_names_the_nearest(capsys, place, inputs, change, meant):
    words = ["pretrain", "bert-tiny", "--shards", inputs / "shards", "-o", "run", "--set", change]
    refused(capsys, 2, words, "Did you mean", meant)
    nothing_left(place)


def test_a_recipe_file_with_a_mistyped_setting_names_file_and_nearest(capsys, place, inputs):
    text = (inputs / "recipe.toml").read_text().replace("hidden_size", "hidden_siz")
    (place / "mine.toml").write_text(text)
    words = ["pretrain", "mine.toml", "--shards", inputs / "shards", "-o", "run"]
    refused(capsys, 2, words, "mine.toml", "'hidden_size'")
    nothing_left(place, "mine.toml")


def test_shards_of_another_tokenizer(capsys, place, inputs):
    tokenizer(95).save(place / "other")
    words = ["pretrain", inputs / "recipe.toml", "--shards", inputs / "shards", "-o", "run"]
    refused(capsys, 3, [*words, "--tokenizer", "other"], "another tokenizer", "Prepare")
    nothing_left(place, "other")


def test_a_truncated_shard(capsys, place, inputs):
    shutil.copytree(inputs / "shards", place / "shards")
    path = place / "shards" / "train-tokens.npy"
    path.write_bytes(path.read_bytes()[:-100])
    words = ["pretrain", inputs / "recipe.toml", "--shards", "shards", "-o", "run"]
    refused(capsys, 3, words, "train-tokens.npy")
    nothing_left(place, "shards")


def test_checkpoints_with_flipped_bytes(capsys, place, inputs):
    words = ["pretrain", inputs / "recipe.toml", "--shards", inputs / "shards", "-o", "run"]
    assert main([str(word) for word in words]) == 0
    for folder in (place / "run" / "checkpoints").iterdir():
        content = bytearray((folder / "model.safetensors").read_bytes())
        content[-10] ^= 4
        (folder / "model.safetensors").write_bytes(content)
    refused(capsys, 3, [*words, "--resume"], "model.safetensors", "no checkpoint is intact")


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("sentence\tlabel\nthe cat\t1\n", ["train.tsv", "'text'", "sentence"]),
        ("text\tlabel\nthe cat\t1\nonly one field\n", ["train.tsv:3"]),
        ("", ["train.tsv"]),
    ],
)
def test_labelled_data_with_a_fault(capsys, place, inputs, content, messages):
    (place / "train.tsv").write_text(content)
    words = ["finetune", "classification", "--model", inputs / "model", "--train", "train.tsv"]
    refused(capsys, 3, [*words, "-o", "run"], *messages)
    nothing_left(place, "train.tsv")


def test_an_unknown_label(capsys, place, inputs):
    (place / "dev.tsv").write_text("text\tlabel\nthe cat\t0\nthe cat\tyes\n")
    words = ["finetune", "classification", "--model", inputs / "model"]
    words += ["--train", inputs / "train.tsv", "--dev", "dev.tsv", "-o", "run"]
    words += ["--set", "task.max_length=32"]
    refused(capsys, 3, words, "dev.tsv:3", "'yes'", "0", "1")
    nothing_left(place, "dev.tsv")


@pytest.mark.parametrize("words", [["--train", "-"], ["--train=-"], ["--dev", "-"]])
def test_a_run_is_not_trained_on_standard_input(capsys, place, inputs, words):
    if words[0] == "--dev":
        words = ["--train", inputs / "train.tsv", *words]
    words = ["finetune", "classification", "--model", inputs / "model", "-o", "run", *words]
    refused(capsys, 2, words, " -: standard input cannot be read here", "name a file")
    nothing_left(place)


@pytest.mark.parametrize("verb", ["tokenizer", "prepare", "pretrain", "finetune"])
def test_a_folder_that_cannot_be_written(capsys, place, inputs, verb):
    # Below a file there can be no folder, for anyone, root too.
    (place / "file").write_text("")
    words = {
        "tokenizer": [inputs / "corpus.txt", "--vocab-size", "90"],
        "prepare": [inputs / "corpus.txt", "--tokenizer", inputs / "tokenizer"],
        "pretrain": [inputs / "recipe.toml", "--shards", inputs / "shards"],
        "finetune": ["classification", "--model", inputs / "model"],
    }
    if verb == "finetune":
        words[verb] += ["--train", inputs / "train.tsv", "--set", "task.max_length=32"]
    refused(capsys, 4, [verb, *words[verb], "-o", "file/out"], "file/out")
    nothing_left(place, "file")


LIMITED = """
import resource, sys
from gloze.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def limited(size, words):
    """Run a command in a process that cannot write files over ``size`` bytes."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("verb", ["tokenizer", "prepare"])
def test_a_full_disk_leaves_nothing_half_written(place, inputs, verb):
    words = [verb, inputs / "corpus.txt", "-o", "out"]
    words += (
        ["--vocab-size", "90"] if verb == "tokenizer" else ["--tokenizer", inputs / "tokenizer"]
    )
    done = limited(600, words)
    assert done.returncode == 4, done.stderr
    assert "out" in done.stderr
    assert "Traceback" not in done.stderr
    nothing_left(place)


def test_a_full_disk_while_training_keeps_what_was_saved(place, inputs):
    words = ["pretrain", inputs / "recipe.toml", "--shards", inputs / "shards", "-o", "run"]
    words += ["--set", "training.save_every=1", "--set", "training.steps=6"]
    # The first checkpoint holds no moments of the optimizer, so it fits; the second does not.
    weights = (inputs / "model" / "model.safetensors").stat().st_size
    done = limited(weights + 2000, words)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in (place / "run" / "checkpoints").iterdir()] == ["step-0000000"]
    assert main([str(word) for word in [*words, "--resume"]]) == 0


def test_a_model_that_is_none(capsys, place, inputs):
    refused(capsys, 2, ["fill", place, "the [MASK]"], "config.json")
    refused(capsys, 3, ["fill", inputs / "model", "no blank"], "[MASK]")


def test_an_existing_output_is_kept(capsys, place, inputs):
    (place / "out").mkdir()
    (place / "out" / "dear.txt").write_text("keep")
    words = ["tokenizer", inputs / "corpus.txt", "--vocab-size", "90", "-o", "out"]
    refused(capsys, 2, words, "out", "--force")
    assert (place / "out" / "dear.txt").read_text() == "keep"


def test_results_are_one_json_line_with_the_flag(capsys, place, inputs):
    words = ["fill", inputs / "model", "the [MASK] sees it", "--json"]
    assert main([str(word) for word in words]) == 0
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("EU B-ORG\nrejects\n", "train.conll:2: 1 columns parted by spaces, and 2 are expected"),
        ("EU B-ORG\nrejects X-ORG\n", "train.conll:2: 'X-ORG' is no tag of iob2"),
        ("EU O\n\nrejects O\n", "every word has the tag 'O'"),
        ("EU B-ORG\nrej\ud800 O\n", "train.conll:2: not UTF-8"),
        ("\n\n", "not a single sentence"),
    ],
)
def test_columns_that_cannot_be_learned_from(capsys, place, inputs, text, message):
    (place / "train.conll").write_bytes(text.encode("utf-8", "surrogatepass"))
    words = ["finetune", "tagging", "--model", inputs / "model", "--train", "train.conll"]
    refused(capsys, 3, [*words, "-o", "run"], message)
    nothing_left(place, "train.conll")
