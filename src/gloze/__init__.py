"""gloze: pre-train language encoders on your own text and put them to work.

Every name here is imported when it is first used, so ``import gloze`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gloze.checkpoint import load_task
    from gloze.checkpoint.anything import load
    from gloze.core.errors import (
        ConfigError,
        DataError,
        DivergedError,
        GlozeError,
        StoppedError,
        WriteError,
    )
    from gloze.recipes import load_recipe
    from gloze.text.read import ReadOptions
    from gloze.tokenizers import TokenizerConfig, load_tokenizer
    from gloze.verbs.ablate import ablate
    from gloze.verbs.convert import convert
    from gloze.verbs.encode import encode
    from gloze.verbs.evaluate import evaluate
    from gloze.verbs.export import export
    from gloze.verbs.fill import fill
    from gloze.verbs.finetune import finetune
    from gloze.verbs.generate import generate
    from gloze.verbs.inspect import inspect
    from gloze.verbs.neighbors import neighbors
    from gloze.verbs.predict import predict
    from gloze.verbs.prepare import prepare
    from gloze.verbs.prepare_task import prepare_task
    from gloze.verbs.pretrain import pretrain
    from gloze.verbs.profile import profile
    from gloze.verbs.quickstart import quickstart
    from gloze.verbs.tokenizer import learn as learn_tokenizer
    from gloze.verbs.vectors_convert import convert_vectors
    from gloze.verbs.vectors_evaluate import evaluate_vectors
    from gloze.verbs.vectors_phrases import join_corpus
    from gloze.verbs.vectors_plot import plot_vectors

    __version__: str

__all__ = [
    "ConfigError",
    "DataError",
    "DivergedError",
    "GlozeError",
    "ReadOptions",
    "StoppedError",
    "TokenizerConfig",
    "WriteError",
    "__version__",
    "ablate",
    "convert",
    "convert_vectors",
    "encode",
    "evaluate",
    "evaluate_vectors",
    "export",
    "fill",
    "finetune",
    "generate",
    "inspect",
    "join_corpus",
    "learn_tokenizer",
    "load",
    "load_recipe",
    "load_task",
    "load_tokenizer",
    "neighbors",
    "plot_vectors",
    "predict",
    "prepare",
    "prepare_task",
    "pretrain",
    "profile",
    "quickstart",
]

_PLACES = {
    "ConfigError": "gloze.core.errors:ConfigError",
    "DataError": "gloze.core.errors:DataError",
    "DivergedError": "gloze.core.errors:DivergedError",
    "GlozeError": "gloze.core.errors:GlozeError",
    "ReadOptions": "gloze.text.read:ReadOptions",
    "StoppedError": "gloze.core.errors:StoppedError",
    "TokenizerConfig": "gloze.tokenizers:TokenizerConfig",
    "WriteError": "gloze.core.errors:WriteError",
    "ablate": "gloze.verbs.ablate:ablate",
    "convert": "gloze.verbs.convert:convert",
    "convert_vectors": "gloze.verbs.vectors_convert:convert_vectors",
    "encode": "gloze.verbs.encode:encode",
    "evaluate": "gloze.verbs.evaluate:evaluate",
    "evaluate_vectors": "gloze.verbs.vectors_evaluate:evaluate_vectors",
    "export": "gloze.verbs.export:export",
    "fill": "gloze.verbs.fill:fill",
    "finetune": "gloze.verbs.finetune:finetune",
    "generate": "gloze.verbs.generate:generate",
    "inspect": "gloze.verbs.inspect:inspect",
    "join_corpus": "gloze.verbs.vectors_phrases:join_corpus",
    "learn_tokenizer": "gloze.verbs.tokenizer:learn",
    "load": "gloze.checkpoint.anything:load",
    "load_recipe": "gloze.recipes:load_recipe",
    "load_task": "gloze.checkpoint:load_task",
    "load_tokenizer": "gloze.tokenizers:load_tokenizer",
    "neighbors": "gloze.verbs.neighbors:neighbors",
    "plot_vectors": "gloze.verbs.vectors_plot:plot_vectors",
    "predict": "gloze.verbs.predict:predict",
    "prepare": "gloze.verbs.prepare:prepare",
    "prepare_task": "gloze.verbs.prepare_task:prepare_task",
    "pretrain": "gloze.verbs.pretrain:pretrain",
    "profile": "gloze.verbs.profile:profile",
    "quickstart": "gloze.verbs.quickstart:quickstart",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("gloze")
    elif name in _PLACES:
        module, _, attribute = _PLACES[name].partition(":")
        value = getattr(import_module(module), attribute)
    else:
        raise AttributeError(f"module 'gloze' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
