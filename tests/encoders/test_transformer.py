"""The encoder: no sequence sees another, direction limits the view, sizes are the papers'."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gloze.config.build import build_learner
from gloze.core.errors import ConfigError
from gloze.encoders.transformer import TransformerConfig
from gloze.nn.layout import Layout
from gloze.recipes import RECIPES, load_recipe
from gloze.training.learner import Learner
from tests.small import batch_of, recipe, tokenizer

GPT2 = {"norm_position": "before", "embedding_norm": False, "type_vocab_size": 0}
GPT = {**GPT2, "norm_position": "after"}
FIXED = {"position_embeddings": "sinusoidal"}
KINDS = pytest.mark.parametrize("kind", [{}, GPT, GPT2, FIXED], ids=["bert", "gpt", "gpt2", "wave"])


def encoder(direction="bidirectional", **changes):
    torch.manual_seed(0)
    if changes:
        changes = {"initialization": "published", **changes}
    config = replace(recipe().encoder, initializer_range=0.5, direction=direction, **changes)
    return config.build(90).eval()


def moved(direction, at=2, **changes):
    """Positions whose states change when the token at one position does."""
    model = encoder(direction, **changes)
    before, after = [5, 6, 7, 8, 9], [5, 6, 7, 8, 9]
    after[at] = 50
    change = model(batch_of(before))[-1] - model(batch_of(after))[-1]
    return set(torch.nonzero(change.abs().amax(-1) > 1e-6).flatten().tolist())


@KINDS
def test_left_to_right_never_sees_the_right(kind):
    for at in range(5):
        assert moved("left_to_right", at, **kind) == set(range(at, 5))


@KINDS
def test_right_to_left_never_sees_the_left(kind):
    assert moved("right_to_left", **kind) == {0, 1, 2}


def test_under_autocast_all_states_are_of_its_precision_and_near_those_in_float32():
    model, batch = encoder(), batch_of([5, 6, 7, 8, 9])
    exact = model(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(batch)
    assert {states.dtype for states in rounded} == {torch.bfloat16}
    for one, other in zip(exact, rounded, strict=True):
        assert torch.allclose(one, other.float(), atol=0.1)


@KINDS
def test_bidirectional_sees_everything(kind):
    assert moved("bidirectional", **kind) == {0, 1, 2, 3, 4}


def test_norms_before_layers_leave_sums_and_norm_the_last():
    model = encoder(**GPT2)
    states = model(batch_of([5, 6, 7]))
    layer, norm = model.layers[1], torch.nn.functional.layer_norm
    below = states[1]
    layout = Layout.of(batch_of([5, 6, 7]), "bidirectional")
    added = below + layer.attention(norm(below, (32,), eps=1e-12), layout)
    inner = torch.nn.functional.gelu(layer.intermediate(norm(added, (32,), eps=1e-12)))
    last = added + layer.output(inner)
    assert torch.allclose(states[2], norm(last, (32,), eps=1e-12), atol=1e-5)
    assert torch.equal(
        states[0],
        model.embeddings.token_embeddings.weight[[5, 6, 7]]
        + (model.embeddings.position_embeddings.weight[:3]),
    )


def test_fixed_positions_are_waves_and_no_weights():
    model = encoder(**FIXED)
    assert not [name for name, _ in model.named_parameters() if "position" in name]
    waves = model.embeddings.position_embeddings(torch.tensor([0, 3]))
    assert torch.equal(waves[0], torch.tensor([0.0, 1.0] * 16))
    wanted = [f(3 / 10000 ** (2 * i / 32)) for i in range(16) for f in (math.sin, math.cos)]
    assert waves[1].tolist() == pytest.approx(wanted, abs=1e-6)
    moved = model(batch_of([5, 5, 5]))[0]
    assert not torch.allclose(moved[0], moved[2])


def test_from_left_to_right_there_is_no_pooler():
    assert not list(encoder("left_to_right").pooler.parameters())
    assert list(encoder("right_to_left").pooler.parameters())


def test_a_scaled_start_differs_in_what_layers_add_alone():
    published, scaled = (
        encoder(initialization=name).state_dict() for name in ("published", "scaled")
    )
    for name, weight in published.items():
        is_added = name.endswith(("attention.output.weight", ".output.weight"))
        # Two layers add twice each.
        assert torch.allclose(scaled[name], weight / 2 if is_added else weight)


@pytest.mark.parametrize("start", ["local", "matching"])
@pytest.mark.parametrize("changes", [GPT, GPT2, FIXED, {"norm_position": "before"}])
def test_local_starts_are_for_what_is_like_bert(start, changes):
    with pytest.raises(ConfigError, match=f"initialization '{start}' is worked out for"):
        encoder(initialization=start, **changes)


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
def test_recipes_of_bert_have_the_parameter_counts_of_the_papers(name, encoder_parameters):
    with torch.device("meta"):
        model = load_recipe(name).encoder.build(30522)
    assert sum(p.numel() for p in model.parameters()) == encoder_parameters


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Radford et al. 2018: 117 M; 2019, table 2: 124 M as counted since (there 117 M).
    [("gpt", 116_534_784), ("gpt2", 124_439_808), ("gpt-small", 11_103_744)],
)
def test_recipes_of_gpt_have_the_parameter_counts_of_the_papers(name, parameters):
    config = load_recipe(name)
    with torch.device("meta"):
        model = config.encoder.build(config.tokenizer.vocab_size)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_gpt_small_is_comparable_with_bert_mini():
    vocabulary = SimpleNamespace(vocab_size=30522, mask_id=4, special_ids=range(5))
    sizes = []
    for name in ("gpt-small", "bert-mini"):
        config = load_recipe(name)
        with torch.device("meta"):
            _, learner = build_learner(config, vocabulary)
        sizes.append(sum(p.numel() for p in learner.parameters()))
    assert 0.95 < sizes[0] / sizes[1] < 1.0
    small, mini = load_recipe("gpt-small"), load_recipe("bert-mini")
    assert small.training.tokens == mini.training.tokens
    assert small.training.batch_tokens == mini.training.batch_tokens
    assert small.tokenizer.vocab_size == mini.tokenizer.vocab_size


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith(("bert", "gpt"))])
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
