"""The LSTM encoder: what each direction sees, what is carried, what is dropped, bad settings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gloze.core.carried import carrying_nothing
from gloze.core.errors import ConfigError
from gloze.encoders.lstm import LSTMConfig
from gloze.nn.char_cnn import CharactersConfig
from gloze.nn.lstm import BiLSTM
from gloze.tokenizers import TokenizerConfig, learn_tokenizer
from gloze.tokenizers.spelling import spell_marks, spell_texts
from gloze.training.transfer import reinitialize
from tests.small import batch_of

WAYS = ["left_to_right", "right_to_left", "two_way"]


def encoder(**changes):
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 5, "initializer_range": 0.5}
    return LSTMConfig(**{**sizes, **changes}).build(90).eval()


def moved(model, at):
    """Return which tokens' states change, in each half, when a token does; two sequences."""
    before = [[5, 6, 7, 8, 9], [10, 11, 12]]
    after = [[*each] for each in before]
    after[at // 5][at % 5] = 50
    states = [model(batch_of(*each)) for each in (before, after)]
    found = []
    for one, other in zip(*states, strict=True):
        change = (one - other).abs()
        found.append([set(torch.nonzero(half.amax(-1) > 1e-7).flatten().tolist())
                      for half in change.chunk(2, 1)])  # fmt: skip
    return found


@pytest.mark.parametrize("changes", [{}, {"projection_size": 4, "residual": True}])
@pytest.mark.parametrize("at", range(8))
def test_no_layer_of_a_stack_sees_past_the_token_it_has_read(at, changes):
    start, end = (0, 5) if at < 5 else (5, 8)
    later, earlier = set(range(at, end)), set(range(start, at + 1))
    # The first layer of the list is the vectors themselves.
    for halves in moved(encoder(**changes), at)[1:]:
        assert halves[0] | halves[1] == later
    for halves in moved(encoder(direction="right_to_left", **changes), at)[1:]:
        assert halves[0] | halves[1] == earlier
    for left, right in moved(encoder(direction="two_way", **changes), at)[1:]:
        assert (left, right) == (later, earlier)


def test_the_same_two_directions_joined_at_each_layer_would_leak_the_answer():
    torch.manual_seed(0)
    joined = BiLSTM(input_size=4, size=5, num_layers=2, dropout=0.0).eval()
    batch, x = batch_of([1, 2, 3, 4]), torch.randn(4, 4)
    changed = torch.cat([x[:3], x[3:] + 1])
    left = slice(0, 5)
    difference = (joined(x, batch) - joined(changed, batch))[:, left].abs().amax(-1)
    # What reads from the left in the second layer knows the last token at the first.
    assert (difference > 1e-6).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_sequence_gives_the_same_whatever_stands_beside_it(way):
    model = encoder(direction=way, num_hidden_layers=3)
    alone = [model(batch_of(each)) for each in ([5, 6, 7], [8], [9, 10, 11, 12])]
    together = model(batch_of([5, 6, 7], [8], [9, 10, 11, 12]))
    for layer, states in enumerate(together):
        expected = torch.cat([each[layer] for each in alone])
        torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", ["left_to_right", "right_to_left"])
def test_text_in_pieces_in_lanes_gives_the_states_of_the_whole(way):
    model = encoder(direction=way, num_hidden_layers=2, projection_size=4)
    texts = np.arange(5, 45).reshape(2, 20)
    whole = model(batch_of(*texts.tolist()))[-1].view(2, 20, -1)
    pieces = np.array_split(texts, [3, 4, 11], axis=1)
    order = pieces if way == "left_to_right" else pieces[::-1]
    found = []
    for piece in order:
        # The lanes of a batch come in any order.
        batch = replace(batch_of(*piece[::-1].tolist()), lanes=np.array([1, 0]))
        found.append(model(batch)[-1].view(2, piece.shape[1], -1).flip(0))
    found = found if way == "left_to_right" else found[::-1]
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=1e-5, atol=1e-6)


def test_a_new_epoch_and_looking_aside_begin_with_nothing():
    model = encoder()
    batch = replace(batch_of([5, 6, 7]), lanes=np.array([0]))
    first, second = model(batch)[-1], model(batch)[-1]
    assert not torch.allclose(first, second)
    before = model.carried.states.clone()
    with carrying_nothing(model):
        assert torch.equal(model(batch)[-1], first)
    assert torch.equal(model.carried.states, before)
    model.carried.begin(0)
    assert torch.equal(model.carried.states, before)
    model.carried.begin(1)
    assert torch.equal(model(batch)[-1], first)
    # Without lanes nothing is read and nothing kept.
    kept = model.carried.states.clone()
    assert torch.equal(model(batch_of([5, 6, 7]))[-1], first)
    assert torch.equal(model.carried.states, kept)


def test_no_gradient_goes_back_past_what_was_carried():
    model = encoder().train()
    batch = replace(batch_of([5, 6]), lanes=np.array([0]))
    model(batch)
    assert not model.carried.states.requires_grad


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("embedding_dropout_prob", 0),
        ("input_dropout_prob", 0),
        ("weight_dropout_prob", 1),
        ("hidden_dropout_prob", 2),
        ("output_dropout_prob", 2),
    ],
)
def test_each_dropout_acts_where_it_is_meant_to_and_in_training_alone(name, where):
    plain, dropping = encoder(), encoder(**{name: 0.5})
    batch = batch_of([5, 6, 7, 8, 9, 10] * 3, [11, 12] * 5)
    expected = plain(batch)
    for one, other in zip(dropping(batch), expected, strict=True):
        assert torch.equal(one, other)
    changed = [
        not torch.equal(a, b) for a, b in zip(dropping.train()(batch), expected, strict=True)
    ]
    assert changed == [number >= where for number in range(3)]


def test_a_dropped_word_is_dropped_wherever_it_stands():
    model = encoder(embedding_dropout_prob=0.5).train()
    vectors = model(batch_of([5, 6, 7, 5, 8], [6, 5, 9, 8, 7]))[0]
    dropped = (vectors == 0).all(1)
    ids = [5, 6, 7, 5, 8, 6, 5, 9, 8, 7]
    by_word = {word: {bool(dropped[i]) for i, w in enumerate(ids) if w == word} for word in ids}
    assert all(len(fates) == 1 for fates in by_word.values())
    kept = model.embeddings.weight[torch.tensor(ids)][~dropped] * 2
    torch.testing.assert_close(vectors[~dropped], kept)


def test_words_are_read_by_the_characters_of_the_vocabulary_or_by_their_own():
    model = encoder(characters=CharactersConfig(filters=((1, 4), (2, 5))))
    config = TokenizerConfig(kind="words", min_count=1, vocab_size=99)
    tokenizer = learn_tokenizer(lambda: iter(["the cat sat on the mat"]), config)
    model.spell(tokenizer)
    texts = ["the mat sat"]
    ids = tokenizer.encode(texts)[0].tolist()
    batch = batch_of([tokenizer.cls_id, *ids, tokenizer.sep_id])
    spelled = [spell_marks(48)[:1], spell_texts(tokenizer, texts, 48), spell_marks(48)[1:]]
    given = replace(batch, characters=torch.from_numpy(np.concatenate(spelled)))
    states = model(batch)
    assert [each.shape for each in states] == [(5, 6), (5, 5), (5, 5)]
    for one, other in zip(states, model(given), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    spelled[1] = spell_texts(tokenizer, ["the bat sat"], 48)
    given = replace(batch, characters=torch.from_numpy(np.concatenate(spelled)))
    change = (states[0] - model(given)[0]).abs().amax(1)
    assert (change > 1e-4).tolist() == [False, False, True, False, False]
    with pytest.raises(ConfigError, match=r"no table of token vectors: .* \(encoder\.characters\)"):
        model.token_embeddings  # noqa: B018
    assert model.stages[0] is model.embeddings


def test_random_weights_keep_the_spelling_of_the_vocabulary():
    model = encoder(characters=CharactersConfig())
    model.embeddings.spellings.fill_(7)
    before = {name: x.clone() for name, x in model.named_parameters()}
    reinitialize(model)
    assert (model.embeddings.spellings == 7).all()
    drawn = [name for name, x in model.named_parameters() if not torch.equal(x, before[name])]
    assert {name for name in before if not name.endswith("bias")} <= set(drawn)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 0}, r"encoder\.hidden_size is 0; it must be from 1"),
        ({"cell_clip": 0.0}, r"encoder\.cell_clip is 0\.0; it must be over 0"),
        ({"weight_dropout_prob": 1.5}, r"encoder\.weight_dropout_prob"),
        ({"projection_size": 3, "last_size": 4}, "set one of them"),
        ({"state_clip": 3.0}, r"projection_size is not set"),
        ({"residual": True, "last_size": 4}, r"residual adds layers of one size"),
    ],
)
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        encoder(**changes)
