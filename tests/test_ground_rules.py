"""The ground rules that conftest.py sets do hold."""

from __future__ import annotations

import os
import socket
import warnings

import pytest

from tests.conftest import NetworkUsedError


@pytest.mark.parametrize("address", [("example.com", 80), ("192.0.2.1", 80), ("2001:db8::1", 80)])
def test_no_socket_leaves_this_machine(address):
    with pytest.raises(NetworkUsedError):
        socket.create_connection(address, timeout=1)


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_one_thread():
    import torch

    assert torch.get_num_threads() == 1
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"


def test_warnings_are_errors():
    with pytest.raises(UserWarning, match="careful"):
        warnings.warn("careful", stacklevel=1)


def test_shapes_in_signatures_are_checked():
    import torch
    from jaxtyping import TypeCheckError

    from gloze.nn.attention import attend

    flat = torch.zeros(3, 4)
    with pytest.raises(TypeCheckError, match="heads"):
        attend(flat, None, 0.0)
