"""``gloze pretrain`` with a recipe of word vectors: a corpus becomes a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.config.runs import note_data, run_folder
from gloze.core.errors import ConfigError
from gloze.core.progress import duration, say
from gloze.data.counts import count_tokens
from gloze.data.shards import TOKENIZER, Shards
from gloze.data.window import WindowConfig
from gloze.interop.vector_tables import load_word_vectors, vectors_file
from gloze.objectives.counts import SVDConfig
from gloze.report.card import vectors_card
from gloze.report.run import write_run_report
from gloze.tokenizers import load_tokenizer
from gloze.vectors.folder import save_vectors
from gloze.vectors.idf import document_weights_of
from gloze.vectors.learned import learned_vectors
from gloze.verbs.pretrain_counts import learn_from_counts
from gloze.verbs.pretrain_text import learn_from_text
from gloze.verbs.vectors_parts import VectorsTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from gloze.config.vectors import VectorsConfig
    from gloze.tokenizers import Tokenizer
    from gloze.vectors.table import WordVectors
    from gloze.verbs.run_shards import RunShards
    from gloze.verbs.vectors_parts import Learned


@dataclass(frozen=True)
class VectorsResult:
    """What a training of word vectors gave, and where it lies.

    Attributes:
        path: the run folder.
        model: the folder of the vectors in it.
        words: how many have a vector.
        size: numbers of each.
        tokens: learned from, over all epochs.
        seconds: what it took.
        losses: mean of each epoch: word2vec's negative log-likelihood of a prediction, GloVe's
            half weighted squared error of a count; an SVD has none.
        figures: at the end: word2vec's ``loss`` on the held-out split, if there is one; of an
            SVD how much of its matrix's squares it holds and how exact it is.
    """

    path: Path
    model: Path
    words: int
    size: int
    tokens: int
    seconds: float
    losses: list[float]
    figures: dict[str, float]

    def __str__(self) -> str:
        speed = self.tokens / max(self.seconds, 1e-9)
        lines = [
            f"Trained {self.words:,} vectors of {self.size} numbers on {self.tokens:,} tokens in "
            f"{duration(self.seconds)} ({speed:,.0f} tokens/s).",
            *(
                [f"  loss by epoch: {', '.join(f'{loss:.4f}' for loss in self.losses)}"]
                if self.losses
                else []
            ),
            *(f"  {name}: {value:.4g}" for name, value in self.named_figures().items()),
            f"Vectors: {self.model}",
            f"Report: {self.path / 'report.html'}",
            f"Next: gloze vectors neighbors {self.model} WORD",
        ]
        return "\n".join(lines)

    def named_figures(self) -> dict[str, float]:
        """Return the figures under the names that people read."""
        return {
            "held-out loss" if name == "loss" else name: value
            for name, value in self.figures.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path), "model": str(self.model)}


def pretrain_vectors(
    config: VectorsConfig,
    source: RunShards,
    output: Path,
    *,
    init: str | Path | None = None,
    settings: Sequence[str] = (),
    inputs: Iterable[str | Path],
    resume: bool,
    force: bool,
) -> VectorsResult:
    """Train word vectors; see :func:`gloze.pretrain`."""
    given = source.shards / TOKENIZER if source.shards else source.tokenizer
    if given is not None and given.exists():
        _first_word(load_tokenizer(given), given)
    if init is not None and isinstance(config.objective, SVDConfig):
        raise ConfigError("An SVD is computed from the counts of all text: leave --init out.")
    start = None if init is None else load_word_vectors(init)
    if start is not None:
        config, source = _going_on(config, source, start, settings)
    with run_folder(output, config, inputs=inputs, resume=resume, force=force) as everyone:
        if everyone.size > 1:
            raise ConfigError(
                "Word vectors are trained by one process: leave torchrun out, and set "
                "training.threads."
            )
        source.make(config, output)
        note = {} if init is None else {"init": vectors_file(init)}
        return _train(config, source, output, start, note)


def refuse_encoders(**given: object) -> None:
    """Refuse what goes with encoders alone."""
    for name, value in given.items():
        if value is not None:
            cure = " Chinese is cut by --set tokenizer.split=jieba." if name == "segmenter" else ""
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} goes with encoders, not word vectors.{cure}")


def _going_on(
    config: VectorsConfig, source: RunShards, start: WordVectors, settings: Sequence[str]
) -> tuple[VectorsConfig, RunShards]:
    """Let the vectors to start from decide their size and how words are cut."""
    asked = any(change.startswith("encoder.hidden_size=") for change in settings)
    if asked and config.encoder.hidden_size != start.size:
        raise ConfigError(
            f"encoder.hidden_size is {config.encoder.hidden_size}, and the vectors of --init have "
            f"{start.size} numbers: leave it out."
        )
    encoder = replace(config.encoder, hidden_size=start.size)
    config = replace(config, encoder=encoder)
    if source.shards is None and source.tokenizer is None:
        sizes = {name: getattr(config.tokenizer, name) for name in ("vocab_size", "min_count")}
        own = replace(start.cut, **sizes)
        return replace(config, tokenizer=own), replace(source, before=list(start.words))
    return config, source


def _first_word(tokenizer: Tokenizer, path: Path) -> int:
    """Return the lowest id of a word of a tokenizer, which is at ``path``.

    Raises:
        ConfigError: if its special tokens are not its first ones.
    """
    special = tokenizer.special_ids
    if special != tuple(range(len(special))):
        raise ConfigError(
            f"The special tokens of {path} are not its first ones, as in Google's vocabularies: "
            "learn one with gloze tokenizer --kind words."
        )
    return len(special)


def _train(
    config: VectorsConfig,
    source: RunShards,
    output: Path,
    start: WordVectors | None,
    note: dict[str, Path],
) -> VectorsResult:
    folder, given = source.folder(output), source.used_tokenizer(output)
    wanted = load_tokenizer(given).fingerprint if given is not None else None
    train = Shards.open(folder, "train", fingerprint=wanted)
    valid = Shards.open(folder, "valid", fingerprint=wanted)
    note_data(output, {"shards": folder / "shards.json", **note})
    tokenizer = load_tokenizer(train.tokenizer_path)
    task = VectorsTask(
        config=config,
        train=train,
        valid=valid,
        tokenizer=tokenizer,
        counts=count_tokens(train),
        first_word=_first_word(tokenizer, train.tokenizer_path),
        start=start,
        output=output,
    )
    is_text = isinstance(config.sampler, WindowConfig)
    learned = learn_from_text(task) if is_text else learn_from_counts(task)
    return _finish(task, learned)


def _counted(start: WordVectors, words: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how often words were met before, as far as it is known, [words]."""
    rows = start.words.rows(words)
    counts = np.zeros(len(words), np.int64)
    if start.counts is not None:
        counts[rows >= 0] = start.counts[rows[rows >= 0]]
    return counts


def _finish(task: VectorsTask, learned: Learned) -> VectorsResult:
    vectors, output = _table(task, learned), task.output
    result = VectorsResult(
        path=output,
        model=output / "model",
        words=len(vectors),
        size=vectors.size,
        tokens=learned.tokens,
        seconds=learned.seconds,
        losses=learned.losses,
        figures=learned.figures,
    )
    facts: dict[str, float] = {
        "words": result.words,
        "size": result.size,
        "tokens": result.tokens,
        **({"loss of the last epoch": result.losses[-1]} if result.losses else {}),
        **result.named_figures(),
    }
    card = vectors_card(task.config, facts)
    save_vectors(result.model, vectors, card=card, force=True)
    write_run_report(output, f"Training of {task.config.name}", facts)
    return result


def _table(task: VectorsTask, learned: Learned) -> WordVectors:
    """Return the vectors of all words, the most frequent first."""
    is_sum = task.config.encoder.result == "sum"
    inner, outer, counts = learned.inner, learned.outer, task.counts
    weights = None
    if task.start is None:
        weights = document_weights_of(task.train)
    else:
        say("Weights of words (idf) are left out: gloze vectors convert --idf counts them anew.")
        words = task.tokenizer.tokens(range(task.tokenizer.vocab_size))
        counts = counts + _counted(task.start, words)
    made = learned_vectors(
        task.tokenizer,
        counts,
        inner + outer if is_sum and outer is not None else inner,
        context=outer,
        idf=weights,
        ids=learned.ids,
    )
    made.is_sum = is_sum
    return made
