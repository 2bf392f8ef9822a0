"""Training on with a domain's text: new words, where they begin, and who can read the model."""

import json

import numpy as np
import pytest
import torch

from gloze.checkpoint import load, load_parts, with_tokenizer
from gloze.core.errors import ConfigError, DataError
from gloze.core.manifest import sha256
from gloze.recipes import load_recipe
from gloze.tokenizers import load_tokenizer, with_words
from gloze.training.loop import Trainer
from gloze.verbs.pretrain import pretrain
from tests.small import documents, recipe, tokenizer, write_shards

SHORT = ["training.steps=4", "training.evaluations=0", "training.save_every=1"]
NEW = ["hydrogenation", "theremin", "quaternions"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_shards(folder / "shards")
    return pretrain(recipe(), shards=folder / "shards", output=folder / "run", settings=SHORT).path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("domain") / "corpus.txt"
    texts = []
    for number, sentences in enumerate(documents(40)):
        more = [f"{NEW[(number + i) % 3]} {word}." for i, word in enumerate(NEW * 3)]
        texts.append("\n".join([*sentences, *more]))
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def extended(model, corpus, output, number=3, **options):
    return pretrain(
        recipe(),
        corpus=corpus,
        init=model,
        extend_vocabulary=number,
        output=output,
        settings=SHORT,
        **options,
    )


def test_a_new_word_begins_as_the_mean_of_its_pieces(model):
    parts = load_parts(model)
    more = with_words(parts.tokenizer, NEW)
    new = with_tokenizer(parts, more)
    before, after = (p.encoder.token_embeddings.weight.detach() for p in (parts, new))
    assert torch.equal(after[:90], before)
    for number, word in enumerate(NEW, start=90):
        pieces = torch.tensor(parts.tokenizer.encode([word])[0]).long()
        assert len(pieces) > 1
        assert torch.allclose(after[number], before[pieces].mean(0), atol=1e-7)
        bias = parts.tensors["heads.mlm.output.bias"]
        own = new.tensors["heads.mlm.output.bias"]
        assert torch.allclose(own[number], bias[pieces].mean(), atol=1e-7)
    assert len(after) == len(own) == 93
    rest = {k: v for k, v in new.encoder.state_dict().items() if "token_embeddings" not in k}
    assert all(torch.equal(parts.encoder.state_dict()[k], v) for k, v in rest.items())


def test_a_real_model_keeps_its_vectors_and_uses_its_unused_rows(minilm):
    parts = load_parts(minilm)
    more = with_words(parts.tokenizer, ["immunohistochemistry", "tachyarrhythmia"])
    assert more.vocab_size == parts.tokenizer.vocab_size
    new = with_tokenizer(parts, more)
    ids, _ = more.encode(["immunohistochemistry"])
    assert parts.tokenizer.tokens(ids) == ["[unused0]"]
    table = parts.encoder.token_embeddings.weight
    pieces = torch.tensor(parts.tokenizer.encode(["immunohistochemistry"])[0]).long()
    assert torch.allclose(new.encoder.token_embeddings.weight[ids[0]], table[pieces].mean(0))
    kept = np.delete(np.arange(len(table)), [1, 2])
    assert torch.equal(new.encoder.token_embeddings.weight[kept], table[kept])


def test_a_run_learns_the_words_of_its_corpus_and_others_can_read_it(tmp_path, model, corpus):
    transformers = pytest.importorskip("transformers")
    done = extended(model, corpus, tmp_path / "run")
    own = load_tokenizer(done.model)
    assert own.tokens(range(90, 93)) == sorted(NEW, key=own.token_id)
    assert {own.token_id(word) for word in NEW} == {90, 91, 92}
    assert json.loads((done.model / "config.json").read_text())["vocab_size"] == 93
    assert len((done.model / "vocab.txt").read_text().splitlines()) == 93
    assert load_recipe(tmp_path / "run" / "recipe.toml").tokenizer.vocab_size == 93
    theirs = transformers.AutoTokenizer.from_pretrained(done.model)
    google = transformers.BertTokenizer(str(done.model / "vocab.txt"))
    text = "The Theremin hydrogenation's quaternions, theremins; the cat sees thereminx."
    ids = own.encode([text])[0].tolist()
    assert theirs(text, add_special_tokens=False)["input_ids"] == ids
    assert google(text, add_special_tokens=False)["input_ids"] == ids
    assert own.token_id("theremin") in ids
    other = transformers.BertForPreTraining.from_pretrained(done.model)
    mine = load(done.model)
    batch = theirs(text, return_tensors="pt")
    with torch.no_grad():
        scores = other(**batch).prediction_logits[0]
    assert scores.shape[1] == 93
    assert other.bert.embeddings.word_embeddings.weight.shape == (93, 32)
    assert torch.equal(
        other.bert.embeddings.word_embeddings.weight, mine.encoder.token_embeddings.weight
    )


def test_a_run_with_new_words_stopped_and_resumed_ends_with_the_same_bytes(
    tmp_path, model, corpus, monkeypatch
):
    whole = extended(model, corpus, tmp_path / "whole")
    original = Trainer.step

    def interrupted(trainer, data):
        if trainer.state.step == 2:
            raise KeyboardInterrupt
        return original(trainer, data)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            extended(model, corpus, tmp_path / "broken")
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab_size was 93 and is now 92"):
        extended(model, corpus, tmp_path / "broken", 2, resume=True)
    done = extended(model, corpus, tmp_path / "broken", resume=True)
    name = "model.safetensors"
    assert sha256(done.model / name) == sha256(whole.model / name)


def test_new_words_need_a_model_a_corpus_and_enough_text(tmp_path, model, corpus):
    output = tmp_path / "run"
    with pytest.raises(ConfigError, match="--extend-vocabulary goes with --init"):
        pretrain(recipe(), corpus=corpus, extend_vocabulary=3, output=output)
    with pytest.raises(ConfigError, match="--extend-vocabulary goes with --corpus"):
        pretrain(
            recipe(), shards=model.parent / "shards", init=model, extend_vocabulary=3, output=output
        )
    with pytest.raises(DataError, match=r"words that the vocabulary cuts up, not 500"):
        extended(model, corpus, output, 500)
    assert not output.exists()


def test_unused_entries_are_filled_first_and_counted(tmp_path, corpus, model, capsys):
    tokens = tokenizer().tokens(range(90))
    folder = tmp_path / "google"
    folder.mkdir()
    named = ["[unused0]" if token == "##zz" else token for token in tokens]
    place = max(i for i, t in enumerate(named) if t.startswith("##") and len(t) > 3)
    named[place] = "[unused7]"
    parts = load_parts(model)
    for file in (model / "model").iterdir():
        if file.name not in ("vocab.txt", "tokenizer.json", "manifest.json"):
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "vocab.txt").write_text("".join(f"{t}\n" for t in named), encoding="utf-8")
    done = extended(folder, corpus, tmp_path / "run", 1)
    assert load_tokenizer(done.model).vocab_size == parts.tokenizer.vocab_size
    assert load_tokenizer(done.model).tokens([place])[0] in NEW
    assert "1 of them in the place of unused entries" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="run began with --extend-vocabulary 1"):
        extended(folder, corpus, tmp_path / "run", 0, resume=True)
