"""Evaluating a pre-trained run: the figures of its own objectives on other text."""

import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.verbs.evaluate import evaluate
from gloze.verbs.pretrain import pretrain
from tests import small


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    shards = small.write_shards(folder / "shards")
    return pretrain(small.recipe("training.steps=4"), shards=shards, output=folder / "run")


def test_held_out_shards_give_the_figures_of_the_end_of_training(pretrained):
    result = evaluate(pretrained.path, pretrained.path.parent / "shards", device="cpu")
    assert result.kind == "pretraining"
    for name, value in pretrained.figures.items():
        assert result.figures["-"][name] == pytest.approx(value, rel=1e-5)
    assert "mlm_perplexity" in str(result)


def test_a_corpus_is_encoded_for_the_occasion(pretrained, tmp_path):
    path = tmp_path / "text.txt"
    documents = ["\n".join(sentences) for sentences in small.documents(12, seed=4)]
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    figures = evaluate(pretrained.path, path, device="cpu").figures["-"]
    assert 0 < figures["mlm_loss"] < 6
    assert 0 <= figures["nsp_accuracy"] <= 1
    assert figures == evaluate(pretrained.path, path, device="cpu").figures["-"]


def test_what_cannot_be_judged_is_refused(pretrained, tmp_path):
    with pytest.raises(ConfigError, match="is not fine-tuned: --format"):
        evaluate(pretrained.path, tmp_path, format="sst2")
    with pytest.raises(DataError):
        evaluate(pretrained.path, tmp_path / "none.txt")
    with pytest.raises(ConfigError, match="holds no model"):
        evaluate(tmp_path, tmp_path / "none.txt")
