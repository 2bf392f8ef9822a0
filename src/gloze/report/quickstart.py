"""What a quickstart found, as text for the terminal, as JSON and as a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.progress import duration
from gloze.metrics.statistics import spread
from gloze.metrics.table import text_table
from gloze.report.sections import Curves, Example, Examples, Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

CORPUS = "corpus"
_COLUMNS = ("start", "test accuracy", "test macro F1", "seeds", "training")


@dataclass(frozen=True)
class Arm:
    """One way to the classifier, and how good it was on the test examples.

    Attributes:
        name: where its weights start from.
        accuracy, macro_f1: one figure for each seed.
        recall: for each area the share of its examples that were found, over all seeds.
        seconds: of training, all seeds together.
    """

    name: str
    accuracy: tuple[float, ...]
    macro_f1: tuple[float, ...]
    recall: tuple[float, ...]
    seconds: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The arm as a row of the table, mean and standard deviation over seeds."""
        seeds = str(len(self.accuracy)) if self.seconds else ""
        took = duration(self.seconds) if self.seconds else ""
        return (self.name, str(spread(self.accuracy)), str(spread(self.macro_f1)), seeds, took)


@dataclass(frozen=True, kw_only=True)
class QuickstartResult:
    """What a quickstart did and found, and where it lies.

    Attributes:
        path: the folder: corpus, tokenizer, shards, runs, report and results.
        documents, characters: of the corpus to pre-train on.
        examples: labelled docstrings in each split.
        labels: the areas of the library, in the order of their numbers.
        vocab_size, parameters: of the model.
        pretraining_tokens, pretraining_seconds: what pre-training took.
        held_out: its figures on held-out documents.
        unigram_loss: loss there of guessing by how frequent each token is; None without any.
        blanks: a text with its [MASK], and the likeliest tokens with their probabilities.
        arms: the classifiers, the simplest first, the pre-trained one last.
        cases: test examples: text, true area and module, the likeliest areas.
        seed, seeds: of pre-training and the first classifier; classifiers of each kind.
        seconds: all in all.
    """

    path: Path
    documents: int
    characters: int
    examples: dict[str, int]
    labels: list[str]
    vocab_size: int
    parameters: int
    pretraining_tokens: int
    pretraining_seconds: float
    held_out: dict[str, float]
    unigram_loss: float | None
    blanks: list[tuple[str, list[tuple[str, float]]]]
    arms: list[Arm]
    cases: list[tuple[str, str, list[tuple[str, float]]]]
    seed: int
    seeds: int
    seconds: float

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def gain(self) -> float:
        """Mean test accuracy of the pre-trained arm minus that of random weights."""
        return spread(self.arms[-1].accuracy).mean - spread(self.arms[-2].accuracy).mean

    def __str__(self) -> str:
        lines = [
            f"Which of {len(self.labels)} areas of the library a docstring is from "
            f"({self.examples['test']:,} test examples; mean ± standard deviation over seeds):",
            text_table(_COLUMNS, [arm.cells for arm in self.arms]),
            f"Pre-training brought {100 * self.gain:+.1f} points of accuracy. "
            f"All in all: {duration(self.seconds)}.",
            f"Report: {self.report}",
            f"Results: {self.path / 'results.json'}",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON knows it, with mean and deviation of each arm."""
        arms = [
            {
                "name": arm.name,
                "accuracy": spread(arm.accuracy).to_dict(),
                "macro_f1": spread(arm.macro_f1).to_dict(),
                "recall": dict(zip(self.labels, arm.recall, strict=True)),
                "seconds": arm.seconds,
            }
            for arm in self.arms
        ]
        return {**asdict(self), "path": str(self.path), "report": str(self.report), "arms": arms}


def quickstart_sections(result: QuickstartResult, curves: Sequence[Curves]) -> list[Section]:
    """Return the page: what was found, how training went, examples, and what to make of it."""
    return [
        Text(text=_summary(result)),
        Table(
            heading="The figures",
            columns=_COLUMNS,
            rows=[arm.cells for arm in result.arms],
            caption=f"On {result.examples['test']:,} test docstrings. Mean ± sample standard "
            f"deviation over {result.seeds} seeds. Macro F1 is the mean over the "
            f"{len(result.labels)} areas.",
        ),
        Text(heading="What this shows, and what it cannot", text=_limits(result)),
        *curves,
        _blanks(result),
        _areas(result),
        Examples(
            heading="Test docstrings, taken at even distances",
            items=[
                Example(_short(text), answers, f"True area: {truth}")
                for text, truth, answers in result.cases
            ],
            caption="The three areas that the pre-trained classifier (the best seed on dev) finds "
            "likeliest, right or wrong.",
        ),
        _settings(result),
    ]


def _summary(result: QuickstartResult) -> str:
    return (
        "The main job, whole: a corpus became a vocabulary, shards, a pre-trained BERT and a "
        "tested classifier. The text is the documentation that ships inside Python's standard "
        "library. The question to the classifier: which area of the library is a docstring from?"
        f"\n\nPre-training brought {100 * result.gain:+.1f} points of test accuracy over the same "
        f"network from random weights. Everything took {duration(result.seconds)}."
    )


def _limits(result: QuickstartResult) -> str:
    floor = ""
    if result.unigram_loss is not None and "mlm_loss" in result.held_out:
        floor = (
            f" On held-out documents its loss is {result.held_out['mlm_loss']:.2f} nats a token, "
            f"against {result.unigram_loss:.2f} for a guess that knows only how frequent each "
            "token is: it has begun to learn from context."
            if result.held_out["mlm_loss"] < result.unigram_loss - 0.1
            else f" On held-out documents its loss is {result.held_out['mlm_loss']:.2f} nats a "
            f"token, hardly below the {result.unigram_loss:.2f} of a guess that knows only how "
            "frequent each token is: it has not learned from context, and needs more training."
        )
    return (
        "It shows that every part works and that they fit together: reading, tokenizer, shards, "
        "pre-training, fine-tuning, scoring. It shows whether pre-training on a little text of "
        "the field helps a classifier with few examples, everything else being equal: both "
        "classifiers have the same network, examples, settings and seeds."
        f"\n\nIt cannot show what such models can do. This one has {result.parameters / 1e6:.1f} "
        f"million parameters and saw {result.pretraining_tokens / 1e6:.1f} million tokens of a "
        f"corpus of {result.characters / 1e6:.1f} million characters, the published BERT 110 "
        f"million and over 100 billion.{floor} Guesses for blanks follow common "
        "phrases; facts and fine meaning are out of reach. Nothing here was tuned on the test "
        "examples."
        "\n\nOn overlap: whole modules are held out. No module gives docstrings to two of train, "
        "dev and test, a docstring that occurs twice is asked about once, and the modules of dev "
        "and test are left out of the text for pre-training. Training docstrings are in that text, "
        "without their labels. Modules of one package may be in different splits, so wording and "
        "names may be shared between them. The areas are ours, after the chapters of the library "
        'reference; many docstrings ("Return the next item.") would fit several, so no score '
        "near 100% is to be expected. The figures depend somewhat on the version of Python, whose "
        "text it is."
    )


def _blanks(result: QuickstartResult) -> Examples:
    return Examples(
        heading="Blanks filled by the pre-trained model",
        items=[Example(text, answers) for text, answers in result.blanks],
        caption="The likeliest tokens and their probabilities among all of the vocabulary. A "
        "token that begins with ## goes on a word.",
    )


def _areas(result: QuickstartResult) -> Table:
    arms = result.arms[1:]
    return Table(
        heading="Area by area",
        columns=("area", *(f"found from {arm.name}" for arm in arms)),
        rows=[
            (label, *(f"{arm.recall[number]:.1%}" for arm in arms))
            for number, label in enumerate(result.labels)
        ],
        caption="Share of an area's test docstrings that were found, over all seeds.",
    )


def _settings(result: QuickstartResult) -> Table:
    examples = ", ".join(f"{count:,} {split}" for split, count in result.examples.items())
    rows: list[tuple[str, str]] = [
        ("corpus", f"{result.documents:,} documents, {result.characters:,} characters"),
        ("labelled docstrings", examples),
        ("vocabulary", f"{result.vocab_size:,} tokens"),
        ("parameters of the pre-trained model with its heads", f"{result.parameters:,}"),
        ("tokens seen in pre-training", f"{result.pretraining_tokens:,}"),
        ("pre-training took", duration(result.pretraining_seconds)),
        *((f"held-out {name}", f"{value:.4f}") for name, value in result.held_out.items()),
        (
            "seeds",
            f"{result.seed} for pre-training; {result.seed} to "
            f"{result.seed + result.seeds - 1} for the classifiers",
        ),
    ]
    if result.unigram_loss is not None:
        rows.insert(-1, ("held-out loss by frequency alone", f"{result.unigram_loss:.4f}"))
    return Table(
        heading="What was done",
        columns=("", ""),
        rows=rows,
        caption="The exact settings are in pretrained/recipe.toml and in the recipe.toml of each "
        "folder below finetuned; all figures are in results.json.",
    )


def _short(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"
