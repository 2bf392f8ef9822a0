"""Tasks on word vectors: a BiLSTM over the table, from file to file."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gloze
from gloze import cli
from gloze.checkpoint import load_any_parts, load_task
from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.core.manifest import sha256
from gloze.core.tensor_file import map_arrays
from gloze.interop.vector_tables import write_table
from gloze.training.loop import Trainer
from gloze.vectors.folder import load_vectors, save_vectors
from tests import small
from tests.vectors.small import table
from tests.verbs import labelled, test_span, test_tagging, test_tasks

WORDS = sorted(
    {
        word
        for text in [*small.SUBJECTS, *small.VERBS, *small.OBJECTS, "who", "."]
        for word in text.split()
    }
)
FAST = (*labelled.FAST, "training.epochs=6", "training.learning_rate=2e-2")
ONE_STEP = (*labelled.FAST, "training.steps=1")


def vectors_folder(path):
    counts = np.arange(len(WORDS))
    idf = np.ones(len(WORDS), np.float32)
    save_vectors(path, table(WORDS, 16, counts=counts, idf=idf))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    vectors_folder(folder / "vectors")
    labelled.write_tsv(folder / "train.tsv", 64, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 24, seed=2)
    test_tagging.write_conll(folder / "train.conll", 80)
    test_tagging.write_conll(folder / "dev.conll", 30, seed=1)
    return folder


def run(data, output, task="classification", **changes):
    suffix = "conll" if task == "tagging" else "tsv"
    settings = [*FAST, *changes.pop("settings", ())]
    return gloze.finetune(
        task,
        **{
            "model": data / "vectors",
            "train": data / f"train.{suffix}",
            "dev": data / f"dev.{suffix}",
            "output": output,
            "settings": settings,
            **changes,
        },
    )


def arrays(folder):
    return map_arrays(folder / "model" / "model.safetensors")


def test_the_chain_over_a_bilstm_finds_names_through_the_command_line(data, tmp_path, capsys):
    call = ["finetune", "tagging", "--model", str(data / "vectors"), "-o", str(tmp_path / "run")]
    files = ["--train", str(data / "train.conll"), "--dev", str(data / "dev.conll")]
    settings = [x for each in (*FAST, "task.crf=true") for x in ("--set", each)]
    assert cli.main(["--json", *call, *files, *settings]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dev"]["f1"]["mean"] > 0.9
    figures = gloze.evaluate(tmp_path / "run", data / "dev.conll").figures["-"]
    assert figures["f1"] == told["dev"]["f1"]["mean"]
    output = ["-o", str(tmp_path / "out.conll")]
    assert cli.main(["predict", str(tmp_path / "run"), "--data", files[3], *output]) == 0
    answer = load_task(tmp_path / "run").predict([["the", "cat", "sees"]])[0]
    assert list(answer.tags) == ["B-ANI", "I-ANI", "O"]
    readout = load_task(tmp_path / "run").readout
    assert (readout.lstm_layers, readout.lstm_size) == (1, 16)


def test_full_changes_the_table_and_frozen_leaves_every_byte_of_it(data, tmp_path):
    before = sha256(data / "vectors" / "model.safetensors")
    begin = load_vectors(data / "vectors").vectors
    frozen = run(data, tmp_path / "frozen", transfer="frozen")
    full = run(data, tmp_path / "full")
    for found in (frozen, full):
        assert found.best.figures["dev"]["accuracy"] > 0.9
    assert arrays(frozen.path)["vectors"].tobytes() == begin.tobytes()
    moved = (arrays(full.path)["vectors"] != begin).any(axis=1)
    met = {word for path in ("train", "dev") for word in (data / f"{path}.tsv").read_text().split()}
    assert moved[WORDS.index("cat")]
    # "who" is in no text, and keeps its row.
    assert "who" not in met
    assert not moved[WORDS.index("who")]
    assert sha256(data / "vectors" / "model.safetensors") == before


def test_none_is_the_same_network_from_a_random_table(data, tmp_path):
    none = run(data, tmp_path / "none", transfer="none", settings=ONE_STEP)
    full = run(data, tmp_path / "full", settings=ONE_STEP)
    shapes = [{name: x.shape for name, x in arrays(each.path).items()} for each in (none, full)]
    assert shapes[0] == shapes[1]
    random = arrays(none.path)["vectors"]
    begin = load_vectors(data / "vectors").vectors
    assert abs(np.corrcoef(random.ravel(), begin.ravel())[0, 1]) < 0.2


def test_the_bilstm_can_be_left_out(data, tmp_path):
    bare = run(data, tmp_path / "run", settings=["readout.lstm_layers=0"])
    assert bare.best.figures["dev"]["accuracy"] > 0.9
    assert not any("lstm" in name for name in arrays(bare.path))
    again = gloze.evaluate(bare.path, data / "dev.tsv").figures["-"]
    assert again["loss"] == bare.best.figures["dev"]["loss"]


def test_a_tuned_run_is_word_vectors_as_well(data, tmp_path):
    full = run(data, tmp_path / "run", seeds=2, settings=ONE_STEP)
    vectors = gloze.load(full.path)
    assert list(vectors.words) == WORDS
    assert (vectors.counts.tolist(), vectors.idf.tolist()) == (
        list(range(len(WORDS))),
        [1.0] * len(WORDS),
    )
    best = full.path / f"seed-{full.best_seed}" / "model"
    assert json.loads((best / "config.json").read_text())["architectures"] == ["LookupEncoder"]
    np.testing.assert_array_equal(vectors.vectors, load_vectors(best).vectors)
    # And may begin another task.
    again = run(data, tmp_path / "again", model=full.path, transfer="frozen", settings=ONE_STEP)
    assert arrays(again.path)["vectors"].tobytes() == vectors.vectors.tobytes()


@pytest.mark.parametrize("form", ["text", "binary", "glove"])
def test_a_file_of_others_gives_what_a_folder_of_ours_gives(data, tmp_path, form):
    path = tmp_path / "v.vec"
    write_table(load_vectors(data / "vectors"), path, form)
    theirs = run(data, tmp_path / "theirs", model=path, settings=ONE_STEP)
    ours = run(data, tmp_path / "ours", settings=ONE_STEP)
    for name in ("vectors", "special", "heads.classification.output.weight"):
        np.testing.assert_array_equal(arrays(theirs.path)[name], arrays(ours.path)[name])


@pytest.mark.parametrize("kind", [*test_tasks.MAKERS, "span", "pairs"])
def test_every_task_is_learned_and_answers_the_same_once_loaded(data, tmp_path, kind):
    settings = [*ONE_STEP]
    if kind == "span":
        files = [test_span.squad(tmp_path / f"{n}.json", 12, n) for n in (1, 2)]
        settings += ["task.max_question=8", "task.stride=12", "task.max_answer=4"]
    elif kind == "pairs":
        files = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
        for seed, path in enumerate(files):
            rows = [
                {"text_a": text, "text_b": "the cat", "label": label}
                for text, label in labelled.rows(12, seed)
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        files = [test_tasks.write(kind, tmp_path / f"{n}.jsonl", 12, n) for n in (1, 2)]
    task = "classification" if kind == "pairs" else kind
    found = run(data, tmp_path / "run", task, train=files[0], dev=files[1], settings=settings)
    again = gloze.evaluate(found.path, files[1]).figures["-"]
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(found.best.figures["dev"]))


@pytest.mark.parametrize(
    ("transfer", "freeze"),
    [
        *(("full", []), ("frozen", []), ("none", []), ("gradual", [])),
        ("none", ["encoder.word_embeddings"]),
    ],
)
def test_a_stopped_run_resumes_to_the_same_bytes(data, tmp_path, monkeypatch, transfer, freeze):
    more = {"transfer": transfer, "settings": [f"freeze={json.dumps(freeze)}"]}
    whole = run(data, tmp_path / "whole", **more)
    step, count = Trainer.step, []

    def stop_at_11(trainer, batch):
        count.append(0)
        if len(count) == 11:
            trainer.save()
            raise StoppedError("stopped", 75)
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "step", stop_at_11)
    with pytest.raises(StoppedError):
        run(data, tmp_path / "cut", **more)
    monkeypatch.setattr(Trainer, "step", step)
    kept = map_arrays(next((tmp_path / "cut").glob("checkpoints/*/model.safetensors")))
    # A table that does not train is copied into no checkpoint.
    assert ("encoder.word_embeddings.weight" in kept) == (transfer != "frozen" and not freeze)
    resumed = run(data, tmp_path / "cut", **more, resume=True)
    one, two = (sha256(each.path / "model" / "model.safetensors") for each in (whole, resumed))
    assert one == two


def test_other_vectors_under_the_same_name_are_not_resumed_on(data, tmp_path):
    folder = vectors_folder(tmp_path / "v")
    run(data, tmp_path / "run", model=folder, settings=ONE_STEP)
    save_vectors(folder, table(WORDS, 16, seed=7), force=True)
    with pytest.raises(DataError, match="not the model this run began with"):
        run(data, tmp_path / "run", model=folder, settings=ONE_STEP, resume=True)


def test_a_cross_validation_and_a_search_go_as_with_encoders(data, tmp_path):
    folds = run(data, tmp_path / "folds", folds=2, dev=None, settings=ONE_STEP)
    assert len(folds.seeds) == 2
    space = "readout.lstm_size=8,12"
    found = run(data, tmp_path / "search", search=space, settings=ONE_STEP)
    assert len(found.trials) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transfer": "mix"}, "of --transfer mix give frozen"),
        ({"settings": ["readout.layers=[0, 1]"]}, "readout.layers names 1"),
        ({"settings": ["encoder.hidden_dropout_prob=0.1"]}, "word vectors has no dropout"),
        ({"settings": ["training.gradient_checkpointing=true"]}, "word vectors have no layers"),
        ({"settings": ["task.pooling=pooler"]}, "Set task.pooling to"),
        ({"search": "grid"}, "the published grid is for Transformers"),
    ],
)
def test_what_is_about_layers_is_refused(data, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        run(data, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_word_vectors_are_given_once(data, tmp_path):
    with pytest.raises(ConfigError, match="give one of them"):
        run(data, tmp_path / "run", init_embeddings=data / "vectors")


def test_verbs_that_need_an_encoder_refuse_vectors_and_what_was_tuned_of_them(
    data, tmp_path, capsys
):
    tuned = run(data, tmp_path / "run", settings=ONE_STEP).path
    path = tmp_path / "v.txt"
    write_table(load_vectors(data / "vectors"), path, "text")
    capsys.readouterr()
    corpus = ["--corpus", str(data / "dev.tsv")]
    for model in (data / "vectors", tuned, path):
        for call in (
            ["fill", str(model), "a [MASK]"],
            ["export", str(model), "-o", str(tmp_path / "x")],
            ["inspect", str(model)],
            ["pretrain", "bert-mini", "--init", str(model), *corpus, "-o", str(tmp_path / "x")],
        ):
            assert cli.main(call) == 2, call
            assert "an encoder is needed here" in capsys.readouterr().err
        assert not (tmp_path / "x").exists()


def test_vectors_without_a_task_answer_nothing(data, capsys):
    assert cli.main(["predict", str(data / "vectors"), "--data", "x", "-o", "y.tsv"]) == 3
    assert "not a model of a task" in capsys.readouterr().err


def test_a_table_in_half_precision_answers_as_it_is(data, tmp_path):
    tuned = run(data, tmp_path / "run", settings=ONE_STEP).path
    texts = ["the cat sees.", "my sister likes bread."]
    exact = load_task(tuned, precision="float32").predict(texts)
    assert load_task(tuned, precision="bfloat16").predict(texts) == exact


def test_unknown_words_are_the_mean_of_all_and_learned(data, tmp_path):
    parts = load_any_parts(run(data, tmp_path / "run").path)
    begin = load_any_parts(data / "vectors").encoder.special_embeddings.weight
    special = parts.encoder.special_embeddings.weight
    # [CLS] and [SEP] are read in every text, [PAD] and [MASK] in none.
    changed = (special != begin).any(dim=1).tolist()
    assert changed == [False, False, True, True, False]
