"""Weights that a pre-training leaves as they begin: a table of word vectors."""

import json
import shutil

import numpy as np
import pytest
import torch

from gloze.checkpoint import load_tensors
from gloze.core.errors import ConfigError
from gloze.core.manifest import sha256
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, tokenizer, write_shards

TABLE = "encoder.embeddings.token_embeddings"
STILL = [f'freeze=["{TABLE}"]', "training.save_every=10", "training.keep_checkpoints=9"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("freeze")
    words = [word for word in tokenizer().tokens(np.arange(90)) if word.isalpha()]
    draw = np.random.default_rng(0)
    rows = [f"{word} {' '.join(map(str, draw.normal(size=32).round(3)))}" for word in words]
    (folder / "vectors.txt").write_text("\n".join(rows) + "\n")
    return {"shards": write_shards(folder / "shards"), "init_embeddings": folder / "vectors.txt"}


def table(path):
    return load_tensors(path / "model.safetensors")["bert.embeddings.word_embeddings.weight"]


def test_a_frozen_table_keeps_its_vectors_and_a_tuned_one_does_not(given, tmp_path):
    still = pretrain(recipe(*STILL), output=tmp_path / "still", **given)
    tuned = pretrain(recipe(*STILL[1:]), output=tmp_path / "tuned", **given)
    begin = pretrain(recipe("training.steps=0"), output=tmp_path / "begin", **given)
    assert torch.equal(table(still.model), table(begin.model))
    assert not torch.equal(table(tuned.model), table(begin.model))
    # What does not train is no part of a checkpoint, and a resumed run has it all the same.
    kept = load_tensors(still.path / "checkpoints" / "step-0000010" / "model.safetensors")
    assert f"{TABLE}.weight" not in kept
    shutil.copytree(still.path, tmp_path / "again")
    for name in ("checkpoints/step-0000020", "model"):
        shutil.rmtree(tmp_path / "again" / name)
    again = pretrain(recipe(*STILL), output=tmp_path / "again", resume=True, **given)
    files = [run.model / "model.safetensors" for run in (still, again)]
    assert sha256(files[0]) == sha256(files[1])
    assert json.loads((again.model / "config.json").read_text())["model_type"] == "bert"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ('["encoder.embedings"]', r"freeze: no weight is called 'encoder\.embedings'"),
        ('["*"]', r"freeze \* leaves no weight to train"),
    ],
)
def test_names_of_nothing_and_of_everything_are_refused(given, tmp_path, names, message):
    with pytest.raises(ConfigError, match=message):
        pretrain(recipe(f"freeze={names}"), output=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()
