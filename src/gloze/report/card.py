"""The card of a pre-trained model: what is known of its run, nothing invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.encoders.feed_forward import FeedForwardConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gloze.config.run import RunConfig
    from gloze.config.vectors import VectorsConfig


def model_card(config: RunConfig, facts: Mapping[str, str]) -> str:
    """Return the text of ``README.md`` in a model folder.

    Args:
        config: of the run.
        facts: what came of it, by name.
    """
    objectives = " + ".join(name for name, _ in config.objectives.items())
    encoder, head = config.encoder, []
    if isinstance(encoder, FeedForwardConfig):
        what = "A feed-forward language model"
        sizes = {"words before": encoder.context_size, "word vectors": encoder.embedding_size}
    elif encoder.direction == "bidirectional":
        fills = ["pipeline_tag: fill-mask"] if config.objectives.mlm else []
        head = ["---", "library_name: transformers", *fills, "---"]
        what, sizes = "A BERT encoder", {"layers": encoder.num_hidden_layers}
    else:
        what, sizes = "A one-way Transformer", {"layers": encoder.num_hidden_layers}
    lines = [
        *head,
        f"# {config.name}",
        "",
        f"{what} pre-trained with gloze ({objectives}), seed {config.seed}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {size} |" for name, size in sizes.items()),
        f"| hidden size | {encoder.hidden_size} |",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "",
        "The resolved recipe and every logged figure lie in the run folder beside this one.",
        "",
    ]
    return "\n".join(lines)


def vectors_card(config: VectorsConfig, facts: Mapping[str, float]) -> str:
    """Return the text of ``README.md`` in a folder of word vectors.

    Args:
        config: of the run.
        facts: what came of it, by name.
    """
    [(name, settings)] = config.objectives.items()
    kinds = (getattr(settings, kind, "") for kind in ("output", "weighting"))
    objective = ", ".join(each for each in (name, *kinds) if each)
    shown = {
        name: f"{fact:,}" if isinstance(fact, int) else f"{fact:.4f}"
        for name, fact in facts.items()
    }
    lines = [
        f"# {config.name}",
        "",
        f"Word vectors trained with gloze ({objective}), seed {config.seed}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in shown.items()),
        "",
        "Read them with `gloze.load`, or write a file for other software with `gloze vectors "
        "convert`. The resolved recipe lies in the run folder beside this one.",
        "",
    ]
    return "\n".join(lines)
