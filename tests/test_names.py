"""Models and recipes by the names Google's go by."""

import json
import shutil

import huggingface_hub
import pytest
import torch

from gloze.checkpoint import find_model, load_parts
from gloze.cli import main
from gloze.core.errors import ConfigError
from gloze.interop.google_bert import HUB_NAMES
from gloze.recipes import SIZES, load_recipe
from gloze.training.learner import Learner
from tests.interop.models import save_large
from tests.small import tokenizer

LAYERS, HIDDEN = (2, 4, 6, 8, 10, 12), (128, 256, 512, 768)
# Millions of parameters with the heads of pre-training, as published with the models.
MILLIONS = {
    2: (4.4, 9.7, 22.8, 39.2),
    4: (4.8, 11.3, 29.1, 53.4),
    6: (5.2, 12.8, 35.4, 67.5),
    8: (5.6, 14.4, 41.7, 81.7),
    10: (6.0, 16.0, 48.0, 95.9),
    12: (6.4, 17.6, 54.3, 110.1),
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of one model, which notes what it is asked for."""
    folder, asked = save_large(tmp_path / "cached"), []
    (folder / "manifest.json").unlink()

    def fetch(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.chdir(tmp_path)
    return folder, asked


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("bert-tiny", "google/bert_uncased_L-2_H-128_A-2"),
        ("bert-mini", "google/bert_uncased_L-4_H-256_A-4"),
        ("bert-small", "google/bert_uncased_L-4_H-512_A-8"),
        ("bert-medium", "google/bert_uncased_L-8_H-512_A-8"),
        ("uncased_L-6_H-768_A-12", "google/bert_uncased_L-6_H-768_A-12"),
        ("bert_uncased_L-10_H-128_A-2", "google/bert_uncased_L-10_H-128_A-2"),
        ("google/bert_uncased_L-4_H-256_A-4", "google/bert_uncased_L-4_H-256_A-4"),
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("cased_L-12_H-768_A-12", "google-bert/bert-base-cased"),
        ("chinese_L-12_H-768_A-12", "google-bert/bert-base-chinese"),
        ("wwm_cased_L-24_H-1024_A-16", "google-bert/bert-large-cased-whole-word-masking"),
        ("somebody/anything", "somebody/anything"),
    ],
)
def test_a_name_stands_for_its_repository(hub, name, repository):
    folder, asked = hub
    assert find_model(name) == folder
    [(first, patterns)] = asked
    assert first == repository
    assert "pytorch_model.bin" not in patterns
    load_parts(name)


def test_all_24_sizes_have_a_name_and_a_recipe():
    names = [f"uncased_L-{n}_H-{h}_A-{h // 64}" for n in LAYERS for h in HIDDEN]
    assert list(SIZES) == names
    assert {HUB_NAMES[name] for name in names} == {f"google/bert_{name}" for name in names}


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("place", range(4))
def test_a_size_has_the_published_number_of_parameters(layers, place):
    recipe = load_recipe(f"uncased_L-{layers}_H-{HIDDEN[place]}_A-{HIDDEN[place] // 64}")
    with torch.device("meta"):
        encoder = recipe.encoder.build(30522)
        objectives = [item.build(encoder, tokenizer()) for _, item in recipe.objectives.items()]
        count = sum(p.numel() for p in Learner(encoder, objectives).parameters())
    assert abs(count / 1e6 - MILLIONS[layers][place]) < 0.1


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("uncased_L-2_H-128_A-2", "bert-tiny"),
        ("uncased_L-4_H-256_A-4", "bert-mini"),
        ("uncased_L-4_H-512_A-8", "bert-small"),
        ("uncased_L-8_H-512_A-8", "bert-medium"),
        ("uncased_L-12_H-768_A-12", "bert-base"),
    ],
)
def test_a_size_with_a_short_name_is_the_same_recipe(name, short):
    one, other = load_recipe(name), load_recipe(short)
    assert (one.encoder, one.training) == (other.encoder, other.training)
    assert one.name == name


def test_the_rates_of_short_names_are_those_that_were_measured():
    shorts = {"bert-tiny": 1e-3, "bert-mini": 7e-4, "bert-small": 4e-4, "bert-medium": 3e-4}
    assert {name: load_recipe(name).training.learning_rate for name in shorts} == shorts


def test_the_deeper_and_the_wider_the_lower_the_rate():
    def rate(layers, hidden):
        name = f"uncased_L-{layers}_H-{hidden}_A-{hidden // 64}"
        return load_recipe(name).training.learning_rate

    for hidden in HIDDEN:
        rates = [rate(layers, hidden) for layers in LAYERS]
        assert rates == sorted(rates, reverse=True)
    for layers in LAYERS:
        rates = [rate(layers, hidden) for hidden in HIDDEN]
        assert rates == sorted(rates, reverse=True)


def test_recipes_lists_the_sizes(capsys):
    assert main(["recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sizes"] == list(SIZES)
    assert main(["recipes"]) == 0
    assert "uncased_L-2_H-128_A-2 ... uncased_L-12_H-768_A-12" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="Did you mean 'uncased_L-6_H-256_A-4'"):
        load_recipe("uncased_L-6_H-256_A-5")


def test_a_local_folder_goes_before_a_name(hub, tmp_path):
    folder, asked = hub
    shutil.copytree(folder, tmp_path / "bert-mini")
    assert find_model("bert-mini").resolve() == tmp_path / "bert-mini"
    assert not asked


def test_what_is_published_in_the_old_format_alone_is_fetched_so(hub):
    folder, asked = hub
    (folder / "model.safetensors").unlink()
    find_model("bert-mini")
    assert [patterns == ["pytorch_model.bin"] for _, patterns in asked] == [False, True]


def test_without_a_network_one_message_names_the_repository_and_the_nearest(monkeypatch, capsys):
    def unreachable(name, allow_patterns):
        raise OSError("the hub cannot be reached\nsecond line")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    assert main(["fill", "bert-mini", "a [MASK]"]) == 2
    said = capsys.readouterr().err
    assert "bert-mini (google/bert_uncased_L-4_H-256_A-4): no such folder" in said
    assert "(the hub cannot be reached)" in said
    with pytest.raises(ConfigError, match="Did you mean 'bert-base-uncased'"):
        find_model("bert-base-uncase")
