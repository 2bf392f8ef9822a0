"""The corpus on the command line: any number of words, of which a lone hyphen is one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gloze.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The parser takes a lone hyphen for an option unless words may begin with one.
CorpusWord = Annotated[str, Parameter(allow_leading_hyphen=True)]


def refuse_options(corpus: Sequence[str], command: Callable[..., Any]) -> None:
    """Raise ConfigError if a word of the corpus is a mistyped option of ``command``."""
    known = [f"--{name.replace('_', '-')}" for name in inspect.signature(command).parameters]
    for word in corpus:
        if word.startswith("-") and word != "-":
            raise ConfigError(
                f"Unknown option: {word}. {nearest(word, known)}"
                f"See: gloze {command.__name__} --help"
            )
