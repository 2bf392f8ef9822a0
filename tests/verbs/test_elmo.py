"""ELMo trained on a corpus: it learns, resumes to the byte, reads words it has never met."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import load_tensors, load_trained
from gloze.checkpoint.inference import load_language_model
from gloze.cli import main
from gloze.core.errors import ConfigError
from gloze.core.manifest import sha256
from gloze.recipes import load_recipe
from tests.small import documents

STEPS = 60
SMALL = [
    *("encoder.embedding_size=12", "encoder.hidden_size=24", "encoder.projection_size=12"),
    *("encoder.characters.filters=[[1, 4], [2, 8], [3, 12]]", "sampler.max_length=16"),
    *("training.tokens=none", f"training.steps={STEPS}", "training.batch_size=16"),
    *("training.learning_rate=0.01", "training.precision=float32", "training.device=cpu"),
    *("training.save_every=20", "training.evaluations=2", "objectives.lm.vocab_size=24"),
]
# Processes drop other numbers.
DETERMINED = [f"encoder.{name}_dropout_prob=0" for name in ("input", "hidden", "output")]


def train(output, corpus, *changes, **options):
    return gloze.pretrain(
        "elmo-small", corpus=corpus, output=output, settings=[*SMALL, *changes], **options
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    text = "\n\n".join("\n".join(document) for document in documents(120))
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    return train(tmp_path_factory.mktemp("elmo") / "run", corpus)


def test_it_learns_more_than_frequencies_both_ways(run):
    assert run.figures["lm_loss"] < run.unigram_loss - 0.3
    assert run.figures["lm_backward_loss"] < run.unigram_loss - 0.3
    assert len(load_tensors(run.model / "model.safetensors")["heads.lm.output.bias"]) == 24


def test_a_killed_run_ends_with_the_same_bytes(run, corpus, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / f"step-{STEPS:07d}")
    again = train(tmp_path / "run", corpus, resume=True)
    assert sha256(again.model / "model.safetensors") == sha256(run.model / "model.safetensors")


def test_judged_again_it_has_the_figures_of_its_training(run):
    again = gloze.evaluate(run.path, run.path / "shards").figures["-"]
    for name in ("lm_loss", "lm_backward_loss"):
        assert again[name] == pytest.approx(run.figures[name], rel=1e-5)


def test_words_it_has_never_met_differ_by_their_characters(run):
    model = gloze.load(run.path)
    texts = ["the cat sees zebras", "the cat sees zebra", "the cat sees warm"]
    one, other, known = model.features(texts, layers=(0, 1, 2), words=True)
    assert one.vectors.shape == (3, 4, 24)
    assert one.unknown == other.unknown == 0
    # The words before are read from the right too, from the second layer of the list on.
    np.testing.assert_array_equal(one.vectors[0, :3], other.vectors[0, :3])
    assert np.abs(one.vectors[0, 3] - other.vectors[0, 3]).max() > 1e-3
    assert np.abs(one.vectors[0, 3] - known.vectors[0, 3]).max() > 1e-3
    left, right = np.split(one.vectors[0, 3], 2)
    np.testing.assert_array_equal(left, right)


def test_a_known_word_is_what_its_entry_in_the_vocabulary_says(run):
    model, parts = gloze.load(run.path), load_trained(run.path)
    text = "my sister carries warm bread"
    ids = model.tokenizer.encode([text])[0]
    assert (ids != model.tokenizer.unk_id).all()
    sequence = torch.tensor([model.tokenizer.cls_id, *ids, model.tokenizer.sep_id])
    table = parts.encoder.embeddings
    found = model.features([text], layers=(0,))[0].vectors[0, :, :12]
    expected = table.cnn(table.spellings[sequence])[1:-1].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_marks_inside_a_word_part_it_and_each_part_is_read(run):
    model = gloze.load(run.path)
    first, mean = (
        model.features(["un-heard of"], layers=(0,), words=True, pieces=pieces)[0]
        for pieces in ("first", "mean")
    )
    tokens = model.features(["un-heard of"], layers=(0,))[0].vectors[0]
    assert first.pieces.tolist() == [3, 1]
    np.testing.assert_allclose(first.vectors[0], tokens[[0, 3]], atol=1e-6)
    np.testing.assert_allclose(mean.vectors[0, 0], tokens[:3].mean(0), atol=1e-6)


def test_vectors_of_words_go_to_a_file(run, tmp_path):
    text = tmp_path / "texts.txt"
    text.write_text("the cat sees\nzebras\n")
    output = tmp_path / "vectors.jsonl"
    assert main(["encode", str(run.path), "--input", str(text), "-o", str(output), "--words"]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["words"] for row in rows] == [["the", "cat", "sees"], ["zebras"]]
    assert np.array(rows[0]["vectors"]).shape == (3, 24)


def test_layers_of_different_sizes_are_only_laid_end_to_end(corpus, tmp_path):
    sizes = ["encoder.embedding_size=8", "encoder.projection_size=6"]
    run = train(tmp_path / "run", corpus, *sizes, "encoder.residual=false", "training.steps=2")
    model = gloze.load(run.path)
    assert model.features(["the cat"], layers=(0,))[0].vectors.shape == (1, 2, 16)
    joined = model.features(["the cat"], layers=(0, 1), combine="concat")[0].vectors
    assert joined.shape == (2, 16 + 12)
    with pytest.raises(ConfigError, match=r"vectors of 16, 12 numbers, which stack cannot put"):
        model.features(["the cat"], layers=(0, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["tokenizer.kind=wordpiece"], r"encoder\.characters reads words, .*tokenizer\.kind=words"),
        (
            ["tokenizer.kind=wordpiece", "encoder.characters=none"],
            r"objectives\.lm\.vocab_size keeps the most frequent words",
        ),
        (
            ["objectives.lm.vocab_size=none", "objectives.lm.tie_weights=true"],
            r"tie_weights scores with the token table, and encoder\.characters has none",
        ),
        (["encoder.characters.filter=[]"], r"Unknown setting in encoder\.characters\.filter"),
        (["encoder.characters.filters=[[1]]"], r"encoder\.characters\.filters"),
    ],
)
def test_recipes_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("elmo-small", changes)


def test_a_tokenizer_of_pieces_is_refused(corpus, tmp_path):
    gloze.learn_tokenizer(
        corpus, output=tmp_path / "pieces", config=gloze.TokenizerConfig(vocab_size=60)
    )
    with pytest.raises(ConfigError, match=r"encoder\.characters reads words"):
        train(tmp_path / "run", corpus, tokenizer=tmp_path / "pieces")


def test_word_vectors_have_no_table_to_go_to(corpus, tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text(
        "2 12\n" + "".join(f"{w} {' '.join(['0.1'] * 12)}\n" for w in ("the", "cat"))
    )
    with pytest.raises(ConfigError, match=r"no table of token vectors: .*--init-embeddings"):
        train(tmp_path / "run", corpus, init_embeddings=vectors)


def test_the_recipes_have_the_sizes_that_they_state():
    config = load_recipe("elmo")
    with torch.device("meta"):
        small, large = (load_recipe(n).encoder.build(10) for n in ("elmo-small", "elmo"))
    counts = [sum(p.numel() for p in model.parameters()) for model in (small, large)]
    assert [round(count / 1e5) for count in counts] == [59, 936]
    assert config.tokenizer.vocab_size * 513 == pytest.approx(407e6, rel=1e-2)
    assert counts[0] + 40_000 * 129 == pytest.approx(11_170_560, rel=0.05)


def test_one_way_with_a_small_output_it_writes_and_is_judged_without_its_run(corpus, tmp_path):
    run = train(tmp_path / "run", corpus, "encoder.direction=left_to_right")
    alone = tmp_path / "alone"
    shutil.copytree(run.model, alone)
    model = load_language_model(alone)
    assert len(model.heads["lm"].output.weight) == 24
    [samples] = gloze.generate(alone, ["the cat"], max_tokens=5, temperature=0).samples
    assert samples[0].text
    figures = gloze.evaluate(alone, corpus).figures["-"]
    assert figures["lm_loss"] < run.unigram_loss - 0.2


@pytest.mark.slow
def test_shared_out_over_two_processes_it_trains_as_alone(run, tmp_path):
    shards, changes = run.path / "shards", ["sampler.order=shuffled", "training.steps=6"]
    alone = gloze.pretrain(
        "elmo-small",
        shards=shards,
        output=tmp_path / "alone",
        settings=[*SMALL, *DETERMINED, *changes],
    )
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["-m", "gloze", "pretrain", "elmo-small", "--shards", str(shards)]
    words += ["-o", str(tmp_path / "run")]
    for change in [*SMALL, *DETERMINED, *changes, "training.parallel=sharded"]:
        words += ["--set", change]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    one, other = (
        load_tensors(x / "model" / "model.safetensors") for x in (alone.path, tmp_path / "run")
    )
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-3, atol=1e-4)
