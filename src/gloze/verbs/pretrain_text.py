"""``gloze pretrain`` with word2vec: its tables learn from blocks of text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from gloze.checkpoint import Checkpoints
from gloze.core.progress import say
from gloze.data.window import Blocks
from gloze.objectives.word2vec_rounds import Rounds
from gloze.objectives.word2vec_tables import Word2Vec
from gloze.training.blocks import LOSS, PREDICTIONS, BlockTrainer
from gloze.training.log import MetricsLog, read_metrics
from gloze.verbs.vectors_parts import Learned

if TYPE_CHECKING:
    from gloze.data.window import WindowConfig
    from gloze.objectives.word2vec import SkipGramConfig
    from gloze.verbs.vectors_parts import VectorsTask


class _Learner:
    """The tables with the blocks they learn from."""

    def __init__(self, tables: Word2Vec, blocks: Blocks, copies: int) -> None:
        self.tables, self.blocks = tables, blocks
        self._train = Rounds(tables, copies).train if copies > 1 else tables.train

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        return {"inner": self.tables.inner, "outer": self.tables.outer}

    def train(self, epoch: int, block: int, rates: tuple[float, float]) -> npt.NDArray[np.float64]:
        return self._train(self.blocks[block], rates, epoch, block)


def learn_from_text(task: VectorsTask) -> Learned:
    """Train skip-gram or CBOW.

    Raises:
        StoppedError: after a signal, with everything saved.
        DivergedError: if a loss is not finite.
    """
    config, sampler = task.config, cast("WindowConfig", task.config.sampler)
    objective, training = cast("SkipGramConfig", config.objective), config.training
    tables = Word2Vec(
        objective,
        sampler,
        task.counts,
        size=config.encoder.hidden_size,
        first_word=task.first_word,
        seed=config.seed,
    )
    if task.start is not None:
        words = task.tokenizer.tokens(range(task.tokenizer.vocab_size))
        task.tell_known(tables.begin_with(task.start, words))
    is_round = training.deterministic and training.threads > 1
    if training.threads > 1 and not is_round:
        say(
            f"{training.threads} threads write to the same tables at once: another run "
            "will end with other numbers. One thread gives the same bytes, and several do with "
            "training.deterministic=true."
        )
    # A round is a block for each thread.
    tokens = training.block_tokens * (training.threads if is_round else 1)
    blocks = Blocks(task.train, sampler.within, tokens)
    held_out = Blocks(task.valid, sampler.within, training.block_tokens)

    def look() -> dict[str, float]:
        sums = np.zeros(3)
        for number, block in enumerate(held_out):
            sums += tables.train(block, (0.0, 0.0), -1, number)
        return {"loss": float(sums[LOSS] / max(sums[PREDICTIONS], 1))}

    trainer = BlockTrainer(
        _Learner(tables, blocks, training.threads if is_round else 1),
        [blocks.tokens_before(number + 1) for number in range(len(blocks))],
        # The threads of rounds are those of a block.
        replace(training, threads=1) if is_round else training,
        log=MetricsLog(task.output, "pretrain"),
        checkpoints=Checkpoints(task.output / "checkpoints", training.keep_checkpoints),
        evaluate=look if task.valid.num_tokens else None,
    )
    state = trainer.run()
    ids = task.words()
    rows = read_metrics(task.output / "metrics.jsonl")
    held = [row["loss"] for row in rows if row.get("split") == "valid" and "loss" in row]
    return Learned(
        ids=ids,
        inner=tables.inner[ids, : tables.size],
        outer=None if objective.output != "negative_sampling" else tables.outer[ids, : tables.size],
        tokens=state.tokens,
        seconds=state.seconds,
        losses=state.losses,
        figures={"loss": held[-1]} if held else {},
    )
