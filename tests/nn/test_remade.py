import weakref

import pytest
import torch
import torch.nn.functional as F

from gloze.nn.dropout import dropout
from gloze.nn.remade import call_remade, use_remade


def test_gradients_are_those_of_what_is_kept():
    torch.manual_seed(0)
    x, weight = torch.randn(5, 8, requires_grad=True), torch.randn(3, 8, requires_grad=True)
    remade = use_remade(lambda: F.gelu(x), lambda made: F.linear(made, weight))
    kept = F.linear(F.gelu(x), weight)
    assert torch.equal(remade, kept)
    sides = [torch.autograd.grad(y.square().sum(), (x, weight)) for y in (remade, kept)]
    for one, other in zip(*sides, strict=True):
        assert torch.equal(one, other)


def test_what_was_made_is_gone_before_the_backward_pass():
    x, weight = torch.randn(5, 8, requires_grad=True), torch.randn(3, 8, requires_grad=True)
    made = []

    def make():
        made.append(weakref.ref(result := F.gelu(x)))
        return result

    y = use_remade(make, lambda it: F.linear(it, weight))
    assert [ref() for ref in made] == [None]
    y.sum().backward()
    assert len(made) == 2


def test_a_change_in_place_before_the_backward_pass_is_noticed():
    x, weight = torch.randn(5, 8, requires_grad=True), torch.randn(3, 8, requires_grad=True)
    y = use_remade(lambda: F.gelu(x), lambda made: F.linear(made, weight))
    with torch.no_grad():
        weight.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_without_gradients_nothing_is_made_twice():
    calls = []
    with torch.no_grad():
        y = use_remade(lambda: calls.append(1) or torch.ones(2), lambda it: it + 1)
    assert y.tolist() == [2, 2]
    assert calls == [1]


class Layer(torch.nn.Module):
    """A layer with dropout, of which a part is made again by itself."""

    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(8, 16), torch.nn.Linear(16, 8)
        self.made = []

    def forward(self, x):
        inner = self.up(x)

        def make():
            self.made.append(weakref.ref(inner))
            return F.gelu(inner)

        return x + dropout(use_remade(make, self.down), 0.5)


def test_a_layer_made_again_draws_the_same_and_has_the_same_gradients():
    torch.manual_seed(0)
    layers, x = [Layer() for _ in range(3)], torch.randn(5, 8, requires_grad=True)
    weights = [x, *(weight for layer in layers for weight in layer.parameters())]
    sides = []
    for call in (call_remade, lambda layer, hidden: layer(hidden)):
        torch.manual_seed(1)
        hidden = x
        for layer in layers:
            hidden = call(layer, hidden)
        sides.append([hidden, torch.rand(1), *torch.autograd.grad(hidden.square().sum(), weights)])
    for one, other in zip(*sides, strict=True):
        assert torch.equal(one, other)


def test_of_a_layer_made_again_nothing_is_kept_inside():
    layer, x = Layer(), torch.randn(5, 8, requires_grad=True)
    kept = layer(x)
    assert layer.made.pop()() is not None
    remade = call_remade(layer, x)
    assert [ref() for ref in layer.made] == [None]
    (kept + remade).sum().backward()
    # Once more each: the part by itself, and the layer as a whole.
    assert len(layer.made) == 3
