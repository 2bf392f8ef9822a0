import pytest
import torch

from gloze.nn.softmax import softmax


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.bfloat16, 1e-2), (torch.float16, 1e-3), (torch.float32, 1e-6), (torch.float64, 1e-12)],
)
@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 31, 32, 33, 64, 100])
def test_numbers_and_gradients_of_every_width_are_those_in_float64(width, dtype, tolerance):
    draw = torch.Generator().manual_seed(width)
    scores = (4 * torch.randn(3, 5, width, generator=draw)).to(dtype)
    scores[0, :, : width // 2] = -torch.inf
    weights = torch.randn(3, 5, width, generator=draw).to(dtype)
    exact = scores.to(torch.float64, copy=True).requires_grad_()
    given = scores.clone().requires_grad_()
    expected, found = exact.softmax(-1), softmax(given)
    assert found.dtype == dtype
    assert torch.allclose(found.double(), expected, atol=tolerance)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert torch.allclose(given.grad.double(), exact.grad, atol=4 * tolerance)
    with torch.no_grad():
        assert torch.equal(softmax(scores), found)
