"""The language model: what is asked, that the mark is the dense one, what cannot be trained."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gloze.config.toml import to_toml
from gloze.core.errors import ConfigError
from gloze.data.collate import collate
from gloze.data.counts import count_tokens, unigram_loss
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.encoders.lstm import LSTMConfig
from gloze.nn.char_cnn import CharactersConfig
from gloze.objectives.lm import LanguageModel, LanguageModelConfig, ask_before, ask_for_next
from gloze.recipes import load_recipe
from gloze.tokenizers import TokenizerConfig, learn_tokenizer
from gloze.verbs.evaluate import evaluate
from gloze.verbs.pretrain import pretrain
from tests.objectives.test_mlm import samples
from tests.small import recipe, tokenizer, train_shards, write_shards

ONLY_LM = ["objectives.mlm=none", "objectives.nsp=none", "objectives.lm={}"]
ONE_WAY = [*ONLY_LM, "encoder.direction=left_to_right", "sampler.kind=text_block"]


def encoder(**sizes):
    torch.manual_seed(0)
    return FeedForwardConfig(**{"embedding_size": 8, "hidden_size": 8, **sizes}).build(90)


def test_every_token_but_the_first_of_each_sequence_is_asked_for_at_the_one_before():
    given = samples([4, 3, 5])
    asked = ask_for_next(given)
    assert asked.label_positions["lm"].tolist() == [0, 1, 2, 4, 5, 7, 8, 9, 10]
    assert np.array_equal(asked.labels["lm"], given.input_ids[[1, 2, 3, 5, 6, 8, 9, 10, 11]])
    assert np.array_equal(asked.input_ids, given.input_ids)


def test_a_backward_model_is_asked_for_the_token_before():
    given = samples([4, 3, 5])
    asked = ask_before(given)
    assert asked.label_positions["lm"].tolist() == [1, 2, 3, 5, 6, 8, 9, 10, 11]
    assert np.array_equal(asked.labels["lm"], given.input_ids[[0, 1, 2, 4, 5, 7, 8, 9, 10]])


def test_where_the_text_goes_on_edges_are_asked_too():
    given = replace(samples([4, 3]), before=np.array([-1, 77]), after=np.array([88, 99]))
    ids = given.input_ids.tolist()
    asked = ask_for_next(given)
    assert asked.label_positions["lm"].tolist() == list(range(7))
    assert asked.labels["lm"].tolist() == [*ids[1:4], 88, *ids[5:], 99]
    asked = ask_before(given)
    assert asked.label_positions["lm"].tolist() == list(range(1, 7))
    assert asked.labels["lm"].tolist() == [*ids[:3], 77, *ids[4:6]]


@pytest.mark.parametrize("tied", [False, True])
def test_each_half_of_a_two_way_encoder_predicts_its_way_by_one_output(tied):
    torch.manual_seed(0)
    model = LSTMConfig(embedding_size=8, hidden_size=8, direction="two_way").build(90)
    config = LanguageModelConfig(tie_weights=tied)
    forward = config.build(model, tokenizer(), 0.3)
    backward = config.build_backward(forward, tokenizer())
    assert not backward.head.state_dict()
    batch = collate(backward.label(forward.label(samples([9, 4]))))
    states = model(batch)
    for objective, half in ((forward, slice(0, 8)), (backward, slice(8, 16))):
        where, labels = (each[objective.name] for each in (batch.label_positions, batch.labels))
        scores = F.linear(states[-1][where, half], forward.head.output.weight)
        expected = F.cross_entropy(scores, labels, reduction="sum")
        assert objective.head(states, batch).loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_company_of_a_sequence_has_no_say_in_what_is_asked():
    given = samples([4, 3, 5])
    parts = [ask_for_next(given.part(0, 1)), ask_for_next(given.part(1, 3))]
    whole = ask_for_next(given).labels["lm"]
    assert np.array_equal(whole, np.concatenate([part.labels["lm"] for part in parts]))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_loss_and_gradients_are_those_of_dense_scores(tied, direct):
    model = encoder(direct_connections=direct)
    if tied and direct:
        with pytest.raises(ConfigError, match=r"vectors have 8 numbers, .* states have 48"):
            LanguageModel(model, 90, tie_weights=True)
        return
    head = LanguageModel(model, 90, 0.3, tie_weights=tied)
    batch = collate(ask_for_next(samples([30, 50, 3, 128, 70])))
    weights = [*model.parameters(), *head.parameters()]
    mark = head(model(batch), batch)
    mine = torch.autograd.grad(mark.loss, weights)
    labels = torch.full((281,), -100)
    labels[batch.label_positions["lm"]] = batch.labels["lm"]
    scores = F.linear(model(batch)[-1], head.output.weight, head.output.bias)
    expected = F.cross_entropy(scores, labels, ignore_index=-100, reduction="sum")
    theirs = torch.autograd.grad(expected, weights)
    assert mark.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert mark.correct == (scores.argmax(-1) == labels).sum()
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def words():
    config = TokenizerConfig(kind="words", min_count=1, vocab_size=99)
    return learn_tokenizer(lambda: iter(["a a a a b b b c c d e f g"]), config)


@pytest.mark.parametrize("way", ["left_to_right", "right_to_left", "two_way"])
def test_what_is_not_among_the_most_frequent_is_predicted_as_unknown(way):
    vocabulary = words()
    assert vocabulary.tokens(range(5, 8)) == ["a", "b", "c"]
    torch.manual_seed(0)
    model = LSTMConfig(embedding_size=8, hidden_size=8, direction=way).build(12)
    config = LanguageModelConfig(vocab_size=8)
    objectives = [config.build(model, vocabulary)]
    if way == "two_way":
        objectives.append(config.build_backward(objectives[0], vocabulary))
    given = samples([6])
    given.input_ids[:] = [2, 5, 8, 7, 11, 3]
    unknown = vocabulary.unk_id
    for objective in objectives:
        asked = objective.label(given)
        forward = objective.name == "lm" and way != "right_to_left"
        expected = [5, unknown, 7, unknown, 3] if forward else [2, 5, unknown, 7, unknown]
        assert asked.labels[objective.name].tolist() == expected
        assert np.array_equal(asked.input_ids, given.input_ids)
    assert objectives[0].head.output.weight.shape == (8, 8)
    batch = collate(objectives[0].label(given))
    hidden = model(batch)
    assert objectives[0].head.scores(hidden[-1][:, :8]).shape == (6, 8)
    assert math.isfinite(objectives[0].head(hidden, batch).loss.item())


def test_more_entries_than_there_are_is_all_of_them():
    model = LSTMConfig(embedding_size=8, hidden_size=8).build(12)
    objective = LanguageModelConfig(vocab_size=1000).build(model, words())
    assert len(objective.head.output.weight) == 12
    assert objective.label(samples([6])).labels["lm"].max() > 8


def test_pieces_are_in_no_order_of_frequency():
    with pytest.raises(ConfigError, match=r"\(WordPiece\) has pieces in another order"):
        LanguageModelConfig(vocab_size=20).build(encoder(), tokenizer())


def test_an_encoder_without_a_table_shares_none():
    model = LSTMConfig(embedding_size=8, hidden_size=8, characters=CharactersConfig()).build(12)
    with pytest.raises(ConfigError, match=r"no table of token vectors: .*tie_weights"):
        LanguageModelConfig(tie_weights=True).build(model, words())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 5}, r"objectives\.lm\.vocab_size is 5; it must be at least 6"),
        ({"vocab_size": 50, "tie_weights": True}, r"vocab_size leaves some out: set one of them"),
    ],
)
def test_impossible_outputs_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        LanguageModelConfig(**changes)


def test_the_loss_by_frequency_counts_rare_words_as_the_unknown_one(tmp_path):
    train = train_shards(tmp_path)
    whole, folded = unigram_loss(train, train), unigram_loss(train, train, (20, 1))
    counts = count_tokens(train).astype(float)
    counts = np.append(counts[:20], 0) + np.where(np.arange(21) == 1, counts[20:].sum(), 0)
    counts = counts[:20]
    shares = (counts + 1) / (counts + 1).sum()
    assert folded == pytest.approx(-(counts * np.log(shares)).sum() / counts.sum())
    assert folded < whole


def test_vectors_that_spell_the_right_answer_give_a_loss_near_zero():
    head = LanguageModel(encoder(), 90)
    batch = collate(ask_for_next(samples([20, 30])))
    with torch.no_grad():
        table = F.normalize(torch.randn(90, 8), dim=-1)
        head.output.weight.copy_(table * 400)
        hidden = torch.zeros(50, 8)
        hidden[batch.label_positions["lm"]] = table[batch.labels["lm"]]
        mark = head([hidden], batch)
    assert mark.loss < 1e-3 * 48
    assert mark.correct == 48


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (ONLY_LM, r"lm objective cannot train a bidirectional encoder.*direction to left_to_right"),
        (["encoder.kind=feed_forward"], "a feed_forward encoder looks back alone"),
        (
            ["encoder.direction=left_to_right", "objectives.mlm=none"],
            r"reads a pair from its first token, \[CLS\]",
        ),
        (
            ["encoder.kind=feed_forward", *ONLY_LM, "training.gradient_checkpointing=true"],
            "a feed_forward encoder keeps what it has computed",
        ),
        ([*ONE_WAY, "sampler.within=sentence"], r"short_rate is 0\.1, and sentences have lengths"),
        (["encoder.kind=gru"], "encoder is .* its kind is to be transformer, lstm or feed_forward"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("bert-tiny", changes)


def test_an_encoder_of_no_kind_is_a_transformer_as_before_there_were_others(tmp_path):
    text = to_toml(load_recipe("bert-tiny")).replace('kind = "transformer"\n', "")
    assert "transformer" not in text
    (tmp_path / "old.toml").write_text(text)
    assert load_recipe(tmp_path / "old.toml") == load_recipe("bert-tiny")


@pytest.fixture(scope="module")
def one_way(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    shards = write_shards(folder / "shards", count=120)
    changes = [*ONE_WAY, "training.steps=150", "training.learning_rate=3e-3"]
    return pretrain(recipe(*changes), shards=shards, output=folder / "run"), shards


def test_a_one_way_transformer_learns_more_than_frequencies(one_way):
    done, _ = one_way
    assert done.figures["lm_loss"] < done.unigram_loss - 0.5
    assert done.figures["lm_perplexity"] == pytest.approx(math.exp(done.figures["lm_loss"]))
    assert "gloze evaluate" in str(done)


def test_it_is_loaded_and_judged_as_it_was_at_the_end_of_training(one_way):
    done, shards = one_way
    found = evaluate(done.path, shards, device="cpu").figures["-"]
    assert found["lm_loss"] == pytest.approx(done.figures["lm_loss"], rel=1e-5)


@pytest.mark.parametrize("kind", ["transformer", "feed_forward"])
def test_no_score_depends_on_the_word_it_predicts_or_on_later_ones(kind):
    given = samples([12])
    torch.manual_seed(0)
    model = recipe(*ONE_WAY).encoder.build(90) if kind == "transformer" else encoder()
    model.eval()
    head = LanguageModelConfig().build(model, tokenizer(), 0.5).head
    batch = collate(ask_for_next(given))
    before = head.scores(model(batch)[-1])
    for place in range(1, 12):
        batch.input_ids[place] = (batch.input_ids[place] + 7) % 90
        after = head.scores(model(batch)[-1])
        assert torch.equal(before[:place], after[:place])
        assert not torch.equal(before[place], after[place])
        before = after
