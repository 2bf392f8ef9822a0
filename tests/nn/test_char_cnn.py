"""Words by their characters: equal to a plain program, whatever the company, once each."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gloze.config.toml import from_dict, to_dict
from gloze.core.errors import ConfigError
from gloze.encoders.lstm import LSTMConfig
from gloze.nn.char_cnn import CharactersConfig, CharCNN, SpelledWords
from gloze.tokenizers.spelling import spell, spell_marks
from tests.small import batch_of

WORDS = ["a", "of", "wörd", "", "internationalisation", "x" * 40, "日本", "the", "naïvely"]
SMALL = {"embedding_size": 3, "filters": ((1, 4), (2, 5), (5, 6)), "max_characters": 12}


def network(**changes):
    torch.manual_seed(0)
    return CharCNN(CharactersConfig(**{**SMALL, **changes}), 7)


def codes(word, length):
    """Return the codes that the published code gives a word, from 0."""
    inside = [{254: 256, 255: 257}.get(b, b) for b in word]
    found = [258, *inside[: length - 2], 259]
    return found + [260] * (length - len(found))


def plain(model, words):
    """Compute with PyTorch's own convolutions over words filled up to the full length."""
    config = model.config
    ids = torch.tensor([codes(word, config.max_characters) for word in words])
    x = model.embeddings(ids).transpose(1, 2)
    found = []
    for (width, _), linear in zip(config.filters, model.convolutions, strict=True):
        kernel = linear.weight.unflatten(1, (width, -1)).transpose(1, 2)
        found.append(F.conv1d(x, kernel, linear.bias).amax(2))
    act = torch.relu if config.activation == "relu" else torch.tanh
    x = act(torch.cat(found, 1))
    for highway in model.highways:
        new, carry = highway(x).chunk(2, 1)
        x = carry.sigmoid() * new.relu() + (1 - carry.sigmoid()) * x
    return model.projection(x)


@pytest.mark.parametrize("changes", [{}, {"activation": "tanh"}, {"num_highway_layers": 0}])
def test_values_and_gradients_are_those_of_a_plain_program(changes):
    model = network(**changes)
    for linear in model.highways:
        torch.nn.init.zeros_(linear.bias)
    words = [*(word.encode() for word in WORDS), b"\xfe", b"\xff"]
    spelled = np.concatenate([spell(WORDS, 10), spell_marks(10)])
    found, expected = model(torch.from_numpy(spelled)), plain(model, words)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    weigh = torch.randn(found.shape)
    weights = list(model.parameters())
    mine = torch.autograd.grad((found * weigh).sum(), weights)
    theirs = torch.autograd.grad((expected * weigh).sum(), weights)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_word_has_the_same_vector_in_any_company():
    model = network()
    spelled = torch.from_numpy(spell(WORDS * 40, 10))
    together = model(spelled)
    for number in range(len(WORDS)):
        alone = model(spelled[number : number + 1])[0]
        torch.testing.assert_close(together[number], alone, rtol=1e-5, atol=1e-6)


def test_what_comes_after_the_most_characters_is_not_read():
    model = network()
    one, other = (model(torch.from_numpy(spell(["b" * 10 + end], 10))) for end in ("c", "de"))
    assert torch.equal(one, other)
    assert not torch.equal(one, model(torch.from_numpy(spell(["b" * 9], 10))))


def test_each_different_word_is_computed_once():
    torch.manual_seed(0)
    words = SpelledWords(CharactersConfig(**SMALL), 60, 7)
    words.spellings.copy_(torch.from_numpy(spell([f"w{number}" for number in range(60)], 10)))
    seen = []
    words.cnn.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    ids = [5, 6, 5, 7, 5], [7, 7, 59]
    batch = batch_of(*map(list, ids))
    by_id = words(batch)
    by_characters = words(replace(batch, characters=words.spellings[batch.input_ids]))
    assert seen == [4, 4]
    assert torch.equal(by_id, by_characters)
    assert torch.equal(by_id[0], by_id[2])
    assert not torch.equal(by_id[0], by_id[1])
    # Characters that are given go before those of the vocabulary.
    given = torch.from_numpy(spell(["new"] * 8, 10))
    assert torch.equal(words(replace(batch, characters=given))[0], words.cnn(given[:1])[0])


def test_settings_go_through_a_file_and_back():
    config = LSTMConfig(characters=CharactersConfig(filters=((1, 8), (3, 9))))
    assert from_dict(LSTMConfig, to_dict(config)) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": ()}, r"encoder\.characters\.filters is empty"),
        ({"filters": ((13, 4),)}, r"filters\[0\]\[0\] is 13; it must be from 1 to 12"),
        ({"filters": ((1, 4), (2, 0))}, r"filters\[1\]\[1\] is 0"),
        ({"max_characters": 2}, r"max_characters is 2; it must be from 3"),
        ({"num_highway_layers": -1}, r"num_highway_layers is -1"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        CharactersConfig(**{**SMALL, **changes})
