"""Tasks on language models of LSTMs: every way of transfer, from file to file."""

from __future__ import annotations

import pytest
import torch

import gloze
from gloze.checkpoint import load_any_parts, load_task, save_model
from gloze.core.errors import ConfigError
from gloze.core.tensor_file import map_arrays
from gloze.encoders.lstm import LSTMConfig
from gloze.nn.pooling import last_of_sequence, pool
from gloze.training.learner import Learner
from tests import small
from tests.verbs import labelled, test_span, test_tagging

FAST = (*labelled.FAST, "training.epochs=6", "training.learning_rate=2e-2")
# What a frozen encoder of random weights makes of words is hard to read.
LONGER = ["training.epochs=25", "training.learning_rate=5e-3", "readout.lstm_dropout=0"]


def model_folder(path, direction):
    torch.manual_seed(5)
    tokenizer = small.tokenizer(143)
    sizes = {"embedding_size": 16, "hidden_size": 24, "direction": direction}
    encoder = LSTMConfig(**sizes).build(tokenizer.vocab_size)
    save_model(path / direction, Learner(encoder, []), tokenizer, card="# test\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recurrent")
    for direction in ("left_to_right", "right_to_left", "two_way"):
        model_folder(folder, direction)
    labelled.write_tsv(folder / "train.tsv", 64, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 24, seed=2)
    test_tagging.write_conll(folder / "train.conll", 80)
    test_tagging.write_conll(folder / "dev.conll", 30, seed=1)
    return folder


def run(data, output, direction, task="classification", **changes):
    suffix = "conll" if task == "tagging" else "tsv"
    settings = [*FAST, *changes.pop("settings", ())]
    return gloze.finetune(
        task,
        **{
            "model": data / direction,
            "train": data / f"train.{suffix}",
            "dev": data / f"dev.{suffix}",
            "output": output,
            "settings": settings,
            **changes,
        },
    )


def arrays(folder):
    return map_arrays(folder / "model" / "model.safetensors")


@pytest.mark.parametrize("transfer", ["full", "gradual", "frozen", "mix", "none"])
@pytest.mark.parametrize("direction", ["left_to_right", "two_way"])
def test_every_way_of_transfer_learns_and_is_judged_the_same_again(
    data, tmp_path, direction, transfer
):
    settings = LONGER if transfer in ("frozen", "mix") else []
    found = run(data, tmp_path / "run", direction, transfer=transfer, settings=settings)
    figures = found.best.figures["dev"]
    assert figures["accuracy"] > 0.8
    again = gloze.evaluate(found.path, data / "dev.tsv").figures["-"]
    assert again["accuracy"] == figures["accuracy"]
    assert again["loss"] == pytest.approx(figures["loss"], rel=1e-5)
    before, after = map_arrays(data / direction / "model.safetensors"), arrays(found.path)
    same = all(after[name].tobytes() == before[name].tobytes() for name in before)
    assert same == (transfer in ("frozen", "mix"))
    model = load_task(found.path)
    is_frozen = transfer in ("frozen", "mix")
    assert model.task.pooling == ("max" if is_frozen else "concat")
    assert model.readout.lstm_layers == is_frozen
    assert model.readout.combine == ("mix" if transfer == "mix" else "concatenate")
    assert model.predict(["the cat sees warm bread."])[0].label == "animal"


def test_a_chain_over_a_bilstm_over_both_language_models_finds_names(data, tmp_path):
    found = run(
        data,
        tmp_path / "run",
        "two_way",
        "tagging",
        transfer="frozen",
        settings=["task.crf=true", *LONGER],
    )
    assert found.best.figures["dev"]["f1"] > 0.8
    again = gloze.evaluate(found.path, data / "dev.conll").figures["-"]
    assert again["f1"] == found.best.figures["dev"]["f1"]


def test_questions_are_answered_from_states_of_both_directions(data, tmp_path):
    train = tmp_path / "train.json"
    test_span.squad(train, 8, 1)
    found = gloze.finetune(
        "span", model=data / "two_way", train=train, dev=train, output=tmp_path / "run",
        settings=[*labelled.FAST, "training.steps=2", "task.max_length=80", "task.stride=8"],
    )  # fmt: skip
    assert gloze.evaluate(found.path, train).figures["-"]["f1"] == found.best.figures["dev"]["f1"]


@pytest.mark.parametrize("pooling", ["last", "concat", "mean", "max"])
def test_a_text_gives_the_same_whatever_stands_beside_it(data, tmp_path, pooling):
    settings = [f"task.pooling={pooling}", "training.steps=2"]
    found = run(data, tmp_path / "run", "two_way", settings=settings)
    model = load_task(found.path)
    texts = ["the cat sees warm bread.", "my sister", "a small dog likes the quiet garden."]
    together = [each.probabilities for each in model.predict(texts)]
    for text, expected in zip(texts, together, strict=True):
        assert model.predict([text])[0].probabilities == pytest.approx(expected, abs=1e-5)


def test_the_last_state_is_where_each_direction_has_read_all():
    batch = small.batch_of([1, 2, 3], [4, 5])
    hidden = torch.arange(20.0).view(5, 4)
    both = ("left_to_right", "right_to_left")
    assert last_of_sequence(hidden, batch, ("left_to_right",)).tolist() == [
        [8, 9, 10, 11], [16, 17, 18, 19],
    ]  # fmt: skip
    assert last_of_sequence(hidden, batch, ("right_to_left",)).tolist() == [
        [0, 1, 2, 3], [12, 13, 14, 15],
    ]  # fmt: skip
    assert last_of_sequence(hidden, batch, both).tolist() == [[8, 9, 2, 3], [16, 17, 14, 15]]
    # Of two layers side by side each has its halves.
    assert last_of_sequence(hidden, batch, both * 2).tolist() == [[8, 1, 10, 3], [16, 13, 18, 15]]
    assert pool(hidden, batch, "concat", both)[1].tolist() == [
        *[16, 17, 14, 15], *[16, 17, 18, 19], *[14, 15, 16, 17],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["task.pooling=pooler"], r"Set task\.pooling to cls, mean or last"),
        (["encoder.attention_probs_dropout_prob=0.1"], "a lstm encoder has embedding_dropout_prob"),
        (["readout.layers=[0,1]", "readout.combine=sum"], r"are of different sizes: 16, 24"),
        (["readout.layers=[7]"], r"readout\.layers names 7; the model has hidden states 0"),
    ],
)
def test_what_an_encoder_of_lstms_has_not_is_refused(data, tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        run(data, tmp_path / "run", "left_to_right", settings=settings)
    assert not (tmp_path / "run").exists()


def test_its_dropout_is_set_by_name(data, tmp_path):
    settings = ["encoder.weight_dropout_prob=0.3", "training.steps=1"]
    found = run(data, tmp_path / "run", "left_to_right", settings=settings)
    assert load_any_parts(found.path).encoder.config.weight_dropout_prob == 0.3
