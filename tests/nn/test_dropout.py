import pytest
import torch

from gloze.nn.dropout import Drawn, dropout


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    x = torch.ones(1000, 1000)
    dropped = dropout(x, 0.1)
    zeros = (dropped == 0).float().mean().item()
    assert abs(zeros - 0.1) < 3 * (0.1 * 0.9 / 1e6) ** 0.5 + 1 / 65536
    assert torch.allclose(dropped[dropped != 0], torch.tensor(1 / 0.9))


def test_dropout_follows_the_seed_and_differs_from_call_to_call():
    x = torch.ones(100, 100)
    torch.manual_seed(5)
    first, second = dropout(x, 0.3), dropout(x, 0.3)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(x, 0.3))
    assert not torch.equal(first, second)


def test_the_gradient_of_dropout_is_its_own_mask():
    x = torch.randn(50, 50, requires_grad=True)
    torch.manual_seed(1)
    dropped = dropout(x, 0.4)
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(gradient != 0, dropped != 0)
    assert torch.allclose(gradient * x, dropped)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3, 7), (8, 8), (0, 4)])
def test_what_was_drawn_once_drops_the_same_each_time_in_every_type(shape, dtype):
    drawn = Drawn(torch.Size(shape), 0.25)
    first = drawn(torch.ones(shape, dtype=dtype))
    assert first.dtype == dtype
    assert first.shape == shape
    assert torch.equal(drawn(torch.ones(shape, dtype=dtype)), first)
    assert set(first.flatten().tolist()) <= {0.0, torch.tensor(4 / 3, dtype=dtype).item()}


def test_dropout_keeps_no_tensor_for_its_gradient():
    kept = []
    x = torch.randn(64, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda _: None):
        dropout(x, 0.1)
    assert not kept
