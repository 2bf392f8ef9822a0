"""Packed layers: the same numbers as plain ones, and a plain layer where they cannot be had."""

import copy

import pytest
import torch
from torch import nn

from gloze.nn import packed
from gloze.nn.layout import Layout
from gloze.nn.packed import PackedLayer, PackedLinear, pack
from gloze.nn.rows import round_up_rows
from gloze.nn.transformer_layer import TransformerLayer


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(24, 40), nn.GELU(), nn.Sequential(nn.Linear(40, 8)), nn.Linear(8, 8, bias=False)
    ).eval()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("rows", [1, 16, 63, 300])
def test_a_packed_net_gives_the_numbers_of_a_plain_one(net, dtype, tolerance, rows):
    net = net.to(dtype)
    x = torch.randn(rows, 24).to(dtype)
    plain = copy.deepcopy(net)
    with torch.inference_mode():
        pack(net)
        assert torch.allclose(net(x).float(), plain(x).float(), atol=tolerance, rtol=tolerance)
    if packed.can_pack(dtype):
        assert isinstance(net[0], PackedLinear)
        assert isinstance(net[2][0], PackedLinear)
    assert isinstance(net[3], nn.Linear)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-2)])
@pytest.mark.parametrize("lengths", [[1], [7], [64], [65], [5, 9, 2], [80, 3]])
@pytest.mark.parametrize("norm_position", ["after", "before"])
def test_a_packed_layer_gives_the_numbers_of_a_plain_one_without_dropout(
    norm_position, lengths, dtype, tolerance
):
    torch.manual_seed(0)
    layer = TransformerLayer(
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0.5,
        attention_probs_dropout_prob=0.5,
        layer_norm_eps=1e-12,
        norm_position=norm_position,
    )
    layer = layer.eval().to(dtype)
    hidden = round_up_rows(torch.randn(sum(lengths), 32).to(dtype))
    ends = torch.tensor([0, *lengths]).cumsum(0, dtype=torch.int32)
    places = torch.cat([torch.arange(n) for n in lengths])
    layout = Layout(ends, places, max(lengths))
    layers = nn.ModuleList([copy.deepcopy(layer)])
    pack(layers)
    assert isinstance(layers[0], PackedLayer) or not packed.can_pack(dtype)
    with torch.inference_mode():
        expected, found = layer(hidden, layout), layers[0](hidden, layout)
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected.float(), atol=tolerance)


@pytest.mark.parametrize("way", ["forward", "gelu", "add"])
def test_where_packing_gives_other_numbers_layers_stay_as_they_are(net, way, monkeypatch):
    packed.can_pack.cache_clear()
    wrong = lambda self, x, *_: x.new_zeros(len(x), 64)  # noqa: E731
    monkeypatch.setattr(PackedLinear, way, wrong)
    try:
        pack(net)
        assert isinstance(net[0], nn.Linear)
    finally:
        packed.can_pack.cache_clear()


def test_packing_draws_no_random_numbers(net):
    packed.can_pack.cache_clear()
    before = torch.get_rng_state()
    pack(net)
    assert torch.equal(torch.get_rng_state(), before)
