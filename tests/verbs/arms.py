"""Arms small enough to be trained in seconds, and what they are compared on."""

from __future__ import annotations

import json

import gloze
from gloze.config.toml import to_toml
from gloze.verbs import ablate_parts
from tests.small import recipe, write_shards
from tests.verbs import labelled
from tests.verbs.test_pretrain import write_corpus

FINETUNED = [*labelled.FAST, "training.learning_rate=1e-2"]
SHORT, SLOW = "sampler.max_length=16", "training.learning_rate=1e-4"
TOKENS = 1500


def write_data(folder):
    """Write shards, a corpus, a recipe and labelled files into a folder and return it."""
    write_shards(folder / "shards")
    tiny = to_toml(recipe("encoder.num_hidden_layers=1"))
    (folder / "tiny.toml").write_text(tiny, encoding="utf-8")
    labelled.write_tsv(folder / "train.tsv", 40, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 30, seed=2)
    labelled.write_tsv(folder / "test.tsv", 40, seed=3)
    write_corpus(folder / "corpus.txt", count=40)
    return folder


def task(data, *words, name="who"):
    files = " ".join(f"--{split} {data / split}.tsv" for split in ("train", "dev", "test"))
    return " ".join([f"{name}=classification {files}", *words])


def arms(data, *more):
    tiny = data / "tiny.toml"
    slow = f"--finetune-set {SLOW}"
    return [f"{tiny} --label tiny", f"{tiny} --label short --set {SHORT} {slow}", *more]


def run(data, output, names=None, **changes):
    given = {
        "shards": data / "shards",
        "tasks": task(data),
        "tokens": TOKENS,
        "finetune_settings": FINETUNED,
        "seeds": 2,
        **changes,
    }
    return gloze.ablate(arms(data) if names is None else names, output=output, **given)


def without_times(value):
    """Return results without what differs from one run to the other."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k != "seconds"}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def results(folder):
    return without_times(json.loads((folder / "results.json").read_text(encoding="utf-8")))


def forbid(monkeypatch, *names):
    def never(*args, **kwargs):
        raise AssertionError("done twice")

    for name in names:
        monkeypatch.setattr(ablate_parts, name, never)
