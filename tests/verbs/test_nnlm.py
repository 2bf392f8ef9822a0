"""NNLM: from a corpus to word vectors, exact resume, and what its model folder is not for."""

import json
import math
import shutil

import numpy as np
import pytest

import gloze
from gloze.cli import main
from gloze.core.errors import ConfigError, DataError
from gloze.core.manifest import sha256
from gloze.data.counts import count_tokens
from gloze.data.shards import Shards
from gloze.recipes import load_recipe
from gloze.verbs.evaluate import evaluate
from gloze.verbs.pretrain import pretrain
from tests.small import documents, write_shards

STEPS = 100
SMALL = [
    *("tokenizer.min_count=1", "encoder.embedding_size=10", "encoder.hidden_size=12"),
    *("training.epochs=none", f"training.steps={STEPS}", "training.batch_tokens=256"),
    *("training.learning_rate=0.02", "training.precision=float32", "training.device=cpu"),
    *("encoder.hidden_dropout_prob=0.1", "training.evaluations=2"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    texts = ["\n".join(sentences) for sentences in documents(300)]
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def train(corpus, output, *changes, **options):
    return pretrain("nnlm", corpus=corpus, output=output, settings=[*SMALL, *changes], **options)


@pytest.fixture(scope="module")
def run(corpus):
    return train(corpus, corpus.parent / "run", "training.save_every=17",
                 "training.keep_checkpoints=100")  # fmt: skip


def test_it_learns_the_grammar_of_a_tiny_corpus(run):
    assert run.figures["lm_loss"] < run.unigram_loss - 1
    assert run.figures["lm_perplexity"] == pytest.approx(math.exp(run.figures["lm_loss"]))
    assert f"Next: gloze vectors neighbors {run.vectors}" in str(run)
    assert run.to_dict()["vectors"] == str(run.path / "vectors")


def test_its_words_are_vectors_by_falling_frequency_with_their_counts(run):
    vectors = gloze.load(run.path)
    train_split = Shards.open(run.path / "shards", "train")
    assert (np.diff(vectors.counts) <= 0).all()
    assert vectors.counts.sum() == count_tokens(train_split).sum()
    assert not [word for word in vectors.words if word.startswith("[")]
    assert {"cat", "remembers", "."} <= set(vectors.words)
    assert vectors.size == 10
    # A word of a few documents weighs more than the full stop of all.
    assert vectors.idf[vectors.row("cat")] > vectors.idf[vectors.row(".")] == pytest.approx(1)
    assert vectors.encode(["the cat"], pooling="idf").shape == (1, 10)


def test_verbs_stand_with_verbs(run):
    verbs = {"sees", "likes", "follows", "paints", "remembers", "carries"}
    nearest = gloze.load(run.path).most_similar("paints", (), 5)
    assert {word for word, _ in nearest} == verbs - {"paints"}


def test_the_command_line_goes_from_a_corpus_to_a_file_that_gensim_reads(corpus, tmp_path, capsys):
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    changes = [part for change in SMALL for part in ("--set", change)]
    made, file = str(tmp_path / "run"), str(tmp_path / "v.bin")
    assert main(["pretrain", "nnlm", "--corpus", str(corpus), "-o", made, *changes]) == 0
    assert "Vectors: " in capsys.readouterr().out
    assert main(["vectors", "neighbors", made, "cat"]) == 0
    assert main(["vectors", "convert", made, "-o", file, "--format", "binary"]) == 0
    assert main(["recipes"]) == 0
    assert "nnlm " in capsys.readouterr().out
    theirs, ours = keyed.load_word2vec_format(file, binary=True), gloze.load(made)
    assert theirs.index_to_key == list(ours.words)
    np.testing.assert_array_equal(theirs.vectors, ours.vectors)


def test_held_out_perplexity_is_computed_again_from_the_saved_model(run, tmp_path):
    found = evaluate(run.path, run.path / "shards", device="cpu").figures["-"]
    for name, value in run.figures.items():
        assert found[name] == pytest.approx(value, rel=1e-5)
    (tmp_path / "text.txt").write_text("the cat sees the red house.\n")
    assert evaluate(run.path, tmp_path / "text.txt", device="cpu").figures["-"]["lm_loss"] < 3


def state_of(output):
    """Checksums of what a run ends with."""
    last = output / "checkpoints" / f"step-{STEPS:07d}"
    state = json.loads((last / "state.json").read_text())
    state.pop("seconds")
    files = [last / "model.safetensors", last / "optimizer.safetensors"]
    files += [output / name / "model.safetensors" for name in ("model", "vectors")]
    return [*map(sha256, files), state]


@pytest.mark.parametrize("stop", [0, 17, STEPS])
def test_a_killed_run_ends_with_the_same_bytes(run, corpus, tmp_path, stop):
    shutil.copytree(run.path, tmp_path / "run")
    for name in ("model", "vectors"):
        shutil.rmtree(tmp_path / "run" / name)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > stop:
            shutil.rmtree(path)
    changes = ("training.save_every=17", "training.keep_checkpoints=100")
    train(corpus, tmp_path / "run", *changes, resume=True)
    assert state_of(tmp_path / "run") == state_of(run.path)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(corpus, tmp_path):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        train(corpus, tmp_path / name, seed=seed)
    first, again, other = (state_of(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first[0] != other[0]


def test_each_sentence_is_a_sequence_and_direct_connections_make_states_wider(corpus, tmp_path):
    done = train(corpus, tmp_path / "run", "encoder.direct_connections=true")
    sentences = Shards.open(tmp_path / "run" / "shards", "train").num_sentences
    assert done.sampling["sequences"] == sentences
    words = done.figures["lm_loss"]
    assert words < done.unigram_loss - 1
    plain = 10 * 5 * 12 + 12
    vocab = len(gloze.load(done.path)) + 5
    assert done.parameters == plain + vocab * 10 + vocab * (12 + 50) + vocab


def test_a_run_lends_its_word_vectors_to_what_takes_such(run, corpus, tmp_path):
    texts = [line for line in corpus.read_text().split("\n") if line]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    source, written = str(tmp_path / "texts.txt"), tmp_path / "v.npy"
    assert main(["encode", str(run.path), "--input", source, "-o", str(written)]) == 0
    wanted = gloze.load(run.path).encode(texts)
    np.testing.assert_array_equal(np.load(written), wanted)
    rows = [f"{text}\t{number % 2}" for number, text in enumerate(texts[:20])]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    tuned = gloze.finetune(
        "classification", model=run.path, train=tmp_path / "train.tsv", output=tmp_path / "out",
        settings=["training.epochs=1"],
    )  # fmt: skip
    assert len(gloze.load(tuned.path)) == len(gloze.load(run.path))


@pytest.mark.parametrize("where", ["run", "model"])
@pytest.mark.parametrize(
    "command",
    [
        "fill {} a[MASK]",
        "encode {model} --input {text} -o {out}.npy --layers -1",
        "finetune classification --model {model} --train {text} -o {out}",
        "export {} -o {out} --texts {text}",
        "convert {} -o {out}",
        "inspect {}",
    ],
)
def test_where_an_encoder_of_both_sides_is_needed_one_message_says_so(
    run, corpus, tmp_path, capsys, where, command
):
    model = run.path if where == "run" else run.model
    words = command.format(model, model=run.model, text=corpus, out=tmp_path / "out").split()
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "holds a feed-forward language model (left-to-right)" in said
    assert f"Its word vectors do more: {run.vectors}." in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_bert_does_not_become_an_nnlm(run, tmp_path):
    bert = pretrain(
        "bert-tiny", shards=write_shards(tmp_path / "shards"), output=tmp_path / "bert",
        settings=["training.steps=1", "training.evaluations=0"],
    )  # fmt: skip
    with pytest.raises(ConfigError, match="cannot train a bidirectional encoder"):
        pretrain("nnlm", shards=tmp_path / "shards", init=bert.path, output=tmp_path / "out")


def test_its_table_may_begin_with_word_vectors(run, corpus, tmp_path):
    done = train(corpus, tmp_path / "run", init_embeddings=run.path)
    assert done.figures["lm_loss"] < done.unigram_loss - 1


def broken(run, folder, **changes):
    shutil.copytree(run.model, folder)
    (folder / "manifest.json").unlink()
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    shutil.copy(run.path / "recipe.toml", folder.parent)
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 10**7}, r"embeddings.weight has shape .*, expected \(10000000, 10\)"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"vocab_size": 7}, "the model 7"),
        ({"encoder": None}, "it says nothing of the encoder"),
        ({"encoder": {"kind": "gru"}}, "its kind is to be"),
        ({"encoder": {"kind": "transformer"}}, "12 layers, and there are weights of 0"),
        ({"encoder": {"kind": "feed_forward", "hidden_size": 13}}, "expected"),
        ({"encoder": {"kind": "feed_forward", "depth": 13}}, "Unknown setting in .*depth"),
    ],
)
def test_a_model_folder_that_says_what_it_does_not_hold_is_refused(
    run, corpus, tmp_path, changes, message
):
    folder = broken(run, tmp_path / "model", **changes)
    with pytest.raises(DataError, match=message):
        evaluate(folder, corpus)


def test_the_recipe_is_near_the_paper():
    config = load_recipe("nnlm")
    assert config.encoder.context_size == 5
    assert 60 <= config.encoder.embedding_size <= 100
    assert config.encoder.hidden_size == 100
    assert config.tokenizer.kind == "words"
    assert config.objectives.items()[0][0] == "lm"
