"""``gloze quickstart``: from raw text to a tested classifier, on text every machine has."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from gloze.core.files import locked, write_json, writing
from gloze.core.output import refuse_existing
from gloze.core.progress import Progress, say
from gloze.metrics.classification import classification_figures
from gloze.recipes.quickstart import VOCAB_SIZE, classification, pretraining
from gloze.report import curves_from_metrics, write_report
from gloze.report.quickstart import CORPUS, Arm, QuickstartResult, quickstart_sections
from gloze.text.library_docs import SPLITS, LibraryDocs, read_library_docs
from gloze.tokenizers import TokenizerConfig
from gloze.verbs.fill import fill
from gloze.verbs.finetune import finetune
from gloze.verbs.prepare import prepare
from gloze.verbs.pretrain import pretrain
from gloze.verbs.tokenizer import learn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.report import PretrainResult
    from gloze.tasks.results import FinetuneResult
    from gloze.training.transfer import Transfer

HELD_OUT = 0.06
NUM_SHOWN = 6
BLANKS = (
    "Return a new list containing the [MASK] of the sequence.",
    "If the file does not [MASK], an exception is raised.",
    "Called when the connection is [MASK].",
    "The second [MASK] is optional and defaults to None.",
)
ARMS: dict[Transfer, str] = {"none": "random weights", "full": "pre-trained"}
_PARTS = (CORPUS, "tokenizer", "shards", "pretrained", "finetuned", "report.html", "results.json")


def quickstart(
    output: str | Path = "quickstart",
    *,
    seed: int = 0,
    seeds: int = 3,
    library: str | Path | None = None,
    pretrain_settings: Sequence[str] = (),
    finetune_settings: Sequence[str] = (),
    force: bool = False,
) -> QuickstartResult:
    """Do the whole main job on the documentation inside Python's standard library.

    Learns a vocabulary, pre-trains a tiny BERT, fills blanks, fine-tunes a classifier that tells
    which area of the library a docstring is from, and compares it with the same network from
    random weights. Takes some minutes on one core.

    Example: ``print(gloze.quickstart("quickstart"))``

    Args:
        output: the folder to write; must not exist unless ``force``.
        seed: of the pre-training, and the first of the fine-tunings.
        seeds: how many times each classifier is trained.
        library: the folder of another standard library's sources.
        pretrain_settings: changes to the recipe of pre-training, each ``path=value``.
        finetune_settings: changes to both fine-tunings alike.
        force: replace an earlier quickstart in ``output``.

    Raises:
        DataError: if this Python has no sources of its library.
        ConfigError: if ``output`` exists or a setting is impossible.
        WriteError: if ``output`` cannot be written.
        StoppedError: after a signal.
    """
    output, clock = Path(output), Progress("quickstart")
    with _folder(output, force=force), _one_thread():
        docs = read_library_docs(None if library is None else Path(library))
        docs.write(output / CORPUS)
        say(_corpus_line(docs))
        run = _pretrain(output, seed, pretrain_settings)
        blanks = [fill(run.model, text, top=5) for text in BLANKS]
        tuned = {
            transfer: _finetune(output, run, transfer, seed, seeds, finetune_settings)
            for transfer in ARMS
        }
        labels = tuned["full"].labels
        baseline = _most_frequent(docs, labels)
        result = QuickstartResult(
            path=output,
            documents=len(docs.documents),
            characters=docs.num_characters,
            examples={split: len(docs.splits[split]) for split in SPLITS},
            labels=labels,
            vocab_size=VOCAB_SIZE,
            parameters=run.parameters,
            pretraining_tokens=run.tokens,
            pretraining_seconds=run.seconds,
            held_out=run.figures,
            unigram_loss=run.unigram_loss,
            blanks=[
                (found.text, [(g.token, g.probability) for g in found.blanks[0]])
                for found in blanks
            ],
            arms=[baseline, *(_arm(ARMS[way], found) for way, found in tuned.items())],
            cases=_cases(docs, tuned["full"]),
            seed=seed,
            seeds=seeds,
            seconds=clock.seconds,
        )
        curves = curves_from_metrics(run.path / "metrics.jsonl", x="tokens")
        sections = quickstart_sections(result, curves)
        write_report(result.report, "gloze quickstart: from raw text to a tested BERT", sections)
        write_json(output / "results.json", result.to_dict())
    return result


@contextmanager
def _folder(output: Path, *, force: bool) -> Iterator[None]:
    """Hold the output folder, without what an earlier quickstart left there; touch no more."""
    refuse_existing(output, force=force, ours=("*",))
    with locked(output):
        with writing(output):
            for path in (output / name for name in _PARTS):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        yield


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: for so small a model, threads cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _corpus_line(docs: LibraryDocs) -> str:
    counts = ", ".join(f"{len(docs.splits[split]):,} {split}" for split in SPLITS)
    return (
        f"Read the standard library's documentation: {len(docs.documents):,} documents "
        f"({docs.num_characters / 1e6:.1f} million characters); labelled docstrings: {counts}."
    )


def _pretrain(output: Path, seed: int, settings: Sequence[str]) -> PretrainResult:
    """Make vocabulary, shards and the pre-trained model."""
    corpus, vocabulary, shards = (
        [output / CORPUS / "corpus.txt"],
        output / "tokenizer",
        output / "shards",
    )
    say(str(learn(corpus, output=vocabulary, config=TokenizerConfig(vocab_size=VOCAB_SIZE))))
    say(
        str(
            prepare(corpus, tokenizer=vocabulary, output=shards, valid_fraction=HELD_OUT, seed=seed)
        )
    )
    run = pretrain(
        pretraining(), shards=shards, output=output / "pretrained", settings=settings, seed=seed
    )
    say(str(run))
    return cast("PretrainResult", run)


def _finetune(
    output: Path,
    run: PretrainResult,
    transfer: Transfer,
    seed: int,
    seeds: int,
    settings: Sequence[str],
) -> FinetuneResult:
    say(f"Fine-tuning from {ARMS[transfer]}, {seeds} seeds.")
    corpus = output / CORPUS
    found = finetune(
        "classification",
        model=run.model,
        train=corpus / "train.tsv",
        dev=corpus / "dev.tsv",
        test=corpus / "test.tsv",
        output=output / "finetuned" / transfer,
        recipe=classification(transfer),
        settings=settings,
        seeds=seeds,
        seed=seed,
    )
    say(str(found))
    return found


def _arm(name: str, found: FinetuneResult) -> Arm:
    tests = [result.figures["test"] for result in found.seeds]
    confusion = np.sum([figures["confusion"] for figures in tests], axis=0)
    recall = confusion.diagonal() / np.maximum(confusion.sum(axis=1), 1)
    return Arm(
        name=name,
        accuracy=tuple(figures["accuracy"] for figures in tests),
        macro_f1=tuple(figures["macro_f1"] for figures in tests),
        recall=tuple(float(share) for share in recall),
        seconds=sum(result.seconds for result in found.seeds),
    )


def _most_frequent(docs: LibraryDocs, labels: Sequence[str]) -> Arm:
    """Return what always saying the most frequent area of the training examples gives."""
    [(label, _)] = Counter(row.label for row in docs.splits["train"]).most_common(1)
    asked = np.array([labels.index(row.label) for row in docs.splits["test"]])
    said = np.full_like(asked, labels.index(label))
    figures = classification_figures(asked, said, num_labels=len(labels))
    recall = tuple(float(name == label) for name in labels)
    return Arm(f"always “{label}”", (figures.accuracy,), (figures.macro_f1,), recall, 0.0)


def _cases(
    docs: LibraryDocs, tuned: FinetuneResult
) -> list[tuple[str, str, list[tuple[str, float]]]]:
    """Return test examples at even distances, right or wrong, with the three likeliest areas."""
    rows = docs.splits["test"]
    shown = rows[:: max(1, len(rows) // NUM_SHOWN)][:NUM_SHOWN]
    answers = tuned.predict([row.text for row in shown])
    return [
        (
            row.text,
            f"{row.label} ({row.module})",
            sorted(answer.probabilities.items(), key=lambda pair: -pair[1])[:3],
        )
        for row, answer in zip(shown, answers, strict=True)
    ]
