"""``gloze pretrain`` with GloVe or an SVD: words that stand together are counted first."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from gloze.checkpoint import Checkpoints
from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.core.files import working_folder, writing
from gloze.core.progress import Progress, duration, say
from gloze.data.pair_counting import PairCounting
from gloze.data.pair_counts import Layout, PairCounts
from gloze.objectives.association import association
from gloze.objectives.counts import SVDConfig
from gloze.objectives.glove import GloVe
from gloze.objectives.svd import dense_svd, is_small, truncated_svd
from gloze.training.blocks import BlockTrainer
from gloze.training.interrupt import Interruption
from gloze.training.log import MetricsLog
from gloze.verbs.vectors_parts import Learned

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.data.cooccurrence import CooccurrenceConfig
    from gloze.objectives.counts import GloVeConfig
    from gloze.objectives.svd import SVD
    from gloze.verbs.vectors_parts import Counts, VectorsTask

COUNTS, COUNTING = "counts", "counting"


def learn_from_counts(task: VectorsTask) -> Learned:
    """Count, then train GloVe or compute the SVD.

    Raises:
        ConfigError: if there are too few words.
        StoppedError: after a signal, with everything saved.
    """
    is_svd, size = isinstance(task.config.objective, SVDConfig), task.config.encoder.hidden_size
    words = task.words()
    met = words[task.counts[words] > 0]
    if len(met) < 2 and task.start is None:
        raise ConfigError("Word vectors need two different words at least.")
    if is_svd and size > len(met):
        raise ConfigError(
            f"encoder.hidden_size is {size}, and the corpus has {len(met):,} words: an SVD has no "
            "more numbers than words. Lower it, or tokenizer.min_count."
        )
    with writing(task.output):
        counts = _counted(task, met if task.start is None else words)
        return _factored(task, counts) if is_svd else _glove(task, counts)


def _counted(task: VectorsTask, ids: Counts) -> PairCounts:
    """Count pairs in the run folder, unless that is done."""
    folder, config = task.output / COUNTS, cast("CooccurrenceConfig", task.config.sampler)
    if not folder.exists():
        layout = Layout(len(ids), config.sides == "both")
        with Interruption() as interruption, Progress("count") as progress:

            def told(done: int, total: int, what: str) -> int | None:
                speed = done / max(progress.seconds, 1e-9)
                left = duration((total - done) / max(speed, 1e-9))
                progress.show(f"{done:,} of {total:,} {what}  {speed:,.0f}/s  {left} left")
                return interruption.exit_code

            work, threads = task.output / COUNTING, task.config.training.threads
            counting = PairCounting(task.train, config, ids, layout, work, threads)
            counting.run(told)
            counting.merge(folder, told)
            seconds = progress.seconds
        counts = PairCounts(folder)
        say(
            f"Counted {len(counts):,} pairs of {len(ids):,} words in {task.train.num_tokens:,} "
            f"tokens in {duration(seconds)}."
        )
    else:
        counts = PairCounts(folder)
    shutil.rmtree(task.output / COUNTING, ignore_errors=True)
    if not len(counts):
        raise DataError(
            "no two words stand together in any sentence.",
            path=task.train.folder,
            hint="Give more text, or set sampler.within to document.",
        )
    return counts


class _Learner:
    """GloVe with the tokens that each of its groups stands for."""

    def __init__(self, tables: GloVe, tokens: int) -> None:
        self.tables = tables
        pairs = np.cumsum([tables.pairs(group) for group in range(len(tables.groups))])
        self.ends = (pairs * (tokens / pairs[-1])).round().astype(np.int64)
        self._tokens = np.diff(self.ends, prepend=0)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        return self.tables.tensors()

    def train(self, epoch: int, block: int, rates: tuple[float, float]) -> npt.NDArray[np.float64]:
        loss, pairs = self.tables.train(block, rates[0], epoch)
        return np.array([loss, pairs, self._tokens[block]])


def _glove(task: VectorsTask, counts: PairCounts) -> Learned:
    config, training = task.config, task.config.training
    tables = GloVe(
        cast("GloVeConfig", config.objective),
        counts,
        size=config.encoder.hidden_size,
        seed=config.seed,
        group_pairs=training.block_tokens * config.sampler.size,
        threads=training.threads,
    )
    kept = task.counts[counts.ids] > 0
    if task.start is not None:
        known = tables.begin_with(task.start, task.tokenizer.tokens(counts.ids.tolist()))
        task.tell_known(int(known.sum()))
        kept |= known
    learner = _Learner(tables, counts.tokens)
    trainer = BlockTrainer(
        learner,
        learner.ends.tolist(),
        # The threads are those of a block.
        replace(training, threads=1),
        log=MetricsLog(task.output, "pretrain"),
        checkpoints=Checkpoints(task.output / "checkpoints", training.keep_checkpoints),
    )
    state = trainer.run()
    return Learned(
        ids=counts.ids[kept],
        inner=tables.inner[kept],
        outer=tables.outer[kept],
        tokens=state.tokens,
        seconds=state.seconds,
        losses=state.losses,
    )


def _factored(task: VectorsTask, counts: PairCounts) -> Learned:
    config, began_at = cast("SVDConfig", task.config.objective), time.monotonic()
    with working_folder(task.output, "matrix") as folder:
        found, squares = _svd(task, counts, config, folder)
    scale = found.values**config.exponent
    share = float((found.values**2).sum() / squares)
    return Learned(
        ids=counts.ids,
        inner=(found.left * scale).astype(np.float32),
        outer=(found.right * scale).astype(np.float32),
        tokens=counts.tokens,
        seconds=time.monotonic() - began_at,
        figures={"share of the matrix's squares": share, "residual": found.residual},
    )


def _svd(
    task: VectorsTask, counts: PairCounts, config: SVDConfig, folder: Path
) -> tuple[SVD, float]:
    """Return the SVD of the weighted counts, and the sum of their squares."""
    size, threads = task.config.encoder.hidden_size, task.config.training.threads
    matrix = association(counts, config, folder)
    squares = matrix.squares()
    if not squares:
        raise ConfigError(
            "No two words stand together more often than by chance: nothing is left of the "
            "counts. Lower objectives.svd.shift, or set objectives.svd.weighting to log."
        )
    shape = (counts.layout.words, counts.layout.words)
    if is_small(shape, size):
        return dense_svd(matrix.dense(), size), squares
    transposed = association(counts, config, folder, transposed=True)
    with Interruption() as interruption, Progress("SVD") as progress:

        def told(products: int) -> None:
            progress.show(f"{products:,} products of the matrix with 16 vectors")
            if interruption.exit_code is not None:
                raise StoppedError(
                    "Stopped in the SVD: --resume begins it again, from the counts.",
                    interruption.exit_code,
                )

        found = truncated_svd(
            lambda x: matrix.multiply(x, threads),
            lambda x: transposed.multiply(x, threads),
            shape,
            size,
            task.config.seed,
            told,
        )
    return found, squares
