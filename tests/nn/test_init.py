"""Tests of how networks start: where their heads look before anything is learned."""

import pytest
import torch

from gloze.core.errors import ConfigError
from gloze.encoders.transformer import TransformerConfig
from gloze.interop.huggingface import to_theirs
from tests.small import batch_of


def first_looks(sizes, words, kinds=None, **settings):
    """How much each head of a new network looks from token to token, [heads, tokens, tokens]."""
    torch.manual_seed(0)
    model = TransformerConfig(**settings, **sizes).build(1000).eval()
    states, attention = model(batch_of(words, kinds=kinds)), model.layers[0].attention
    query, key, _ = (
        torch.einsum("ti,hdi->htd", states[0], weight) + bias[:, None]
        for weight, bias in zip(attention.weights(), attention.biases(), strict=True)
    )
    scores = query @ key.transpose(1, 2) / attention.head_size**0.5
    return scores.softmax(-1).detach()


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2},
        {"hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4},
        {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 1},
    ],
)
def test_a_local_start_looks_at_neighbours_behind_and_ahead_in_turn(sizes):
    torch.manual_seed(1)
    found = first_looks(sizes, torch.randint(0, 1000, (48,)).tolist(), initialization="local")
    look = {d: found.diagonal(d, 1, 2).mean(-1) for d in range(-6, 7)}
    for head in range(min(4, sizes["num_attention_heads"])):
        near, side = head // 2 + 1, 1 if head % 2 else -1
        assert look[side * near][head] + look[side * (near + 1)][head] > 0.6
        assert look[-side * 2][head] < 0.05


def first_weights(start, **sizes):
    """The weights of a new network under Hugging Face's names, which keep the parts apart."""
    torch.manual_seed(0)
    state = TransformerConfig(initialization=start, **sizes).build(90).state_dict()
    return to_theirs({f"encoder.{name}": tensor for name, tensor in state.items()})


def test_a_local_start_leaves_the_upper_layers_and_all_other_weights_as_published():
    sizes = {"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 4}
    published, local = (first_weights(start, **sizes) for start in ("published", "local"))
    changed = {name for name, weight in local.items() if not torch.equal(weight, published[name])}
    touched = {
        f"bert.encoder.layer.{layer}.attention.self.{part}.weight"
        for layer in (0, 1)
        for part in ("query", "key")
    }
    assert changed == {"bert.embeddings.position_embeddings.weight"} | touched


def test_a_local_start_needs_heads_that_hold_a_wave():
    with pytest.raises(ConfigError, match="at least 2 numbers"):
        TransformerConfig(hidden_size=8, num_attention_heads=8, initialization="local")


def test_a_local_start_serves_heads_of_odd_size():
    model = TransformerConfig(hidden_size=15, num_attention_heads=3, initialization="local")
    assert all(torch.isfinite(w).all() for w in model.build(50).state_dict().values())


SIZES = [
    {"hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4},
    {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 2},
]


@pytest.mark.parametrize("sizes", SIZES)
def test_matching_heads_find_the_same_word_in_the_other_segment(sizes):
    first = list(range(10, 40))
    second = list(range(39, 9, -1))
    found = first_looks(
        sizes, [2, *first, 3, *second, 3], kinds=[0] * 32 + [1] * 31, initialization="matching"
    )
    heads = sizes["num_attention_heads"]
    here = torch.arange(1, 31)
    there = 62 - here
    assert (found[heads // 2 :, here, there].mean(1) > 0.5).all()
    assert (found[heads // 2 :, there, here].mean(1) > 0.5).all()
    assert (found[heads // 2 :, here, here].mean(1) < 0.1).all()
    assert (found[: heads // 2, here, there].mean(1) < 0.1).all()


@pytest.mark.parametrize("sizes", SIZES)
def test_matching_heads_look_at_the_first_token_where_no_word_comes_twice(sizes):
    found = first_looks(sizes, list(range(10, 58)), initialization="matching")
    seen = found[sizes["num_attention_heads"] // 2 :, 8:].mean(1).mean(0)
    assert seen.argmax() < 2  # the next position is like it
    assert seen[:2].sum() > 0.2


def test_a_matching_start_changes_half_of_the_heads_of_a_local_one():
    sizes = {"hidden_size": 128, "num_attention_heads": 4, "num_hidden_layers": 4}
    local, matching = (first_weights(start, **sizes) for start in ("local", "matching"))
    differing = set()
    for name, weight in local.items():
        places = (weight != matching[name]).nonzero()
        if len(places):
            differing.add(name)
            assert places[:, 1 if "output.dense" in name else 0].min() >= 64, name
    parts = ("query.weight", "query.bias", "key.weight", "value.weight")
    for layer in ("bert.encoder.layer.0.attention.", "bert.encoder.layer.1.attention."):
        differing -= {f"{layer}self.{part}" for part in parts} | {f"{layer}output.dense.weight"}
    assert not differing


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ({"hidden_size": 24, "num_attention_heads": 8}, "at least 4 numbers; these have 3"),
        ({"hidden_size": 64, "num_attention_heads": 1}, "at least 2 encoder.num_attention_heads"),
        (
            {"hidden_size": 16, "num_attention_heads": 2, "type_vocab_size": 5},
            "at most 4 encoder.type_vocab_size at these sizes; it is 5",
        ),
    ],
)
def test_a_matching_start_is_refused_where_its_heads_have_no_room(sizes, problem):
    with pytest.raises(ConfigError, match=problem):
        TransformerConfig(initialization="matching", **sizes)


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 8, "num_attention_heads": 2},
        {"hidden_size": 15, "num_attention_heads": 3, "type_vocab_size": 8},
        {"hidden_size": 16, "num_attention_heads": 2, "type_vocab_size": 4},
        {"hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 3},
    ],
)
def test_a_matching_start_serves_the_smallest_heads_it_allows(sizes):
    model = TransformerConfig(initialization="matching", **sizes).build(50)
    assert all(torch.isfinite(w).all() for w in model.state_dict().values())
