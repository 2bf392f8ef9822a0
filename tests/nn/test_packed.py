"""Packed layers: the same numbers as plain ones, and a plain layer where they cannot be had."""

import copy

import pytest
import torch
from torch import nn

from gloze.nn import packed
from gloze.nn.packed import PackedLinear, pack


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
    if packed._can_pack(dtype):
        assert isinstance(net[0], PackedLinear)
        assert isinstance(net[2][0], PackedLinear)
    assert isinstance(net[3], nn.Linear)


def test_where_packing_gives_other_numbers_layers_stay_as_they_are(net, monkeypatch):
    packed._can_pack.cache_clear()
    wrong = lambda self, x: x.new_zeros(len(x), 64)  # noqa: E731
    monkeypatch.setattr(PackedLinear, "forward", wrong)
    try:
        pack(net)
        assert isinstance(net[0], nn.Linear)
    finally:
        packed._can_pack.cache_clear()


def test_packing_draws_no_random_numbers(net):
    packed._can_pack.cache_clear()
    before = torch.get_rng_state()
    pack(net)
    assert torch.equal(torch.get_rng_state(), before)
