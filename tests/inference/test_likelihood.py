"""How likely texts are, for every kind of language model, against one look at a time."""

import numpy as np
import pytest
import torch

from gloze.core.errors import ConfigError, DataError
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.encoders.lstm import LSTMConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.inference import likelihood
from gloze.inference.growing import batch_of
from gloze.inference.likelihood import log_likelihoods
from gloze.inference.model import Model
from gloze.nn.char_cnn import CharactersConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.objectives.mlm import MaskedLMConfig
from gloze.tokenizers import TokenizerConfig, learn_tokenizer
from gloze.verbs.evaluate_pairs import Pair, differences
from tests.small import documents, tokenizer

# Of many lengths, an empty one and one of a single token among them.
TEXTS = [
    *("the cat sees the red house.", "a", "", "my sister remembers warm bread, an open window."),
    *("bread", "the cat", "our teacher (the old captain) follows every child!"),
]


def transformer(direction="bidirectional"):
    return TransformerConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=32, initializer_range=0.3, direction=direction,
    )  # fmt: skip


def lstm(direction, **changes):
    return LSTMConfig(
        embedding_size=6, hidden_size=8, initializer_range=0.5, direction=direction, **changes
    )


ENCODERS = {
    "GPT": transformer("left_to_right"),
    "Transformer from right to left": transformer("right_to_left"),
    "two Transformers": transformer("two_way"),
    "LSTM": lstm("left_to_right"),
    "LSTM from right to left": lstm("right_to_left"),
    "ELMo": lstm("two_way", projection_size=5, residual=True, cell_clip=3.0, state_clip=3.0),
    "NNLM": FeedForwardConfig(embedding_size=6, context_size=3, hidden_size=8),
    "NNLM with direct connections": FeedForwardConfig(
        embedding_size=6, context_size=3, hidden_size=8, direct_connections=True
    ),
}


def model_of(config, objective=None, start_id=None):
    torch.manual_seed(0)
    encoder = config.build(tokenizer().vocab_size)
    objective = objective or LanguageModelConfig()
    made = objective.build(encoder, tokenizer(), 0.3)
    return Model(encoder, tokenizer(), {made.name: made.head}, start_id=start_id)


def probability(model, ids, place, token, states=slice(None)):
    """Return the log-probability of a token by the state at a place, of this sequence alone."""
    [head] = model.heads.values()
    with torch.inference_mode():
        hidden = model.hidden_states(batch_of([np.array(ids)]))[-1][place : place + 1, states]
        return head.scores(hidden)[0].double().log_softmax(-1)[token].item()


def slowly(model, text, *, with_end=False):
    """Return how often and how likely, with all that may not be seen out of sight."""
    direction = model.encoder.config.direction
    own, blank = tokenizer().encode([text])[0].tolist(), tokenizer().unk_id
    ids = [model.start_id, *own, tokenizer().sep_id]
    found, size = [], model.heads["lm"].size
    if direction != "right_to_left":
        for place in range(1, len(own) + 1 + with_end):
            seen = ids[:place] + [blank] * (len(ids) - place)
            found.append(probability(model, seen, place - 1, ids[place], slice(0, size)))
    if direction != "left_to_right":
        # Positions count from the start of what is read, which is the text unless more is asked.
        skipped = 1 if direction == "right_to_left" and not with_end else 0
        for place in range(0 if with_end else 1, len(own) + 1):
            seen = [blank] * (place + 1) + ids[place + 1 :]
            found.append(
                probability(model, seen[skipped:], place + 1 - skipped, ids[place],
                            slice(-size, None))
            )  # fmt: skip
    return len(found), sum(found)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("with_end", [False, True])
def test_each_token_is_predicted_from_one_side_alone(name, with_end):
    model = model_of(ENCODERS[name])
    found = log_likelihoods(model, TEXTS, with_end=with_end)
    for text, total, tokens in zip(TEXTS, found.sums, found.tokens, strict=True):
        count, expected = slowly(model, text, with_end=with_end)
        assert tokens == count
        assert total == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["GPT", "ELMo", "LSTM from right to left"])
def test_a_text_begins_with_what_stood_before_texts_in_training(name):
    usual, other = (
        model_of(ENCODERS[name], start_id=start) for start in (None, tokenizer().sep_id)
    )
    found = log_likelihoods(other, TEXTS, with_end=True).sums
    assert found == pytest.approx([slowly(other, text, with_end=True)[1] for text in TEXTS])
    assert not np.allclose(found, log_likelihoods(usual, TEXTS, with_end=True).sums)


def hidden_in_turn(model, text, within_word):
    tokens = tokenizer().encode([text])[0]
    words = np.cumsum(tokenizer().word_starts(tokens))
    total = 0.0
    for place, token in enumerate(tokens):
        seen = tokens.copy()
        for later in range(place, len(tokens)):
            if later == place or (within_word and words[later] == words[place]):
                seen[later] = tokenizer().mask_id
        ids = [tokenizer().cls_id, *seen.tolist(), tokenizer().sep_id]
        total += probability(model, ids, place + 1, token)
    return len(tokens), total


@pytest.mark.parametrize("at_once", [1 << 20, 100])
def test_a_masked_lm_has_each_token_hidden_in_turn(monkeypatch, at_once):
    monkeypatch.setattr(likelihood, "_HIDDEN_AT_ONCE", at_once)
    model = model_of(transformer(), MaskedLMConfig())
    sums = {}
    for within_word in (False, True):
        found = log_likelihoods(model, TEXTS, within_word_l2r=within_word)
        expected = [hidden_in_turn(model, text, within_word) for text in TEXTS]
        assert found.tokens.tolist() == [count for count, _ in expected]
        assert found.sums == pytest.approx([total for _, total in expected], abs=1e-3)
        sums[within_word] = found.sums
    # Words of one piece are the same either way; others are not.
    whole = [len(tokenizer().encode([text])[0]) == sum(
        tokenizer().word_starts(tokenizer().encode([text])[0])) for text in TEXTS]  # fmt: skip
    assert {True, False} == set(whole)
    assert (np.isclose(sums[False], sums[True], atol=1e-5) == whole).all()


def test_all_continuations_of_a_text_have_a_probability_of_one_together():
    model = model_of(ENCODERS["LSTM"])
    words = [
        token for token in tokenizer().tokens(range(tokenizer().vocab_size))
        if tokenizer().encode([f"the {token}"])[1][0] == 1 + tokenizer().encode(["the"])[1][0]
    ]  # fmt: skip
    texts = [f"the {word}" for word in words]
    ids, lengths = tokenizer().encode(texts)
    last = ids[np.cumsum(lengths) - 1]
    [start] = log_likelihoods(model, ["the"]).sums
    shares = dict(zip(last.tolist(), log_likelihoods(model, texts).sums - start, strict=True))
    rest = [token for token in range(tokenizer().vocab_size) if token not in shares]
    given = [tokenizer().cls_id, *tokenizer().encode(["the"])[0].tolist()]
    left = [np.exp(probability(model, given, len(given) - 1, token)) for token in rest]
    assert len(shares) > 10
    assert sum(np.exp(list(shares.values()))) + sum(left) == pytest.approx(1, abs=1e-5)


WORDS = learn_tokenizer(
    lambda: (sentence for document in documents() for sentence in document),
    TokenizerConfig(kind="words", min_count=1),
)


def word_model(**changes):
    torch.manual_seed(0)
    encoder = lstm("two_way", **changes).build(WORDS.vocab_size)
    encoder.spell(WORDS)
    made = LanguageModelConfig(vocab_size=12).build(encoder, WORDS, 0.3)
    return Model(encoder, WORDS, {"lm": made.head})


def test_words_that_are_not_predicted_count_as_the_unknown_one():
    model = word_model()
    ids = WORDS.encode(["the cat remembers warm bread ."])[0].tolist()
    assert min(ids) < 12 <= max(ids)
    whole, size = [WORDS.cls_id, *ids, WORDS.sep_id], model.heads["lm"].size
    asked = [token if token < 12 else WORDS.unk_id for token in ids]
    expected = sum(
        probability(model, whole, place, token, slice(0, size))
        + probability(model, whole, place + 2, token, slice(size, None))
        for place, token in enumerate(asked)
    )
    found = log_likelihoods(model, ["the cat", "the cat remembers warm bread ."])
    assert found.sums[1] == pytest.approx(expected, abs=1e-4)
    assert found.tokens.tolist() == [4, 2 * len(ids)]


def test_words_that_were_never_met_are_read_by_their_letters():
    characters = CharactersConfig(embedding_size=4, filters=((1, 4), (2, 6)))
    by_letters, by_words = word_model(characters=characters), word_model()
    texts = ["the cat sees a xylophone .", "the cat sees a quark .", "the cat sees the garden ."]
    for model, are_same in ((by_letters, False), (by_words, True)):
        sums = log_likelihoods(model, texts).sums
        assert np.isclose(sums[0], sums[1], atol=1e-6) == are_same
        pairs = [Pair(*texts[:2], "")]
        assert (differences(model, pairs)[0] == 0) == are_same
    # Of words that are known the letters are those of the vocabulary.
    ids, size = WORDS.encode(texts[2:])[0].tolist(), by_letters.heads["lm"].size
    whole = [WORDS.cls_id, *ids, WORDS.sep_id]
    expected = sum(
        probability(by_letters, whole, place, token, slice(0, size))
        + probability(by_letters, whole, place + 2, token, slice(size, None))
        for place, token in enumerate(t if t < 12 else WORDS.unk_id for t in ids)
    )
    assert log_likelihoods(by_letters, texts).sums[2] == pytest.approx(expected, abs=1e-4)


def test_what_says_nothing_is_refused():
    masked, gpt = model_of(transformer(), MaskedLMConfig()), model_of(ENCODERS["GPT"])
    with pytest.raises(ConfigError, match="with_end is of models of one direction"):
        log_likelihoods(masked, ["a"], with_end=True)
    with pytest.raises(ConfigError, match=r"within_word_l2r is of masked LMs; .* left_to_right"):
        log_likelihoods(gpt, ["a"], within_word_l2r=True)
    for model in (masked, gpt):
        with pytest.raises(DataError, match=r"text 2 has \d\d tokens, 'the cat .* takes 32"):
            log_likelihoods(model, ["a", "the cat " * 30])
        with pytest.raises(ConfigError, match="takes a list of texts"):
            log_likelihoods(model, [b"the cat"])
        model.heads.clear()
        with pytest.raises(ConfigError, match="does not say how likely texts are"):
            log_likelihoods(model, ["a"])
