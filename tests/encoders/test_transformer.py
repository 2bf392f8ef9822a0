"""The encoder: no sequence sees another, direction limits the view, sizes are the papers'."""

from dataclasses import replace

import pytest
import torch

from gloze.config.build import build_learner
from gloze.core.errors import ConfigError
from gloze.encoders.transformer import TransformerConfig
from gloze.recipes import RECIPES, load_recipe
from gloze.training.learner import Learner
from tests.small import batch_of, recipe, tokenizer


def encoder(direction="bidirectional"):
    torch.manual_seed(0)
    return replace(recipe().encoder, initializer_range=0.5, direction=direction).build(90).eval()


def moved(direction, at=2):
    """Positions whose states change when the token at one position does."""
    model = encoder(direction)
    before, after = [5, 6, 7, 8, 9], [5, 6, 7, 8, 9]
    after[at] = 50
    change = model(batch_of(before))[-1] - model(batch_of(after))[-1]
    return set(torch.nonzero(change.abs().amax(-1) > 1e-6).flatten().tolist())


def test_left_to_right_never_sees_the_right():
    assert moved("left_to_right") == {2, 3, 4}


def test_right_to_left_never_sees_the_left():
    assert moved("right_to_left") == {0, 1, 2}


def test_under_autocast_all_states_are_of_its_precision_and_near_those_in_float32():
    model, batch = encoder(), batch_of([5, 6, 7, 8, 9])
    exact = model(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(batch)
    assert {states.dtype for states in rounded} == {torch.bfloat16}
    for one, other in zip(exact, rounded, strict=True):
        assert torch.allclose(one, other.float(), atol=0.1)


def test_bidirectional_sees_everything():
    assert moved("bidirectional") == {0, 1, 2, 3, 4}


def test_sequences_of_a_batch_do_not_see_each_other():
    model = encoder()
    sequences = ([5, 6, 7], [8, 9, 10, 11, 12], [13])
    together = model(batch_of(*sequences))
    alone = [model(batch_of(sequence)) for sequence in sequences]
    for layer, states in enumerate(together):
        assert torch.allclose(states, torch.cat([a[layer] for a in alone]), atol=1e-5)


def test_hidden_states_are_the_embeddings_and_one_a_layer():
    states = encoder()(batch_of([5, 6, 7]))
    assert len(states) == 1 + 2
    assert all(state.shape == (3, 32) for state in states)


@pytest.mark.parametrize(
    ("name", "encoder_parameters"),
    [
        # With the vocabulary of 30,522 and the pooler; the papers round to 110 M and 340 M.
        ("bert-base", 109_482_240),
        ("bert-large", 335_141_888),
        # Turc et al. 2019, table 1: 4.4, 11.3, 29.1, 41.7 M.
        ("bert-tiny", 4_385_920),
        ("bert-mini", 11_170_560),
        ("bert-small", 28_763_648),
        ("bert-medium", 41_373_184),
    ],
)
def test_recipes_have_the_parameter_counts_of_the_papers(name, encoder_parameters):
    with torch.device("meta"):
        model = load_recipe(name).encoder.build(30522)
    assert sum(p.numel() for p in model.parameters()) == encoder_parameters


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("bert")])
def test_every_recipe_has_published_shape(name):
    config = load_recipe(name).encoder
    assert config.intermediate_size == 4 * config.hidden_size
    assert config.hidden_size == 64 * config.num_attention_heads


def test_weights_start_with_the_spread_of_bert():
    torch.manual_seed(0)
    model = TransformerConfig(num_hidden_layers=1).build(1000)
    weight = model.layers[0].intermediate.weight
    assert weight.abs().max() <= 0.04
    # A normal distribution cut at two standard deviations keeps 0.88 of its spread.
    assert abs(weight.std().item() - 0.02 * 0.8796) < 2e-4
    assert not model.layers[0].intermediate.bias.any()


def test_the_output_table_is_the_input_table():
    _, learner = build_learner(recipe(), tokenizer())
    assert isinstance(learner, Learner)
    names = [name for name, p in learner.named_parameters() if p.shape == (90, 32)]
    assert names == ["encoder.embeddings.token_embeddings.weight"]


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"hidden_size 100 does not divide into 3 heads.*99"):
        TransformerConfig(hidden_size=100, num_attention_heads=3)
    with pytest.raises(ConfigError, match=r"num_hidden_layers is 0"):
        TransformerConfig(num_hidden_layers=0)
    for positions in (1, 2):
        with pytest.raises(ConfigError, match=rf"max_position_embeddings is {positions}.*from 3"):
            TransformerConfig(max_position_embeddings=positions)
    TransformerConfig(max_position_embeddings=3)
