"""The command line: what is printed where, and every exit code."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
from cyclopts import App, Parameter

from gloze import cli
from gloze.core.errors import (
    ConfigError,
    DataError,
    DivergedError,
    MissingExtraError,
    StoppedError,
    WriteError,
)

ROOT = Path(__file__).resolve().parents[1]
STARTUP_SECONDS = 0.5


class Summary:
    def __str__(self):
        return "7 [bold]things[/bold] done"

    def to_dict(self):
        return {"things": 7}


@pytest.fixture
def verb(monkeypatch):
    """Install a verb named ``try`` that does what a test wants."""

    def install(action):
        def attempt(*, times: Annotated[int, Parameter(alias="-n")] = 1) -> Unknown:
            """Try something."""
            return action()

        module = ModuleType("gloze.cli.attempt")
        module.attempt = attempt
        monkeypatch.setitem(sys.modules, "gloze.cli.attempt", module)
        monkeypatch.setitem(cli.VERBS, "attempt", "Try something.")

    return install


def raising(error):
    def action():
        raise error

    return action


def test_a_result_is_printed_as_it_is(verb, capsys):
    verb(Summary)
    assert cli.main(["attempt"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "7 [bold]things[/bold] done\n"
    assert captured.err == ""


def test_json_is_one_line_and_all_else_goes_to_standard_error(verb, capsys):
    def talk():
        print("talk")
        return Summary()

    verb(talk)
    assert cli.main(["attempt", "--json", "-n", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == '{"things": 7}\n'
    assert captured.err == "talk\n"


def test_json_after_two_dashes_is_a_word_of_the_verb():
    assert cli._without_json(["fill", "--", "--json"]) == (["fill", "--", "--json"], False)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("No such [recipe]."), 2, "No such [recipe]."),
        (DataError("cut.", path="a.txt", line=3, hint="Mend it."), 3, "a.txt:3: cut. Mend it."),
        (WriteError("Cannot write x."), 4, "Cannot write x."),
        (DivergedError("NaN at step 3."), 5, "NaN at step 3."),
        (StoppedError("Stopped; resume.", exit_code=75), 75, "Stopped; resume."),
        (KeyboardInterrupt(), 130, "Stopped by Ctrl-C. Nothing half-written is left."),
        (MemoryError(), 2, "Out of memory. Lower training.micro_batch_tokens"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 TB"), 2, "Out of memory."),
        (Exception("No space left (os error 28)"), 4, "Cannot write the output: No space left"),
        (
            MissingExtraError("datasets", "hub", "hf:NAME"),
            2,
            "hf:NAME needs datasets. Install it: pip install 'gloze[hub]'",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            4,
            "Cannot write runs/x: No space left on device. The disk is full",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/x"),
            4,
            "Cannot write runs/x: Permission denied. Choose a folder you may write to",
        ),
    ],
)
def test_each_error_has_its_exit_code_and_one_message(verb, capsys, error, code, message):
    verb(raising(error))
    assert cli.main(["attempt"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), OSError(errno.EIO, "Broken", "f")])
def test_our_own_fault_shows_the_traceback_and_asks_for_a_report(verb, capsys, error):
    verb(raising(error))
    assert cli.main(["attempt"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert type(error).__name__ in err
    assert "Please report it" in err.splitlines()[-1]


def test_errors_outside_the_exception_tree_are_our_fault_too(verb, capsys):
    class PanicError(BaseException):
        """Like the panics of libraries written in Rust."""

    verb(raising(PanicError("range out of bounds")))
    assert cli.main(["attempt"]) == 1
    assert "Please report it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["attempt", "--tims", "2"], "Unknown option: --tims. Did you mean --times?"),
        (["attemp"], 'Unknown command "attemp". Did you mean "attempt"?'),
        (["attempt", "--times", "two"], 'Invalid value for --times: unable to convert "two"'),
        (["attempt", "[red]"], "Unused Tokens: ['[red]']."),
        (["recipes", "bert-min"], "Unknown recipe 'bert-min'. Did you mean 'bert-mini'?"),
    ],
)
def test_wrong_usage_is_code_2_and_names_the_nearest(verb, capsys, words, message):
    verb(Summary)
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["recipes", "--help"], ["--version"], []])
def test_help_and_version_are_code_0(capsys, words):
    assert cli.main(words) == 0
    captured = capsys.readouterr()
    assert "gloze" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_verb_has_help_with_an_example_and_its_summary(name):
    text = cli.help_text(name)
    assert "Example: gloze " in text
    function = getattr(importlib.import_module(f"gloze.cli.{name}"), name)
    written = function.help if isinstance(function, App) else function.__doc__
    assert written.splitlines()[0] == cli.VERBS[name]
    assert f"gloze {name}" in text


OWN = [(name, own) for name in cli.VERBS for own in cli.verbs_of(name)]


@pytest.mark.parametrize(("name", "own"), OWN)
def test_every_verb_of_a_verb_has_help_with_an_example(name, own):
    text = cli.help_text(name, own)
    assert f"Usage: gloze {name} {own}" in text
    assert f"Example: gloze {name} {own}" in text


def test_every_file_with_a_function_of_its_name_is_a_verb():
    names = {path.stem for path in (ROOT / "src/gloze/cli").glob("*.py")} - {"__init__"}
    modules = {name: importlib.import_module(f"gloze.cli.{name}") for name in names}
    assert {name for name, module in modules.items() if hasattr(module, name)} == set(cli.VERBS)


WAITING = """
import sys, time
from pathlib import Path
from types import ModuleType
from gloze import cli
from gloze.core.files import new_folder

def attempt():
    with new_folder(Path(sys.argv[1])) as folder:
        (folder / "half").write_text("half")
        print("ready", flush=True)
        time.sleep(60)

module = ModuleType("gloze.cli.attempt")
module.attempt = attempt
sys.modules["gloze.cli.attempt"] = module
cli.VERBS["attempt"] = "Try something."
raise SystemExit(cli.main(["attempt"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_half_written(tmp_path, number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT / "src",
    )
    assert process.stdout.readline() == "ready\n"
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.startswith("error: Stopped by ")
    assert err.endswith("Nothing half-written is left.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_is_no_error():
    code = "from gloze import cli; raise SystemExit(cli.main(['recipes', 'bert-base']))"
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-c", code],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT / "src",
        timeout=60,
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize(
    "code",
    [
        "import gloze",
        "from gloze import cli; cli.main(['--help'])",
        "from gloze import cli; cli.main(['prepare', '--help'])",
    ],
)
def test_starting_is_quick_and_never_imports_torch(code):
    check = (
        f"{code}\nimport sys\nassert 'torch' not in sys.modules\nassert 'numpy' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", check], check=True, cwd=ROOT / "src", stdout=subprocess.DEVNULL
    )
    durations = []
    for _ in range(3):
        before = os.times()
        subprocess.run(
            [sys.executable, "-c", check], check=True, cwd=ROOT / "src", stdout=subprocess.DEVNULL
        )
        after = os.times()
        durations.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
    # Processor time: others may be using the machine.
    assert min(durations) < STARTUP_SECONDS


def test_python_m_gloze_is_the_command():
    process = subprocess.run(
        [sys.executable, "-m", "gloze", "recipes", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT / "src",
    )
    assert process.returncode == 0
    assert "bert-mini" in json.loads(process.stdout)["recipes"]
    assert process.stderr == ""


def test_the_command_reference_is_what_the_program_prints():
    from scripts.command_reference import reference

    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == reference(), (
        "docs/cli.md is behind the program: run python3 scripts/run.py docs"
    )
