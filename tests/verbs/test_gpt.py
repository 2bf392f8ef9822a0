"""GPT from text to a model: it learns, resumes exactly, is judged, and others read it."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import load_language_model, load_trained
from gloze.cli import main
from gloze.core.errors import ConfigError
from gloze.core.manifest import sha256
from gloze.data.shards import Shards
from gloze.inference.generation import GenerationConfig, generate
from gloze.inference.growing import Growing
from gloze.inference.likelihood import log_likelihoods
from gloze.verbs.evaluate import evaluate
from gloze.verbs.pretrain import pretrain
from tests.interop.test_gpt import SMALL
from tests.small import SUBJECTS, VERBS, documents, write_shards
from tests.verbs.test_nnlm import SMALL as SMALL_NNLM

STEPS = 120
SETTINGS = [
    *(change for change in SMALL if "initializer_range" not in change),
    *("encoder.num_hidden_layers=2", "training.tokens=none", f"training.steps={STEPS}"),
    *("training.batch_size=none", "training.batch_tokens=256", "training.learning_rate=1e-2"),
    *("training.warmup_rate=0.1", "training.precision=float32", "training.device=cpu"),
    *("training.evaluations=2", "training.save_every=40"),
]
# Texts one by one, as transformers reads them.
TEXTS = ["sampler.kind=text_block", "sampler.short_rate=0"]
RECIPES = {"gpt-small": "openai-gpt", "gpt2": "gpt2"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("data") / "shards", count=120)


def train(shards, output, name="gpt-small", *changes, **options):
    settings = [*SETTINGS, *(TEXTS if name in RECIPES else ()), *changes]
    return pretrain(name, shards=shards, output=output, settings=settings, **options)


@pytest.fixture(scope="module")
def runs(shards):
    return {name: train(shards, shards.parent / name, name) for name in RECIPES}


@pytest.mark.parametrize("name", RECIPES)
def test_it_learns_more_than_frequencies_and_is_saved_as_others_read_it(runs, name):
    done = runs[name]
    assert done.figures["lm_loss"] < done.unigram_loss - 0.5
    assert json.loads((done.model / "config.json").read_text())["model_type"] == RECIPES[name]
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(done.model).eval()
    text = "the cat sees the red house."
    tokens = transformers.AutoTokenizer.from_pretrained(done.model)(text, return_tensors="pt")
    ids = tokens.input_ids
    with torch.no_grad():
        loss = theirs(ids, labels=ids).loss.item()
    found = log_likelihoods(gloze.load(done.path), [text], with_end=True).sums[0]
    assert found == pytest.approx(-loss * (ids.shape[1] - 1), abs=1e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_is_judged_as_at_the_end_of_training_and_so_is_its_folder_alone(
    runs, name, shards, tmp_path, capsys
):
    done = runs[name]
    own = evaluate(done.path, shards, device="cpu").figures["-"]
    assert own["lm_loss"] == pytest.approx(done.figures["lm_loss"], rel=1e-5)
    shutil.copytree(done.model, tmp_path / "alone")
    capsys.readouterr()
    found = evaluate(tmp_path / "alone", shards, device="cpu").figures["-"]
    valid = Shards.open(shards, "valid")
    # Alone it is judged on the text as it runs on, with a [SEP] after each document.
    said = capsys.readouterr().err
    assert f"over {valid.num_tokens + valid.num_documents:,} tokens" in said
    assert found["lm_loss"] < own["lm_loss"] + 1
    assert found["lm_perplexity"] == pytest.approx(math.exp(found["lm_loss"]))


def test_a_run_resumed_ends_with_the_bytes_of_one_never_stopped(runs, shards, tmp_path):
    whole = runs["gpt-small"].path
    shutil.copytree(whole, tmp_path / "run")
    for path in ("model", f"checkpoints/step-{STEPS:07d}"):
        shutil.rmtree(tmp_path / "run" / path)
    train(shards, tmp_path / "run", resume=True)
    for path in ("model/model.safetensors", f"checkpoints/step-{STEPS:07d}/model.safetensors"):
        assert sha256(tmp_path / "run" / path) == sha256(whole / path)


@pytest.mark.parametrize("name", RECIPES)
def test_training_goes_on_from_a_model_with_its_sizes_and_its_output(runs, name, shards, tmp_path):
    done = train(
        shards, tmp_path / "run", name, "training.steps=1", "training.learning_rate=1e-9",
        init=runs[name].path,
    )  # fmt: skip
    before, after = load_trained(runs[name].path), load_trained(done.path)
    assert before.encoder.config == after.encoder.config
    assert done.figures["lm_loss"] == pytest.approx(runs[name].figures["lm_loss"], abs=1e-3)
    with pytest.raises(ConfigError, match="mlm objective fills blanks from both sides"):
        train(shards, tmp_path / "bert", "bert-tiny", init=runs[name].path)
    assert not (tmp_path / "bert").exists()


def test_what_it_writes_has_the_grammar_of_what_it_read(runs):
    found = gloze.generate(runs["gpt-small"].path, SUBJECTS, max_tokens=9, temperature=0)
    verbs = [text.text.split()[0] for [text] in found.samples]
    assert np.mean([verb in VERBS for verb in verbs]) > 0.6


def test_likely_sentences_are_likelier_than_shuffled_ones(runs):
    model = gloze.load(runs["gpt2"].path)
    good = ["the cat sees the red house.", "my sister likes warm bread."]
    bad = ["red cat the the house sees.", "bread likes my warm sister."]
    assert (log_likelihoods(model, good).sums > log_likelihoods(model, bad).sums).all()


@pytest.mark.parametrize(("kind", "starts"), [("stream", "[SEP]"), ("text_block", "[CLS]")])
def test_a_text_begins_with_what_stood_before_texts_in_training(shards, tmp_path, kind, starts):
    changes = [f"sampler.kind={kind}", "training.steps=1", "objectives.lm.bias=true"]
    changes += ["sampler.short_rate=none"] if kind == "stream" else []
    done = train(shards, tmp_path / "run", "gpt-small", *changes)
    values = json.loads((done.model / "config.json").read_text())
    model = gloze.load(done.path)
    assert model.tokenizer.tokens([values["bos_token_id"]]) == [starts]
    ids = np.r_[values["bos_token_id"], model.tokenizer.encode(["the cat"])[0]]
    scores = Growing(model, [ids[:-1]]).next()[0, ids[-1]]
    found = log_likelihoods(model, ["the cat"]).sums[0]
    first = log_likelihoods(model, [model.tokenizer.decode(ids[1:-1])]).sums[0]
    assert found - first == pytest.approx(scores.item(), abs=1e-4)


def test_an_lstm_writes_as_well(tmp_path, shards):
    done = pretrain(
        "lstm-lm", shards=shards, output=tmp_path / "run",
        settings=[
            *("encoder.embedding_size=16", "encoder.hidden_size=16", "training.epochs=none"),
            *("training.steps=2", "training.batch_size=4", "training.evaluations=0"),
        ],
    )  # fmt: skip
    [[text]] = gloze.generate(done.path, "the cat", max_tokens=3, temperature=0).samples
    assert 1 <= len(text.tokens) <= 3
    model = load_language_model(done.path)
    assert log_likelihoods(model, ["the cat"]).sums[0] < 0


def test_an_nnlm_writes_too_without_a_cache(tmp_path, capsys):
    texts = ["\n".join(sentences) for sentences in documents(300)]
    (tmp_path / "corpus.txt").write_text("\n\n".join(texts) + "\n")
    done = pretrain(
        "nnlm", corpus=tmp_path / "corpus.txt", output=tmp_path / "run", settings=SMALL_NNLM
    )
    words = ["generate", str(done.path), "the cat", "--max-tokens", "9", "--temperature", "0"]
    assert main(words) == 0
    assert capsys.readouterr().out.split()[2] in VERBS
    model = load_language_model(done.path)
    config = GenerationConfig(max_tokens=9, num_beams=3)
    [[best]], [[greedy]] = (
        generate(model, ["the cat"], each)
        for each in (config, GenerationConfig(max_tokens=9, temperature=0))
    )
    assert best.log_probability >= greedy.log_probability - 1e-6
    assert log_likelihoods(model, ["the cat sees"]).sums[0] < 0


def test_encoders_of_both_sides_that_no_layout_holds_are_ours_and_of_use(shards, tmp_path, capsys):
    small = [*SETTINGS, "training.steps=30", "encoder.norm_position=before"]
    small += ["encoder.initialization=published"]
    done = pretrain("bert-tiny", shards=shards, output=tmp_path / "run", settings=small)
    values = json.loads((done.model / "config.json").read_text())
    assert values["model_type"] == "gloze-encoder"
    assert evaluate(done.path, shards, device="cpu").figures["-"]["mlm_loss"] == pytest.approx(
        done.figures["mlm_loss"], rel=1e-5
    )
    assert main(["fill", str(done.path), "the [MASK] sees the house."]) == 0
    assert "[MASK] 1" in capsys.readouterr().out
    rows = [f"{line}\t{number % 2}" for text in documents(9) for number, line in enumerate(text)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    tuned = gloze.finetune(
        "classification", model=done.path, train=tmp_path / "train.tsv", output=tmp_path / "out",
        settings=["training.epochs=1", "task.max_length=32"],
    )  # fmt: skip
    assert tuned.predict(["the cat sees the red house."])


def test_a_gpt_is_fine_tuned_on_the_state_that_has_seen_the_whole_text(runs, tmp_path):
    rows = [f"{line}\t{int('cat' in line)}" for text in documents(30) for line in text]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    tuned = gloze.finetune(
        "classification", model=runs["gpt-small"].path, train=tmp_path / "train.tsv",
        dev=tmp_path / "train.tsv", output=tmp_path / "out",
        settings=["training.epochs=6", "task.max_length=32", "training.learning_rate=3e-3"],
    )  # fmt: skip
    task = gloze.load_task(tuned.path)
    assert task.task.pooling == "last"
    figures = evaluate(tuned.path, tmp_path / "train.tsv", device="cpu").figures
    assert next(iter(figures.values()))["accuracy"] > 0.9
    with pytest.raises(ConfigError, match=r"task\.pooling is pooler"):
        gloze.finetune(
            "classification", model=runs["gpt-small"].path, train=tmp_path / "train.tsv",
            output=tmp_path / "other", settings=["task.pooling=pooler", "task.max_length=32"],
        )  # fmt: skip
