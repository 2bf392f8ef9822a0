"""Ways of transfer and what goes with them: mixes, LSTMs, unfreezing, word vectors, stopping."""

import json
import re

import pytest
import torch

from gloze import cli
from gloze.checkpoint import load_tensors
from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.encoders.transformer import TransformerEncoder
from gloze.recipes.finetuning import finetuning, load_finetuning
from gloze.tokenizers import load_tokenizer
from gloze.training.log import read_metrics
from gloze.training.loop import Trainer
from gloze.verbs.finetune import finetune
from gloze.verbs.pretrain import pretrain
from tests import small
from tests.verbs import labelled

WORDS = "bert.embeddings.word_embeddings.weight"
# A head on a random encoder has to be taken far.
FAST_HEAD = ("training.epochs=12", "training.learning_rate=0.03")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    labelled.model_folder(folder / "model")
    labelled.write_tsv(folder / "train.tsv", 64, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 24, seed=2)
    return folder


def run(data, output, **changes):
    settings = [*labelled.FAST, *changes.pop("settings", ())]
    return finetune(
        "classification",
        **{
            "model": data / "model",
            "train": data / "train.tsv",
            "dev": data / "dev.tsv",
            "output": output,
            "settings": settings,
            **changes,
        },
    )


def test_held_out_examples_are_not_counted_in_tokens():
    with pytest.raises(ConfigError, match=r"training\.evaluation_tokens does nothing here"):
        load_finetuning(None, ["training.evaluation_tokens=8"], task="span", hidden_size=8)


def weights(folder):
    return load_tensors(folder / "model" / "model.safetensors")


def encoder_is_untouched(data, output):
    before, after = load_tensors(data / "model" / "model.safetensors"), weights(output)
    names = [name for name in before if name.startswith("bert.")]
    return all(torch.equal(before[name], after[name]) for name in names)


def test_a_mix_learns_shares_of_all_layers_and_says_them(data, tmp_path):
    settings = [*FAST_HEAD, "training.epochs=40", "training.batch_size=16"]
    found = run(data, tmp_path / "run", transfer="mix", settings=settings)
    assert found.best.figures["dev"]["accuracy"] > 0.9
    assert encoder_is_untouched(data, found.path)
    mix = json.loads((found.path / "results.json").read_text())["seeds"][0]["mix"]
    # The embeddings and two layers.
    assert list(mix["shares"]) == ["0", "1", "2"]
    assert sum(mix["shares"].values()) == pytest.approx(1)
    assert max(mix["shares"].values()) - min(mix["shares"].values()) > 1e-3
    assert mix["gamma"] != 1
    line = f"Mix of layers, seed 0: 0: {mix['shares']['0']:.3f}, 1: {mix['shares']['1']:.3f}"
    assert line in str(found)
    assert line in found.report.read_text(encoding="utf-8")
    assert cli.main(["evaluate", str(found.path), "--data", str(data / "dev.tsv")]) == 0


def test_a_bilstm_over_frozen_features_learns_and_is_loaded_again(data, tmp_path):
    settings = [
        *("readout.layers=[-2, -1]", "readout.combine=sum", *FAST_HEAD),
        *("readout.lstm_layers=2", "readout.lstm_size=8", "task.pooling=mean"),
    ]
    found = run(data, tmp_path / "run", transfer="frozen", settings=settings)
    assert found.best.figures["dev"]["accuracy"] > 0.9
    assert encoder_is_untouched(data, found.path)
    again, first = found.evaluate(data / "dev.tsv"), found.best.figures["dev"]
    assert again["confusion"] == first["confusion"]
    assert again["loss"] == pytest.approx(first["loss"])
    names = [name for name in weights(found.path) if "lstm" in name]
    assert len(names) == 2 * 8


def test_gradual_unfreezing_ends_with_all_weights_trained(data, tmp_path):
    keep = ["training.epochs=3", "training.unfreeze_epochs=0.5"]
    found = run(data, tmp_path / "run", transfer="gradual", settings=keep)
    before, after = load_tensors(data / "model" / "model.safetensors"), weights(found.path)
    parts = ("embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight")
    for name in (f"bert.{part}" for part in parts):
        assert not torch.equal(before[name], after[name])


def test_gradual_unfreezing_takes_one_part_an_epoch_and_two_epochs_for_all():
    training = finetuning("classification", "gradual", 384, 6).training
    # The head alone, six layers, the embeddings: eight epochs until all train.
    assert training.unfreeze_epochs == 1
    assert training.epochs == 9
    assert training.layerwise_lr_decay == pytest.approx(1 / 2.6)
    assert training.schedule == "slanted_triangular"


@pytest.mark.parametrize("transfer", ["mix", "gradual"])
def test_every_way_goes_on_exactly(data, tmp_path, monkeypatch, transfer):
    settings = ["training.save_every=3", "training.keep_best=true", "training.evaluations=4"]
    whole = run(data, tmp_path / "whole", transfer=transfer, settings=settings)
    original = Trainer.step

    def stopped(trainer, step):
        if trainer.state.step == 7:
            raise StoppedError("here", 75)
        return original(trainer, step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stopped)
        with pytest.raises(StoppedError):
            run(data, tmp_path / "again", transfer=transfer, settings=settings)
    again = run(data, tmp_path / "again", transfer=transfer, settings=settings, resume=True)
    one, other = weights(whole.path), weights(again.path)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.best.figures == again.best.figures


def test_the_best_weights_by_the_metric_of_the_task_are_kept_and_training_stops_early(
    data, tmp_path
):
    settings = ["training.epochs=20", "training.evaluations=20", "training.patience=2"]
    found = run(data, tmp_path / "run", settings=[*settings, "training.keep_best=true"])
    rows = list(read_metrics(found.path / "metrics.jsonl"))
    dev = [row for row in rows if row.get("split")]
    assert len(dev) < 20
    best = max(row["accuracy"] for row in dev)
    assert [row["accuracy"] for row in dev[-2:]] <= [best, best]
    assert dev[-3]["accuracy"] == best
    assert found.best.figures["dev"]["accuracy"] == pytest.approx(best)
    assert found.best.steps == dev[-1]["step"]


def test_stopping_early_without_a_dev_file_is_refused(data, tmp_path):
    with pytest.raises(ConfigError, match=r"training.patience goes by held-out figures.*--dev"):
        run(data, tmp_path / "run", dev=None, settings=["training.patience=1"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("transfer", "change", "message"),
    [
        ("mix", "freeze=['encoder.pooler']", "freeze does nothing here: the whole encoder is froz"),
        ("mix", "training.unfreeze_epochs=1", "training.unfreeze_epochs does nothing here"),
        ("frozen", "training.gradient_checkpointing=true", "gradient_checkpointing does nothing"),
        ("mix", "readout.combine=sum", "readout.combine is 'sum', and --transfer mix learns"),
        ("gradual", "training.unfreeze_epochs=none", "is --transfer full: give that"),
        (
            "full",
            "task.kind=regression",
            "recipe is of the task 'regression', not 'classification'",
        ),
        ("full", "seed=-1", "seed is -1; it must not be negative"),
        (
            "frozen",
            "readout.combine=sum",
            "readout.combine=sum is of several layers, and readout.lay",
        ),
        (
            "mix",
            "readout.layers=[0]",
            r"readout.combine=mix is of several.*names 0 alone: name more",
        ),
    ],
)
def test_settings_that_do_nothing_or_cannot_be_are_refused(transfer, change, message):
    with pytest.raises(ConfigError, match=message):
        load_finetuning(None, [change], task="classification", transfer=transfer, hidden_size=384)


def write_vectors(path, words, size=32, seed=0):
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(words), size, generator=draw)
    rows = zip(words, vectors.tolist(), strict=True)
    path.write_text("".join(f"{word} {' '.join(map(str, v))}\n" for word, v in rows))
    return vectors


def test_word_vectors_are_what_the_token_table_begins_with(data, tmp_path, capsys):
    words = ["the", "cat", "sister", "zebra"]
    vectors = write_vectors(tmp_path / "v.txt", words)
    changes = {"transfer": "frozen", "init_embeddings": tmp_path / "v.txt"}
    found = run(data, tmp_path / "run", **changes)
    tokenizer = small.tokenizer(143)
    known = [word for word in words if tokenizer.token_id(word) is not None]
    assert f"vectors for {len(known)} of " in capsys.readouterr().err
    table, before = (
        weights(found.path)[WORDS],
        load_tensors(data / "model/model.safetensors")[WORDS],
    )
    for word, vector in zip(words, vectors, strict=True):
        if word in known:
            row = table[tokenizer.token_id(word)]
            assert torch.cosine_similarity(row, vector, dim=0) > 0.9999
    ids = [tokenizer.token_id(word) for word in known]
    others = [i for i in range(len(table)) if i not in ids]
    assert torch.equal(table[others], before[others])
    write_vectors(tmp_path / "v.txt", words, seed=1)
    with pytest.raises(DataError, match="not the init_embeddings this run began with"):
        run(data, tmp_path / "run", **changes, resume=True)


@pytest.mark.parametrize(("name", "reason"), [("none.txt", "no such file"), (".", "not a file")])
def test_word_vectors_that_are_not_there_are_refused_and_leave_nothing(
    data, tmp_path, name, reason
):
    with pytest.raises(DataError, match=reason):
        run(data, tmp_path / "run", init_embeddings=data / name)
    assert not (tmp_path / "run").exists()


def test_the_control_has_the_word_vectors_too(data, tmp_path):
    [vector] = write_vectors(tmp_path / "v.txt", ["the"])
    still = ["training.learning_rate=1e-9"]
    changes = {"transfer": "none", "init_embeddings": tmp_path / "v.txt", "settings": still}
    row = weights(run(data, tmp_path / "run", **changes).path)[WORDS]
    found = row[small.tokenizer(143).token_id("the")]
    assert torch.cosine_similarity(found, vector, dim=0) > 0.999


def logged(folder):
    return [row["loss"] for row in read_metrics(folder / "metrics.jsonl")]


@pytest.mark.parametrize(
    ("transfer", "settings"),
    [
        ("frozen", ["readout.layers=[-2, 0]", "readout.combine=sum"]),
        ("frozen", ["readout.lstm_layers=1", "readout.lstm_size=4", "training.batch_size=5"]),
        ("mix", ["task.long_text=windows", "task.max_length=8"]),
    ],
)
def test_features_kept_for_all_epochs_are_those_of_every_epoch(
    data, tmp_path, monkeypatch, transfer, settings
):
    calls, original = [], TransformerEncoder.forward

    def counted(encoder, batch):
        calls.append(1)
        return original(encoder, batch)

    monkeypatch.setattr(TransformerEncoder, "forward", counted)
    settings = [*settings, "training.epochs=4"]
    kept = run(data, tmp_path / "kept", transfer=transfer, settings=settings)
    # Once for train and dev each, and for the figures at the end.
    assert len(calls) == 3
    settings = [*settings, "feature_cache_gb=0"]
    anew = run(data, tmp_path / "anew", transfer=transfer, settings=settings)
    assert len(calls) > 20
    assert logged(kept.path) == pytest.approx(logged(anew.path), abs=1e-5)
    one, other = weights(kept.path), weights(anew.path)
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)
    if transfer == "mix":
        assert kept.best.mix["shares"] == pytest.approx(anew.best.mix["shares"], abs=1e-4)


def test_features_over_the_memory_allowed_are_computed_anew(data, tmp_path, capsys):
    run(data, tmp_path / "run", transfer="frozen", settings=["feature_cache_gb=1e-5"])
    pattern = r"Features of \d+ tokens would take 0.0 GB, so they are computed anew each epoch"
    assert re.search(pattern, capsys.readouterr().err)
    with pytest.raises(ConfigError, match=r"feature_cache_gb is -1.0; it must not be negative"):
        run(data, tmp_path / "none", settings=["feature_cache_gb=-1.0"])


def test_a_pre_training_begins_with_word_vectors_too(tmp_path):
    [vector] = write_vectors(tmp_path / "v.txt", ["the"])
    shards = small.write_shards(tmp_path / "shards")
    # No step: the model is what it begins with.
    config = small.recipe("training.steps=0")
    vectors = {"init_embeddings": tmp_path / "v.txt"}
    found = pretrain(config, shards=shards, output=tmp_path / "run", **vectors)
    table = load_tensors(found.model / "model.safetensors")[WORDS]
    row = table[load_tokenizer(found.model).token_id("the")]
    assert torch.cosine_similarity(row, vector, dim=0) > 0.9999
    with pytest.raises(DataError, match="not the init_embeddings this run began with"):
        pretrain(config, shards=shards, output=tmp_path / "run", resume=True)
