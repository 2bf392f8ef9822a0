"""``gloze pretrain`` with a recipe of word vectors: a corpus becomes a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.checkpoint import Checkpoints
from gloze.config.runs import note_data, run_folder
from gloze.core.errors import ConfigError
from gloze.core.progress import duration, say
from gloze.data.counts import count_tokens
from gloze.data.shards import TOKENIZER, Shards
from gloze.data.window import Blocks
from gloze.interop.vector_tables import load_word_vectors, vectors_file
from gloze.objectives.word2vec_tables import Word2Vec
from gloze.report.card import vectors_card
from gloze.report.run import write_run_report
from gloze.tokenizers import load_tokenizer
from gloze.training.blocks import LOSS, PREDICTIONS, BlockTrainer
from gloze.training.log import MetricsLog, read_metrics
from gloze.vectors.folder import save_vectors
from gloze.vectors.idf import document_weights_of
from gloze.vectors.learned import learned_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from gloze.config.vectors import VectorsConfig
    from gloze.tokenizers import Tokenizer
    from gloze.training.blocks import BlockState
    from gloze.vectors.table import WordVectors
    from gloze.verbs.run_shards import RunShards


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
        losses: mean negative log-likelihood of a prediction in each epoch.
        figures: of the held-out split at the end; empty if there is none.
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
            f"  loss by epoch: {', '.join(f'{loss:.4f}' for loss in self.losses)}",
            *(f"  held-out {name}: {value:.4f}" for name, value in self.figures.items()),
            f"Vectors: {self.model}",
            f"Report: {self.path / 'report.html'}",
            f"Next: gloze vectors neighbors {self.model} WORD",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path), "model": str(self.model)}


class _Learner:
    """The tables with the blocks they learn from."""

    def __init__(self, tables: Word2Vec, blocks: Blocks) -> None:
        self.tables, self.blocks = tables, blocks

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        return {"inner": self.tables.inner, "outer": self.tables.outer}

    def train(self, epoch: int, block: int, rates: tuple[float, float]) -> npt.NDArray[np.float64]:
        return self.tables.train(self.blocks[block], rates, epoch, block)


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
    counts = count_tokens(train)
    first = _first_word(tokenizer, train.tokenizer_path)
    tables = Word2Vec(
        config.objective,
        config.sampler,
        counts,
        size=config.encoder.hidden_size,
        first_word=first,
        seed=config.seed,
    )
    if start is not None:
        words = tokenizer.tokens(range(tokenizer.vocab_size))
        known = tables.begin_with(start, words)
        say(f"{known:,} words begin with their old vectors, {len(words) - first - known:,} anew.")
        if known < len(start):
            say(f"{len(start) - known:,} old words are not in this vocabulary, and left out.")
    if config.training.threads > 1:
        say(
            f"{config.training.threads} threads write to the same tables at once: another run "
            "will end with other numbers. One thread gives the same bytes."
        )
    within, tokens = config.sampler.within, config.training.block_tokens
    blocks, held_out = Blocks(train, within, tokens), Blocks(valid, within, tokens)

    def look() -> dict[str, float]:
        sums = np.zeros(3)
        for number, block in enumerate(held_out):
            sums += tables.train(block, (0.0, 0.0), -1, number)
        return {"loss": float(sums[LOSS] / max(sums[PREDICTIONS], 1))}

    trainer = BlockTrainer(
        _Learner(tables, blocks),
        [blocks.tokens_before(number + 1) for number in range(len(blocks))],
        config.training,
        log=MetricsLog(output, "pretrain"),
        checkpoints=Checkpoints(output / "checkpoints", config.training.keep_checkpoints),
        evaluate=look if valid.num_tokens else None,
    )
    state = trainer.run()
    weights = None
    if start is None:
        weights = document_weights_of(train)
    else:
        say("Weights of words (idf) are left out: gloze vectors convert --idf counts them anew.")
        counts = counts + _counted(start, words)
    vectors = _table(config, tables, tokenizer, counts, weights)
    return _finish(config, vectors, state, output)


def _counted(start: WordVectors, words: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how often words were met before, as far as it is known, [words]."""
    rows = start.words.rows(words)
    counts = np.zeros(len(words), np.int64)
    if start.counts is not None:
        counts[rows >= 0] = start.counts[rows[rows >= 0]]
    return counts


def _finish(
    config: VectorsConfig, vectors: WordVectors, state: BlockState, output: Path
) -> VectorsResult:
    rows = [row for row in read_metrics(output / "metrics.jsonl") if row.get("split") == "valid"]
    figures = {"loss": rows[-1]["loss"]} if rows and "loss" in rows[-1] else {}
    result = VectorsResult(
        path=output,
        model=output / "model",
        words=len(vectors),
        size=vectors.size,
        tokens=state.tokens,
        seconds=state.seconds,
        losses=state.losses,
        figures=figures,
    )
    facts = {
        "words": result.words,
        "size": result.size,
        "tokens": result.tokens,
        "loss of the last epoch": result.losses[-1],
        **{f"held-out {name}": value for name, value in figures.items()},
    }
    save_vectors(result.model, vectors, card=vectors_card(config, facts), force=True)
    write_run_report(output, f"Training of {config.name}", facts)
    return result


def _table(
    config: VectorsConfig,
    tables: Word2Vec,
    tokenizer: Tokenizer,
    counts: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32] | None,
) -> WordVectors:
    """Return the vectors of all words, the most frequent first."""
    inner, outer = (table[:, : tables.size] for table in (tables.inner, tables.outer))
    made = learned_vectors(
        tokenizer,
        counts,
        inner + outer if config.encoder.result == "sum" else inner,
        context=outer if config.objective.output == "negative_sampling" else None,
        idf=weights,
    )
    made.is_sum = config.encoder.result == "sum"
    return made
