"""Attention without padding gives what plain attention gives each sequence alone."""

import itertools

import pytest
import torch

from gloze.nn import attention
from gloze.nn.attention import SelfAttention, attend, attend_jagged
from gloze.nn.dropout import Drawn
from gloze.nn.layout import Layout
from gloze.nn.rows import round_up_rows

DIRECTIONS = ("bidirectional", "left_to_right", "right_to_left")
LENGTHS = ([3, 7, 1, 12], [5, 5, 5], [9], [2, 300, 40, 1, 295, 41])


def layout_of(lengths, direction="bidirectional"):
    places = torch.cat([torch.arange(n) for n in lengths])
    ends = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)
    return Layout(ends, places, max(lengths), direction)


def plain(query, key, value, lengths, direction):
    """Softmax(QK/sqrt(d))V in float64, one sequence and one head at a time."""
    result = torch.zeros_like(query)
    start = 0
    for size in lengths:
        part = slice(start, start + size)
        for head in range(query.shape[1]):
            q, k, v = (x[part, head].double() for x in (query, key, value))
            scores = q @ k.T / q.shape[-1] ** 0.5
            order = torch.arange(size)[:, None] - torch.arange(size)
            hidden = {"left_to_right": order < 0, "right_to_left": order > 0}.get(direction)
            if hidden is not None:
                scores = scores.masked_fill(hidden, float("-inf"))
            result[part, head] = (scores.softmax(-1) @ v).to(result.dtype)
        start += size
    return result


def random_heads(lengths):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(sum(lengths), 2, 8, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_attention_agrees_with_plain_attention(lengths, direction):
    query, key, value = random_heads(lengths)
    mixed = attend(torch.stack((query, key, value), 1), layout_of(lengths, direction), 0.0)
    assert torch.allclose(mixed, plain(query, key, value, lengths, direction), atol=1e-6)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_sequences_given_as_they_lie_agree_with_plain_attention(lengths):
    query, key, value = random_heads(lengths)
    mixed = attend_jagged(torch.stack((query, key, value), 1), layout_of(lengths), 0.0)
    assert torch.allclose(mixed, plain(query, key, value, lengths, "bidirectional"), atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", LENGTHS)
def test_the_kernel_of_cuda_agrees_with_plain_attention(lengths):
    heads = [x.cuda().bfloat16() for x in random_heads(lengths)]
    layout = layout_of(lengths)
    on_device = Layout(layout.cu_seqlens.cuda(), layout.position_ids.cuda(), max(lengths))
    mixed = attend(torch.stack(heads, 1), on_device, 0.0).float().cpu()
    expected = plain(*(x.float().cpu() for x in heads), lengths, "bidirectional")
    assert torch.allclose(mixed, expected, atol=2e-2)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_the_spelled_out_kernel_agrees_when_dropout_keeps_all(lengths, direction, monkeypatch):
    monkeypatch.setattr(attention, "Drawn", lambda shape, rate: lambda x: x)
    query, key, value = random_heads(lengths)
    mixed = attend(torch.stack((query, key, value), 1), layout_of(lengths, direction), 0.5)
    assert torch.allclose(mixed, plain(query, key, value, lengths, direction), atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradients_agree_with_plain_attention(lengths, dtype, tolerance):
    heads = [x.requires_grad_() for x in random_heads(lengths)]
    weights = torch.randn(sum(lengths), 2, 8)
    mixed = attend(torch.stack(heads, 1).to(dtype), layout_of(lengths), 0.0)
    assert mixed.dtype == dtype
    mine = torch.autograd.grad((mixed * weights).sum(), heads)
    q, k, v = heads
    reference, start = [], 0
    for size in lengths:
        part = slice(start, start + size)
        scores = torch.einsum("qhd,khd->hqk", q[part], k[part]) / 8**0.5
        reference.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), v[part]))
        start += size
    theirs = torch.autograd.grad((torch.cat(reference) * weights).sum(), heads)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, atol=tolerance)


def test_gradients_with_dropout_agree_with_plain_attention_under_the_same_mask():
    size, rate = 9, 0.4
    heads = [x.requires_grad_() for x in random_heads([size])]
    torch.manual_seed(3)
    mixed = attend(torch.stack(heads, 1), layout_of([size]), rate)
    torch.manual_seed(3)
    factors = Drawn(torch.Size([2, size, size]), rate).factors(torch.float32)
    q, k, v = heads
    weights = (torch.einsum("qhd,khd->hqk", q, k) / 8**0.5).softmax(-1) * factors
    expected = torch.einsum("hqk,khd->qhd", weights, v)
    assert torch.allclose(mixed, expected, atol=1e-6)
    sides = [torch.autograd.grad(x.square().sum(), heads) for x in (mixed, expected)]
    for one, other in zip(*sides, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_self_attention_is_three_projections_attention_and_one_projection():
    torch.manual_seed(0)
    module = SelfAttention(hidden_size=16, num_attention_heads=2, dropout=0.0)
    hidden, lengths = torch.randn(10, 16), [4, 6]
    parts = [
        torch.einsum("ti,hdi->thd", hidden, weight) + bias
        for weight, bias in zip(module.weights(), module.biases(), strict=True)
    ]
    expected = module.output(plain(*parts, lengths, "bidirectional").flatten(1))
    assert torch.allclose(module(hidden, layout_of(lengths)), expected, atol=1e-6)


def test_rows_past_the_tokens_change_nothing_and_get_no_gradient():
    torch.manual_seed(0)
    module = SelfAttention(hidden_size=16, num_attention_heads=2, dropout=0.0)
    hidden = torch.randn(10, 16)
    padded = round_up_rows(hidden).requires_grad_()
    padded.data[10:] = 1e6
    mixed = module(padded, layout_of([4, 6]))
    assert mixed.shape == (12, 16)
    assert torch.allclose(mixed[:10], module(hidden, layout_of([4, 6])), atol=1e-6)
    (gradient,) = torch.autograd.grad(mixed[:10].sum(), padded)
    assert not gradient[10:].any()


def test_both_ways_on_a_cpu_give_the_same_numbers(monkeypatch):
    torch.manual_seed(0)
    heads, layout = torch.randn(40, 3, 2, 8), layout_of([7, 20, 13])
    one = attend(heads, layout, 0.0)
    monkeypatch.setattr("gloze.nn.attention.SHORT", 0)
    assert torch.allclose(attend(heads, layout, 0.0), one, atol=1e-6)


def test_the_flash_kernel_takes_what_it_is_given_in_this_order():
    """It runs on CUDA alone, where a trial decides; its place in PyTorch is not promised."""
    schema = torch.ops.aten._flash_attention_forward.default._schema
    names = [argument.name for argument in schema.arguments]
    assert names[:10] == [
        *("query", "key", "value", "cum_seq_q", "cum_seq_k", "max_q", "max_k", "dropout_p"),
        *("is_causal", "return_debug_mask"),
    ]


@pytest.mark.parametrize(("factor", "taken"), [(1.0, True), (1.2, False), (None, False)])
def test_the_flash_kernel_is_taken_if_a_trial_agrees(monkeypatch, factor, taken):
    """Also when the first call comes from inside inference."""

    def stand_in(heads, layout, dropout_rate):
        if factor is None:
            raise RuntimeError("no such kernel")
        return attend(heads, layout, dropout_rate) * factor

    monkeypatch.setattr(attention, "attend_flash", stand_in)
    attention._has_flash.cache_clear()
    with torch.inference_mode():
        assert attention._has_flash(torch.device("cpu"), torch.bfloat16) is taken
    attention._has_flash.cache_clear()
