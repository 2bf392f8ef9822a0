"""The command line: finds the verb, prints its result, turns errors into exit codes."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App, CycloptsError

from gloze.core.errors import ConfigError, GlozeError, StoppedError
from gloze.core.files import writing
from gloze.core.launch import launched
from gloze.core.memory import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from rich.console import Console

# Each verb is one function of its name in gloze/cli/<verb>.py, imported only when it is used.
VERBS = {
    "quickstart": "Run the whole path on text every machine has.",
    "recipes": "List the named recipes, or print one.",
    "tokenizer": "Learn a vocabulary from a corpus.",
    "prepare": "Encode a corpus into shards, with some documents held out.",
    "pretrain": "Pre-train an encoder, or word vectors.",
    "finetune": "Fine-tune an encoder on labelled examples.",
    "evaluate": "Judge a fine-tuned run on labelled examples, a pre-trained one on text or pairs.",
    "ablate": "Train arms alike, fine-tune them on the same tasks, and compare them.",
    "predict": "Answer every example of a file, with a probability for each label.",
    "encode": "Write the vectors of texts, of their words or of their tokens.",
    "fill": "Fill the blanks of a text.",
    "generate": "Let a language model go on with a text.",
    "neighbors": "Find the occurrences nearest to a word in its sentence, and the nearest tokens.",
    "vectors": "Ask, judge, convert and draw word vectors.",
    "inspect": "Say what a model is, write its embedding tables, judge its layers.",
    "convert": "Write a model in the layout that other software reads.",
    "export": "Export an encoder, with its pooling or its task, as an ONNX graph.",
}
# What torchrun may start.
_TOGETHER = ("pretrain", "finetune")
# Options whose argument may be a lone hyphen, or that say themselves why it may not.
_TAKE_STDIN = (
    *("--corpus", "--data", "--input", "--texts", "--probe"),
    *("--train", "--dev", "--test"),
)
_NO_HALVES = "Nothing half-written is left."
_JSON_HELP = (
    "Every verb also takes --json: one line of JSON on standard output, all else on standard error."
)
_OUT_OF_MEMORY = (
    "Out of memory. Lower training.micro_batch_tokens, sampler.memory_megabytes, --workers or the "
    "size of the model."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: the words after ``gloze``; those of this process by default.
    """
    words, as_json = _without_json(list(sys.argv[1:] if argv is None else argv))
    words = _with_joined_hyphen(words)
    if hasattr(sys.stdout, "reconfigure"):
        # File names and text may hold what the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _sigterm_stops():
            if as_json:
                with contextlib.redirect_stdout(sys.stderr):
                    result = _call(words)
            else:
                result = _call(words)
        return _print_result(result, as_json=as_json)
    except BaseException as error:
        return _exit_code(error)


def build_app(
    verb: str | None = None, *, formatter: Literal["default", "plain"] = "default"
) -> App:
    """Return the parser; only ``verb``, if given, will be imported."""
    app = App(
        name="gloze",
        help="Pre-train language encoders on your own text and put them to work.",
        help_epilogue=_JSON_HELP,
        help_format="plaintext",
        help_formatter=formatter,
        version=_version,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for place, (name, summary) in enumerate(VERBS.items()):
        if name == verb:
            function = _function(name)
            if isinstance(function, App):
                function.sort_key = place
                app.command(function)
            else:
                app.command(function, name=name, sort_key=place)
        else:
            app.command(_listed_only, name=name, help=summary, sort_key=place)
    return app


def _function(verb: str) -> Callable[..., Any] | App:
    """Import the function of a verb, or the parser of one that has verbs of its own."""
    function: Callable[..., Any] | App = getattr(import_module(f"gloze.cli.{verb}"), verb)
    if not isinstance(function, App):
        # The parser looks up every annotation, and the result's type is not imported at run time.
        function.__annotations__.pop("return", None)
    return function


def _listed_only() -> None:
    """Stand for a verb that is not the one being run."""


def verbs_of(verb: str) -> list[str]:
    """Return the verbs that a verb has of its own, as ``gloze vectors`` does, by name."""
    function = _function(verb)
    own = function if isinstance(function, App) else ()
    return sorted(name for name in own if not name.startswith("-"))


def help_text(*verbs: str, width: int = 80) -> str:
    """Return what ``gloze VERB --help`` prints, as plain text of this width.

    ``verbs`` are none, one, or one and one of its own.
    """
    console = _plain_console(width)
    with console.capture() as capture:
        app = build_app(next(iter(verbs), None), formatter="plain")
        app([*verbs, "--help"], console=console)
    return "\n".join(line.rstrip() for line in capture.get().strip().splitlines()) + "\n"


def _plain_console(width: int) -> Console:
    from rich.console import Console

    return Console(width=width, color_system=None, force_terminal=False, highlight=False)


def _version() -> str:
    from importlib.metadata import version

    return f"gloze {version('gloze')}"


def _without_json(words: list[str]) -> tuple[list[str], bool]:
    """Take ``--json`` out of the words, wherever it stands before ``--``."""
    end = words.index("--") if "--" in words else len(words)
    options = [word for word in words[:end] if word != "--json"]
    return options + words[end:], len(options) < end


def _with_joined_hyphen(words: list[str]) -> list[str]:
    """Write ``--corpus -`` as ``--corpus=-``: the parser takes a lone hyphen for an option."""
    joined: list[str] = []
    for word in words:
        if word == "-" and joined and joined[-1] in _TAKE_STDIN:
            joined[-1] += "=-"
        else:
            joined.append(word)
    return joined


def _call(words: list[str]) -> Any:
    verb = next((word for word in words if word in VERBS), None)
    if launched()[1] > 1 and (verb not in _TOGETHER or "--profile" in words):
        raise ConfigError(
            f"Several processes together can only {' and '.join(_TOGETHER)}: run this one without "
            "torchrun."
        )
    return build_app(verb)(words)


def _print_result(result: Any, *, as_json: bool) -> int:
    """Print what a verb returned; a reader that has seen enough is not an error.

    Of several processes the first prints. A result of which a part failed tells with what.
    """
    if result is None or launched()[0] > 0:
        return 0
    text = json.dumps(_plain(result.to_dict()), ensure_ascii=False) if as_json else str(result)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would write what is left at exit, and complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return getattr(result, "exit_code", 0)


def _plain(value: Any) -> Any:
    """Return the value with null for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def _sigterm_stops() -> Iterator[None]:
    """Make SIGTERM unwind like an error, so that temporary files are removed.

    Training puts its own handler in place while it runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != owner:
            # A forked worker inherits the handler; it has nothing to tidy up or say.
            os.kill(os.getpid(), number)
            return
        raise StoppedError(f"Stopped by SIGTERM. {_NO_HALVES}", exit_code=75)

    old = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


def _exit_code(error: BaseException) -> int:
    """Say on standard error what ended the command; return the exit code of design.md."""
    error = _as_ours(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, GlozeError):
        rank, size = launched()
        print(f"error{f' (rank {rank})' if size > 1 else ''}: {error}", file=sys.stderr)
        return error.exit_code
    traceback.print_exception(error, file=sys.stderr)
    print(
        f"error: This is a bug in {_version()}, not in what you did. Please report it with the "
        "lines above and the command you gave.",
        file=sys.stderr,
    )
    return 1


def _as_ours(error: BaseException) -> BaseException:
    """Return the GlozeError that says the same, or ``error`` itself if there is none."""
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(f"Stopped by Ctrl-C. {_NO_HALVES}", exit_code=130)
    if isinstance(error, CycloptsError):
        return ConfigError(_usage(error))
    if is_out_of_memory(error):
        return ConfigError(_OUT_OF_MEMORY)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return ConfigError(f"{str(error.filename)[:60]}...: the name is too long for a file.")
    if isinstance(error, Exception):
        try:
            with writing(Path(getattr(error, "filename", None) or "the output")):
                raise error
        except Exception as same:
            return same
    return error


def _usage(error: CycloptsError) -> str:
    """Return the parser's message in one line, with where to read on."""
    message = " ".join(str(error).split())
    verbs = [word for word in error.command_chain or () if word in VERBS]
    if "Unknown option" in message:
        message += " (A text that begins with a hyphen goes behind a lone --.)"
    return f"{message} See: gloze {' '.join([*verbs[:1], '--help'])}"
