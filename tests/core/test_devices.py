"""Devices: float32 products are handed to oneDNN where that keeps them exact, and only then."""

import threading

import pytest
import torch

from gloze.core import devices
from gloze.core.devices import float32_products

CPU = torch.device("cpu")


def setting():
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(devices, "_keeps_float32", lambda: True)


def test_products_keep_float32_forward_and_backward():
    draw = torch.Generator().manual_seed(1)
    left, right = (torch.randn(200, 300, generator=draw).requires_grad_() for _ in range(2))
    with float32_products(CPU):
        product = left @ right.T
        product.sum().backward()
    exact = left.detach().double() @ right.detach().double().T
    assert (product.detach() - exact).norm() < 2e-6 * exact.norm()
    expected = right.detach().double().sum(0).expand(200, -1)
    assert (left.grad - expected).norm() < 2e-6 * expected.norm()


def test_the_setting_is_put_back_even_after_an_error(kept):
    def fail():
        with float32_products(CPU):
            seen.append(setting())
            raise ZeroDivisionError

    before, seen = setting(), []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == ["bf16"]
    assert setting() == before
    torch.get_float32_matmul_precision()  # Raises while the settings contradict each other.


def test_whoever_leaves_last_puts_it_back(kept):
    before = setting()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with float32_products(CPU):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with float32_products(CPU):
        thread.start()
        assert inside.wait(10)
    assert setting() == "bf16"
    leave.set()
    thread.join()
    assert setting() == before


def test_where_it_costs_exactness_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(devices, "_keeps_float32", lambda: False)
    before = setting()
    with float32_products(CPU):
        assert setting() == before
