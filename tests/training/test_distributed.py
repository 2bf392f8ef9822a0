"""Several processes together: the same training as one, whatever happens to them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from tests.small import write_shards

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="torchrun is tested on Linux")

EXACT = (
    *("encoder.hidden_dropout_prob=0", "encoder.attention_probs_dropout_prob=0"),
    *("training.precision=float32", "training.micro_batch_tokens=128"),
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("data") / "shards", 60)


def command(processes, launcher=()):
    if processes == 1:
        return [sys.executable, "-m", "gloze"]
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)),
        *(launcher or ("--master-port", str(free_port()))),
        *("-m", "gloze"),
    ]


def free_port():
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


def start(processes, shards, output, *settings, launcher=(), flags=(), there=()):
    words = [
        *there,
        *command(processes, launcher),
        *("pretrain", "bert-tiny", "--shards", str(shards), "-o", str(output), *flags),
    ]
    small = (
        *("encoder.hidden_size=32", "encoder.num_attention_heads=2", "sampler.max_length=48"),
        *("encoder.intermediate_size=64", "encoder.max_position_embeddings=64"),
        *("training.batch_tokens=256", "training.log_every=1", "training.evaluations=1"),
    )
    for change in (*small, *settings):
        words += ["--set", change]
    return subprocess.Popen(
        words,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def train(*args, **options):
    process = start(*args, **options)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


def rows(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if "split" not in row]


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def agree(one, other, steps):
    """Whether two trainings saw the same tokens and had the same losses but for rounding."""
    one, other = rows(one)[:steps], rows(other)[:steps]
    assert len(one) == len(other) == steps
    assert [row["tokens"] for row in one] == [row["tokens"] for row in other]
    for name in ("loss", "mlm_loss", "nsp_loss", "mlm_accuracy"):
        assert [r[name] for r in one] == pytest.approx([r[name] for r in other], abs=1e-5), name


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    output = tmp_path_factory.mktemp("alone") / "run"
    train(1, shards, output, *EXACT, "training.steps=50")
    return output


@pytest.mark.parametrize(("processes", "parallel"), [(2, "replicated"), (3, "sharded")])
def test_several_processes_train_as_one_does(shards, alone, tmp_path, processes, parallel):
    change = f"training.parallel={parallel}"
    text = train(processes, shards, tmp_path / "run", *EXACT, "training.steps=50", change)
    agree(alone, tmp_path / "run", 50)
    mine, theirs = weights(alone), weights(tmp_path / "run")
    assert mine.keys() == theirs.keys()
    assert all(mine[name].shape == theirs[name].shape for name in mine)
    assert text.count("Model: ") == 1


@pytest.mark.parametrize("parallel", ["replicated", "sharded"])
def test_several_processes_compute_layers_again_as_one_does(shards, alone, tmp_path, parallel):
    changes = (f"training.parallel={parallel}", "training.gradient_checkpointing=true")
    train(2, shards, tmp_path / "run", *EXACT, "training.steps=50", *changes)
    agree(alone, tmp_path / "run", 50)


def test_several_processes_unfreeze_as_one_does(shards, tmp_path):
    changes = (*EXACT, "training.steps=50", "training.unfreeze_epochs=0.4")
    runs = []
    for processes in (1, 2):
        runs.append(tmp_path / str(processes))
        text = train(processes, shards, runs[-1], *changes)
        assert [f"{depth} of 3 parts" in text for depth in range(4)] == [True] * 4
    agree(*runs, 50)


def test_a_training_goes_on_with_other_numbers_of_processes(shards, alone, tmp_path):
    sittings = [
        *((2, "sharded", 10), (1, "replicated", 20), (3, "sharded", 30), (2, "replicated", 40)),
        *((3, "replicated", 45), (2, "sharded", 50)),
    ]
    output = tmp_path / "run"
    for processes, parallel, steps in sittings:
        # A schedule of fifty steps, cut short by leaving at a signal of our own.
        stop_at(processes, shards, output, f"training.parallel={parallel}", steps)
    agree(alone, output, 50)


def stop_at(processes, shards, output, change, steps):
    flags = ("--resume",)
    settings = (*EXACT, "training.steps=50", "training.save_every=5", change)
    process = start(processes, shards, output, *settings, flags=flags)
    deadline = time.monotonic() + 120
    while process.poll() is None and steps < 50 and time.monotonic() < deadline:
        path = output / "metrics.jsonl"
        if path.exists() and len(path.read_text().splitlines()) >= steps - 5:
            os.killpg(process.pid, signal.SIGTERM)
            break
        time.sleep(0.01)
    text, _ = process.communicate(timeout=120)
    assert steps < 50 or process.returncode == 0, text


def workers(process):
    """The processes that a launcher has started."""
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children) as file:
        return [int(number) for number in file.read().split()]


def wait_for_rows(output, count, seconds=120):
    deadline = time.monotonic() + seconds
    path = output / "metrics.jsonl"
    while not (path.exists() and len(path.read_text().splitlines()) >= count):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def restarting():
    return ("--max-restarts", "2", "--master-port", str(free_port()))


def break_a_worker(shards, unbroken, output, with_signal, rank, row, *settings):
    """Hurt one process at some step; the launcher starts all anew and the end is the same."""
    process = start(2, shards, output, *settings, launcher=restarting())
    wait_for_rows(output, row)
    os.kill(workers(process)[rank], with_signal)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    one, other = weights(unbroken), weights(output)
    assert all(one[name].equal(other[name]) for name in one)
    return text


LONG = ("training.steps=120", "training.save_every=10", "training.keep_checkpoints=1")


@pytest.fixture(scope="module", params=["replicated", "sharded"])
def unbroken(request, shards, tmp_path_factory):
    output = tmp_path_factory.mktemp("unbroken") / "run"
    change = f"training.parallel={request.param}"
    train(2, shards, output, *LONG, change)
    return output, change


# Fifty times in all with both ways of spreading a model; rows spread evenly over the training.
HURT = [
    pytest.param(number % 2, 3 + 110 * number // 25, marks=pytest.mark.soak) for number in range(22)
]


@pytest.mark.parametrize(("rank", "row"), [(0, 5), (1, 40), (1, 80), *HURT])
def test_a_killed_worker_is_replaced_and_training_ends_the_same(
    shards, unbroken, tmp_path, rank, row
):
    output, change = unbroken
    hurt = (signal.SIGKILL, rank, row)
    break_a_worker(shards, output, tmp_path / "run", *hurt, *LONG, change)


def test_a_worker_that_hangs_is_found_and_replaced(shards, unbroken, tmp_path):
    output, change = unbroken
    hurt = (signal.SIGSTOP, 1, 30)
    begun = time.monotonic()
    patience = "training.timeout_seconds=5"
    break_a_worker(shards, output, tmp_path / "run", *hurt, *LONG, change, patience)
    assert time.monotonic() - begun < 150


@pytest.mark.parametrize(
    "time_", [*range(10), *(pytest.param(n, marks=pytest.mark.soak) for n in range(10, 100))]
)
def test_sharded_runs_end_cleanly(shards, tmp_path, time_):
    train(2, shards, tmp_path / "run", "training.steps=2", "training.parallel=sharded")


def test_a_port_in_use_is_named(shards, tmp_path):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        nodes = ("--nnodes", "2", "--nproc-per-node", "1", "--node-rank", "0")
        place = ("--master-addr", "127.0.0.1", "--master-port", str(port))
        process = start(2, shards, tmp_path / "run", launcher=(*nodes, *place))
        text, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"port: {port}" in text
    assert "address already in use" in text
    assert not (tmp_path / "run").exists()


def test_only_the_first_process_speaks_and_each_names_itself_in_errors(shards, tmp_path):
    process = start(2, shards, tmp_path / "run", "training.steps=2", "training.stepz=3")
    text, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "error (rank 0): " in text
    assert "Traceback" not in text.split("ChildFailedError")[0].split("torch/distributed")[0]


def test_other_verbs_are_refused_under_several_processes():
    words = [*command(2), "recipes"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert "can only pretrain and finetune: run this one without torchrun" in done.stderr


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def two_hosts():
    """Two network namespaces joined by a cable."""
    names, ends = ("gloze-a", "gloze-b"), ("gloze0", "gloze1")
    can = shutil.which("ip") and os.geteuid() == 0 and ip("netns", "add", names[0])
    if not can:
        pytest.skip("network namespaces need root and the ip command")
    try:
        ip("netns", "add", names[1])
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True), start=1):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", end)
            ip("-n", name, "link", "set", "lo", "up")
            if not ip("-n", name, "link", "set", end, "up"):
                pytest.skip("no virtual network can be made here")
        yield list(zip(names, ends, strict=True))
    finally:
        for name in names:
            ip("netns", "del", name)


def test_two_hosts_train_as_one_does_and_wait_for_one_that_comes_late(
    shards, alone, tmp_path, two_hosts
):
    output, hosts = tmp_path / "run", []
    for rank, (name, end) in enumerate(two_hosts):
        time.sleep(3 * rank)
        there = ("ip", "netns", "exec", name, "env", f"GLOO_SOCKET_IFNAME={end}")
        nodes = ("--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(rank))
        nodes += ("--master-addr", "10.77.0.1", "--master-port", "29511")
        hosts.append(
            start(2, shards, output, *EXACT, "training.steps=50", launcher=nodes, there=there)
        )
    for host in hosts:
        text, _ = host.communicate(timeout=300)
        assert host.returncode == 0, text
    agree(alone, output, 50)


def test_restarting_replaces_no_run_that_the_launch_may_not_touch(shards, alone, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(alone, output)
    before = {p: p.read_bytes() for p in output.rglob("*") if p.is_file()}
    process = start(2, shards, output, *EXACT, launcher=restarting())
    text, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "exists already" in text
    assert {p: p.read_bytes() for p in output.rglob("*") if p.is_file()} == before


SCRIPT = """
import sys
import gloze

folder, shards = sys.argv[1:]
for seed in (0, 1):
    settings = ["training.steps=3", "sampler.max_length=48", "encoder.hidden_size=32"]
    settings += ["encoder.num_attention_heads=2", "encoder.intermediate_size=64"]
    run = gloze.pretrain(
        "bert-tiny", shards=shards, output=f"{folder}/{seed}", settings=settings, seed=seed
    )
    assert run.steps == 3
"""


def test_a_script_may_train_twice(shards, tmp_path):
    (tmp_path / "twice.py").write_text(SCRIPT)
    words = [*command(2)[:-2], str(tmp_path / "twice.py"), str(tmp_path / "runs"), str(shards)]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    one, other = (weights(tmp_path / "runs" / seed) for seed in "01")
    assert not all(one[name].equal(other[name]) for name in one)


def test_a_device_of_ones_own_is_refused_to_several(shards, tmp_path):
    process = start(2, shards, tmp_path / "run", "training.steps=2", "training.device=cuda:0")
    text, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "each takes its own" in text


def test_processes_save_together_by_the_clock_of_the_first(shards, tmp_path):
    every = ("training.save_minutes=0.005", "training.keep_checkpoints=50")
    for parallel in ("replicated", "sharded"):
        change = f"training.parallel={parallel}"
        train(2, shards, tmp_path / parallel, "training.steps=60", change, *every)
        assert len(list((tmp_path / parallel / "checkpoints").glob("step-*"))) > 2
