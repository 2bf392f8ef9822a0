"""Word vectors from a corpus: what is learned, exact resume, what is refused."""

from __future__ import annotations

import errno
import json
import signal

import numpy as np
import pytest

import gloze
from gloze import cli
from gloze.config.vectors import VectorsConfig
from gloze.core.errors import ConfigError, DataError, DivergedError, StoppedError, WriteError
from gloze.data.array_file import ArrayFile
from gloze.recipes import VECTOR_RECIPES, load_any_recipe, load_recipe
from gloze.training import blocks
from gloze.training.interrupt import Interruption
from gloze.verbs.pretrain import pretrain

SMALL = ["tokenizer.min_count=1"]
TRAINED = ["training.block_tokens=400", "training.epochs=3", "training.log_every=2"]
OWN = {
    "ppmi-svd": ["encoder.hidden_size=6"],
    "glove": ["encoder.hidden_size=12", *TRAINED, "sampler.size=2"],
}
WORD2VEC = ["encoder.hidden_size=12", *TRAINED, "sampler.subsample=0"]


def write_corpus(path, lines=400, seed=0):
    """Write sentences in which words of a topic stand together."""
    rng = np.random.default_rng(seed)
    topics = [["cat", "dog", "cow", "hen"], ["red", "blue", "green", "grey"]]
    documents = []
    for number in range(lines):
        words = [str(rng.choice(topics[number % 2])) for _ in range(6)]
        documents.append(f"the {' '.join(words)}.")
    path.write_text("\n\n".join(documents) + "\n")
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.txt")


def train(corpus, output, recipe="skip-gram", settings=(), **changes):
    settings = [*SMALL, *OWN.get(recipe, WORD2VEC), *settings]
    return pretrain(recipe, corpus=corpus, output=output, settings=settings, **changes)


def files(folder):
    return {path.name: path.read_bytes() for path in (folder / "model").iterdir()}


@pytest.mark.parametrize("recipe", VECTOR_RECIPES)
def test_words_of_a_topic_come_together(corpus, tmp_path, recipe):
    is_svd = recipe == "ppmi-svd"
    epochs = {"ppmi-svd": 0, "glove": 60}.get(recipe, 10)
    found = train(corpus, tmp_path / "run", recipe, [f"training.epochs={epochs}"] if epochs else [])
    assert is_svd or found.losses[-1] < 0.95 * found.losses[0]
    assert len(found.losses) == epochs
    assert found.words == 10
    vectors = gloze.load(tmp_path / "run")
    assert {word for word, _ in vectors.most_similar("cat", (), 3)} == {"dog", "cow", "hen"}
    assert {word for word, _ in vectors.most_similar("grey", (), 3)} == {"red", "blue", "green"}
    # The most frequent first, with their counts in the shards.
    assert set(vectors.words[:2]) == {"the", "."}
    assert (np.diff(vectors.counts) <= 0).all()
    assert (vectors.context is None) == recipe.endswith("-hs")
    assert vectors.encode(["the cat"], pooling="idf").shape == (1, 6 if is_svd else 12)
    assert (tmp_path / "run" / "report.html").exists()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(corpus, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(corpus, tmp_path / name, seed=seed)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def stopping(take, interruption, after):
    """Return a step of the loop after which, so many times, a signal comes."""
    taken = []

    def stop(self, sums):
        take(self, sums)
        taken.append(1)
        if len(taken) == after:
            interruption._note(signal.SIGTERM, None)

    return stop


@pytest.mark.parametrize("recipe", ["skip-gram", "cbow-hs", "glove"])
def test_a_run_that_was_stopped_ends_with_the_same_bytes(corpus, tmp_path, monkeypatch, recipe):
    # All counts of so few words are one block.
    settings = ["training.epochs=10"] if recipe == "glove" else []
    train(corpus, tmp_path / "whole", recipe, settings)
    take = blocks.BlockTrainer._take
    for number, after in enumerate((3, 4, 1)):
        interruption = Interruption()
        monkeypatch.setattr(blocks, "Interruption", lambda own=interruption: own)
        monkeypatch.setattr(blocks.BlockTrainer, "_take", stopping(take, interruption, after))
        with pytest.raises(StoppedError, match=r"Stopped after block \d+") as error:
            train(corpus, tmp_path / "parts", recipe, settings, resume=number > 0)
        assert error.value.exit_code == 75
    monkeypatch.undo()
    train(corpus, tmp_path / "parts", recipe, settings, resume=True)
    assert files(tmp_path / "whole") == files(tmp_path / "parts")
    logs = []
    for name in ("whole", "parts"):
        rows = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        timed = ("seconds", "tokens_per_second")
        logs.append([{k: v for k, v in json.loads(r).items() if k not in timed} for r in rows])
    assert logs[0] == logs[1]


def test_several_threads_learn_all_blocks_and_say_what_that_costs(corpus, tmp_path, capsys):
    found = train(corpus, tmp_path / "run", settings=["training.threads=3"])
    assert found.tokens == train(corpus, tmp_path / "one").tokens
    assert "another run will end with other numbers" in " ".join(capsys.readouterr().err.split())
    assert found.losses[-1] < found.losses[0]


@pytest.mark.parametrize("recipe", ["skip-gram", "cbow", "skip-gram-hs", "cbow-hs"])
def test_several_threads_may_give_the_same_bytes_every_time(corpus, tmp_path, capsys, recipe):
    settings = ["training.threads=3", "training.deterministic=true", "training.epochs=10"]
    found = [train(corpus, tmp_path / name, recipe, settings) for name in "ab"]
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert "another run" not in capsys.readouterr().err
    one = train(corpus, tmp_path / "one", recipe, ["training.epochs=10"])
    assert found[0].tokens == one.tokens
    # A third of the steps at three times the length: as much is learned, nearly.
    assert found[0].losses[-1] < one.losses[0] - 0.5 * (one.losses[0] - one.losses[-1])
    more = train(corpus, tmp_path / "threads", recipe, [*settings, "training.threads=2"])
    assert more.losses != found[0].losses


def test_the_loss_of_an_epoch_is_the_mean_of_all_its_predictions(corpus, tmp_path):
    found = train(corpus, tmp_path / "run", settings=["training.log_every=1"])
    rows = list(map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()))
    epochs = [row for row in rows if row.get("split") == "valid"]
    assert [row["epoch_loss"] for row in epochs] == found.losses
    assert epochs[-1]["loss"] == found.figures["loss"]
    # Every sentence has the same number of predictions, but for what each window draws.
    seen = [(row["loss"], row["tokens"]) for row in rows if "split" not in row]
    losses, tokens = np.array(seen).T
    sizes = np.diff(tokens, prepend=0)
    for number, epoch in enumerate(np.array_split(np.arange(len(seen)), 3)):
        mean = (losses[epoch] * sizes[epoch]).sum() / sizes[epoch].sum()
        assert mean == pytest.approx(found.losses[number], rel=0.01)


def test_the_rate_falls_evenly_to_its_end():
    class Nothing:
        pass

    config = blocks.BlockTrainingConfig(epochs=2, learning_rate=0.1, final_learning_rate=0.02)
    trainer = blocks.BlockTrainer(Nothing(), [10, 40], config, log=Nothing(), checkpoints=Nothing())
    found = [trainer.rates(epoch, block) for epoch in (0, 1) for block in (0, 1)]
    expected = [(0.1, 0.09), (0.09, 0.06), (0.06, 0.05), (0.05, 0.02)]
    np.testing.assert_allclose(found, expected)


def test_both_sets_of_vectors_are_kept_and_may_be_added(corpus, tmp_path):
    train(corpus, tmp_path / "inner")
    train(corpus, tmp_path / "sum", settings=["encoder.result=sum"])
    inner, both = gloze.load(tmp_path / "inner"), gloze.load(tmp_path / "sum")
    np.testing.assert_array_equal(inner.context, both.context)
    np.testing.assert_allclose(both.vectors, inner.vectors + inner.context, atol=1e-7)
    with pytest.raises(ConfigError, match="has outer vectors of nodes alone"):
        train(corpus, tmp_path / "hs", "cbow-hs", ["encoder.result=sum"])


def test_windows_may_reach_over_sentences_of_a_document(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n\n".join("A b.\nC d." for _ in range(60)))
    losses = [
        train(corpus, tmp_path / within, settings=[f"sampler.within={within}"]).losses
        for within in ("sentence", "document")
    ]
    assert losses[0] != losses[1]


def test_a_recipe_is_printed_and_read_again(tmp_path, capsys):
    assert cli.main(["recipes", "cbow"]) == 0
    path = tmp_path / "cbow.toml"
    path.write_text(capsys.readouterr().out)
    assert load_any_recipe(path) == VECTOR_RECIPES["cbow"]()
    assert isinstance(load_any_recipe(path), VectorsConfig)
    assert cli.main(["recipes"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert "skip-gram-hs Word vectors by skip-gram with hierarchical softmax" in listed


@pytest.mark.parametrize(
    ("recipe", "setting", "message"),
    [
        ("skip-gram", "objectives.cbow.negatives=5", "learned by one objective"),
        ("skip-gram", "objectives.skipgram=none", "learned by one objective"),
        ("glove", "sampler.kind=window", "glove learns from the cooccurrence sampler"),
        ("ppmi-svd", "training.epochs=9", "epochs does nothing here: an SVD is computed"),
        ("glove", "training.deterministic=true", "GloVe give the same bytes without it"),
        ("glove", "objectives.glove.x_max=0", "x_max is 0.0; it must be over 0"),
        ("skip-gram", "objectives.skipgram.shared_negatives=6", "multiple of four"),
        ("skip-gram", "objectives.skipgram.shared_negatives=100000000", "1024 at most"),
        ("skip-gram", "objectives.skipgram.noise_power=500", "it must be from -2 to 2"),
        ("skip-gram", "sampler.size=100000000", "it must be from 1 to 1000"),
        ("skip-gram", "objectives.skipgram.negatives=0", "there must be one at least"),
        ("skip-gram-hs", "objectives.skipgram.negatives=9", "draws no noise words"),
        ("cbow", "encoder.hidden_size=0", "encoder.hidden_size is 0"),
        ("cbow", "training.epochs=0", "training.epochs is 0"),
        ("cbow", "training.learning_rate=0", "training.learning_rate is 0"),
        ("cbow", "training.save_minutes=-1", "training.save_minutes is -1"),
        ("cbow", "training.treads=2", "Did you mean 'threads'"),
    ],
)
def test_impossible_recipes_are_refused(corpus, tmp_path, recipe, setting, message):
    with pytest.raises(ConfigError, match=message):
        train(corpus, tmp_path / "run", recipe, [setting])
    assert not (tmp_path / "run").exists()


def test_threads_and_memory_change_no_byte_of_what_is_counted(corpus, tmp_path):
    for recipe in OWN:
        train(corpus, tmp_path / f"{recipe}-1", recipe)
        settings = ["training.threads=3", "sampler.memory_megabytes=16"]
        train(corpus, tmp_path / f"{recipe}-3", recipe, settings)
        assert files(tmp_path / f"{recipe}-1") == files(tmp_path / f"{recipe}-3")
        assert not (tmp_path / f"{recipe}-1" / "counting").exists()


@pytest.mark.parametrize("recipe", OWN)
def test_force_replaces_a_run_that_counted_and_a_refused_one_goes(corpus, tmp_path, recipe):
    train(corpus, tmp_path / "run", recipe)
    (tmp_path / "run" / "counting").mkdir()
    train(corpus, tmp_path / "run", recipe, seed=1, force=True)
    (tmp_path / "corpus.txt").write_text("a\n\nb\n\na\n\nb\n")
    with pytest.raises(DataError, match="no two words stand together"):
        train(tmp_path / "corpus.txt", tmp_path / "x", recipe, ["encoder.hidden_size=2"])
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("recipe", OWN)
def test_a_corpus_of_one_document_is_counted_whole(tmp_path, recipe):
    (tmp_path / "corpus.txt").write_text("a b c d.\nb c a.\n" * 5)
    train(tmp_path / "corpus.txt", tmp_path / "run", recipe, ["encoder.hidden_size=2"])
    assert gloze.load(tmp_path / "run").counts.sum() == 5 * 9
    (tmp_path / "other.txt").write_text("x y\n\nz y x\n\n")
    words = tmp_path / "run" / "tokenizer"
    with pytest.raises(ConfigError, match="two different words at least"):
        pretrain(recipe, corpus=tmp_path / "other.txt", output=tmp_path / "none", tokenizer=words)


def test_counts_there_are_are_not_counted_again(corpus, tmp_path, monkeypatch):
    train(corpus, tmp_path / "run", "ppmi-svd")
    before = files(tmp_path / "run")
    monkeypatch.setattr("gloze.verbs.pretrain_counts.PairCounting", None)
    train(corpus, tmp_path / "run", "ppmi-svd", resume=True)
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize("folder", ["counting", "counts", "-matrix"])
def test_a_full_disk_ends_with_what_was_written_whole(corpus, tmp_path, monkeypatch, folder):
    add = ArrayFile.add

    def full(self, numbers):
        if folder in self._file.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(self, numbers)

    settings = ["encoder.hidden_size=2"]
    monkeypatch.setattr(ArrayFile, "add", full)
    with pytest.raises(WriteError, match="No space left on device"):
        train(corpus, tmp_path / "run", "ppmi-svd", settings)
    monkeypatch.undo()
    train(corpus, tmp_path / "run", "ppmi-svd", settings, resume=True)
    train(corpus, tmp_path / "whole", "ppmi-svd", settings)
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_an_svd_has_at_most_as_many_numbers_as_words(corpus, tmp_path):
    assert train(corpus, tmp_path / "run", "ppmi-svd", ["encoder.hidden_size=10"]).size == 10
    with pytest.raises(ConfigError, match="hidden_size is 11, and the corpus has 10 words"):
        train(corpus, tmp_path / "more", "ppmi-svd", ["encoder.hidden_size=11"])
    with pytest.raises(ConfigError, match=r"Lower objectives\.svd\.shift"):
        train(corpus, tmp_path / "x", "ppmi-svd", ["objectives.svd.shift=1e9"])
    with pytest.raises(ConfigError, match="leave --init out"):
        train(corpus, tmp_path / "y", "ppmi-svd", init=tmp_path / "run")


@pytest.mark.parametrize("recipe", OWN)
def test_words_that_never_stand_together_have_no_counts(tmp_path, recipe):
    (tmp_path / "corpus.txt").write_text("a\n\nb\n\na\n\nb\n")
    with pytest.raises(DataError, match="no two words stand together in any sentence"):
        train(tmp_path / "corpus.txt", tmp_path / "run", recipe, ["encoder.hidden_size=2"])


def test_vectors_of_one_side_are_those_of_the_words_before(tmp_path):
    (tmp_path / "corpus.txt").write_text("\n\n".join(["a x", "b x", "c y", "d y"] * 20))
    settings = ["encoder.hidden_size=2", "sampler.sides=before", "objectives.svd.exponent=0"]
    train(tmp_path / "corpus.txt", tmp_path / "run", "ppmi-svd", settings)
    vectors = gloze.load(tmp_path / "run")
    # Only x and y have words before them; these are in the other set.
    assert np.linalg.norm(vectors["a"]) < 1e-6 < 0.5 < np.linalg.norm(vectors["x"])
    context = vectors.context[[vectors.row(word) for word in "abcdx"]]
    assert float(context[0] @ context[1]) > 0.1
    assert abs(float(context[0] @ context[2])) < 1e-6
    assert np.linalg.norm(context[4]) < 1e-6


def test_what_goes_with_encoders_alone_is_refused(corpus, tmp_path):
    with pytest.raises(ConfigError, match="--init-embeddings goes with encoders"):
        train(corpus, tmp_path / "run", init_embeddings=tmp_path)
    with pytest.raises(ConfigError, match=r"--segmenter goes .* tokenizer\.split=jieba"):
        train(corpus, tmp_path / "run", segmenter="jieba")
    with pytest.raises(ConfigError, match="skip-gram trains word vectors, and an encoder is"):
        load_recipe("skip-gram")


def test_a_corpus_of_one_word_has_no_vectors(tmp_path):
    (tmp_path / "one.txt").write_text("a a a a\n\na a a a\n")
    with pytest.raises((ConfigError, DataError), match="two different words at least"):
        train(tmp_path / "one.txt", tmp_path / "run")


def test_numbers_that_are_not_finite_end_a_training(corpus, tmp_path):
    with pytest.raises(DivergedError, match=r"Lower training\.learning_rate"):
        train(corpus, tmp_path / "run", settings=["training.learning_rate=1e30"])


def test_they_begin_an_encoders_token_table(corpus, tmp_path):
    train(corpus, tmp_path / "vectors")
    settings = ["training.steps=1", "training.evaluations=0", "tokenizer.vocab_size=55"]
    sizes = ["encoder.hidden_size=12", "encoder.num_attention_heads=2", "sampler.max_length=16"]
    found = pretrain(
        "bert-tiny", corpus=corpus, output=tmp_path / "run", settings=[*settings, *sizes],
        init_embeddings=tmp_path / "vectors",
    )  # fmt: skip
    assert found.steps == 1


def write_other(path):
    """Write sentences in which an old word and new ones stand together."""
    path.write_text("\n\n".join("A cat and an axolotl, an axolotl and a cat." for _ in range(90)))
    return path


@pytest.mark.parametrize("recipe", ["skip-gram", "cbow-hs", "glove"])
def test_a_training_goes_on_with_the_words_of_another_corpus(corpus, tmp_path, recipe):
    train(corpus, tmp_path / "first", recipe)
    old = gloze.load(tmp_path / "first")
    other = write_other(tmp_path / "other.txt")
    settings = ["training.learning_rate=1e-3"]
    with pytest.raises(ConfigError, match=r"hidden_size is 50, and the vectors of --init have 12"):
        train(other, tmp_path / "x", recipe, ["encoder.hidden_size=50"], init=tmp_path / "first")
    found = train(other, tmp_path / "more", recipe, settings, init=tmp_path / "first")
    new = gloze.load(tmp_path / "more")
    assert found.size == 12
    assert set(new.words) == {*old.words, "a", "and", "an", "axolotl", ","}
    # What the corpus has not is as it was, and counted as it was.
    for word in ("grey", "the"):
        np.testing.assert_array_equal(new[word], old[word])
        assert new.counts[new.row(word)] == old.counts[old.row(word)]
    assert new.counts[new.row("cat")] > old.counts[old.row("cat")]
    # What it has, has moved from where it was.
    assert 0 < np.abs(new["cat"] - old["cat"]).max() < 0.5
    assert float(new["cat"] @ old["cat"]) > 0.9 * float(old["cat"] @ old["cat"])
    if recipe != "cbow-hs":
        np.testing.assert_array_equal(new.context[new.row("grey")], old.context[old.row("grey")])
    train(corpus, tmp_path / "second", recipe, seed=5)
    with pytest.raises(DataError, match="not the init this run began with"):
        train(other, tmp_path / "more", recipe, settings, init=tmp_path / "second", resume=True)


def test_sums_of_vectors_are_taken_apart_to_go_on(corpus, tmp_path):
    made = {}
    for result in ("inner", "sum"):
        train(corpus, tmp_path / result, settings=[f"encoder.result={result}"])
        more = tmp_path / f"more-{result}"
        train(corpus, more, init=tmp_path / result)
        made[result] = gloze.load(more)
    np.testing.assert_allclose(made["inner"].vectors, made["sum"].vectors, atol=1e-4)


def test_it_goes_on_from_the_files_of_others(corpus, tmp_path):
    first = train(corpus, tmp_path / "first")
    gloze.convert_vectors(first.model, tmp_path / "v.txt", form="text")
    found = train(corpus, tmp_path / "more", init=tmp_path / "v.txt")
    assert found.losses[0] < first.losses[0]


def test_words_written_like_special_tokens_are_left_out_and_told(corpus, tmp_path, capsys):
    lines = ["[UNK] 1 2", "[MASK] 3 4", "cat 5 6"]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n")
    settings = [each for each in [*SMALL, *WORD2VEC] if "hidden_size" not in each]
    pretrain("cbow", corpus=corpus, output=tmp_path / "run", settings=settings,
             init=tmp_path / "v.txt")  # fmt: skip
    assert "[UNK]" not in gloze.load(tmp_path / "run")
    told = capsys.readouterr().err
    assert "2 words written like special tokens are left out" in told
    assert "2 old words are not in this vocabulary, and left out" in told


def test_noise_may_be_drawn_by_the_rarest(corpus, tmp_path):
    powers = [
        train(corpus, tmp_path / str(power), settings=[f"objectives.skipgram.noise_power={power}"])
        for power in (-1, 0.75)
    ]
    assert powers[0].losses != powers[1].losses


def test_tokenizers_with_special_tokens_elsewhere_are_refused_at_once(
    corpus, tmp_path, shared_data
):
    path = shared_data / "vocab" / "bert-base-uncased-vocab.txt"
    with pytest.raises(ConfigError, match="are not its first ones"):
        pretrain("cbow", corpus=corpus, tokenizer=path, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
