"""``gloze pretrain --profile``: where the time of a training step goes."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gloze.config.build import build_learner, training_stream
from gloze.core.errors import ConfigError
from gloze.core.lists import as_list
from gloze.data.shards import Shards
from gloze.metrics.table import text_table
from gloze.recipes import load_recipe
from gloze.tokenizers import load_tokenizer
from gloze.training.profile import profile_steps
from gloze.training.update import Updater
from gloze.verbs.run_shards import RunShards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.config.run import RunConfig
    from gloze.tokenizers.segmenters import Cut, Segmenter

STEPS, WARMUP = 20, 5


@dataclass(frozen=True)
class ProfileResult:
    """Where the time of a step goes.

    Attributes:
        recipe: its name.
        steps: how many were timed.
        tokens: of these, without padding.
        seconds: of each part: ``data`` is waiting for the next step, ``dense`` all of the layers
            but attention, ``other`` what lies between.
        threads: that PyTorch computed on.
        device: where.
    """

    recipe: str
    steps: int
    tokens: int
    seconds: dict[str, float]
    threads: int
    device: str

    @property
    def tokens_per_second(self) -> float:
        """Real tokens a second."""
        return self.tokens / sum(self.seconds.values())

    def __str__(self) -> str:
        whole = sum(self.seconds.values())
        rows = [
            [part, f"{1000 * took / self.steps:.1f}", f"{took / whole:.1%}"]
            for part, took in self.seconds.items()
        ]
        rows.append(["a step", f"{1000 * whole / self.steps:.1f}", "100.0%"])
        return (
            f"{self.recipe}: {self.tokens_per_second:,.0f} tokens/s over {self.steps} steps of "
            f"{self.tokens / self.steps:,.0f} tokens, {self.device}, {self.threads} threads.\n"
            + text_table(["part", "ms", "share"], rows)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "tokens_per_second": self.tokens_per_second}


def profile(
    recipe: str | Path | RunConfig,
    *,
    corpus: str | Path | Sequence[str | Path] = (),
    shards: str | Path | None = None,
    tokenizer: str | Path | None = None,
    segmenter: str | Path | Segmenter | Cut | None = None,
    settings: str | Sequence[str] = (),
    seed: int | None = None,
    steps: int = STEPS,
) -> ProfileResult:
    """Time the parts of a pre-training's steps; nothing is kept.

    Args:
        recipe: a named recipe, a TOML file or a RunConfig.
        corpus: files, folders or globs, prepared in a temporary folder. Or
        shards: a folder written by ``prepare``.
        tokenizer: a tokenizer folder or file; by default learned from the corpus.
        segmenter: finds the words of the corpus, as in ``prepare``.
        settings: changes to the recipe, each ``path=value``.
        seed: replaces the recipe's.
        steps: to time, after a few that are not.

    Raises:
        ConfigError: for an impossible recipe or call.
        DataError: for a corpus, shards or tokenizer that cannot be used.
    """
    source = RunShards.of(as_list(corpus), shards, tokenizer, segmenter)
    if steps < 1:
        raise ConfigError(f"{steps} steps: at least one has to be timed.")
    config = load_recipe(recipe, as_list(settings), seed=seed)
    with tempfile.TemporaryDirectory(prefix="gloze-profile-") as folder:
        source.make(config, Path(folder))
        return _profile(config, source.folder(Path(folder)), steps)


def _profile(config: RunConfig, folder: Path, steps: int) -> ProfileResult:
    train = Shards.open(folder, "train")
    tokenizer = load_tokenizer(train.tokenizer_path)
    torch.manual_seed(config.seed)
    objectives, learner = build_learner(config, tokenizer, train)
    stream = training_stream(
        config.sampler.build(train, tokenizer, config.seed), objectives, config
    )
    updater = Updater(learner, config.training, config.seed)
    seconds, tokens = profile_steps(updater, stream.read(), steps=steps, warmup=WARMUP)
    return ProfileResult(
        recipe=config.name,
        steps=steps,
        tokens=tokens,
        seconds=seconds,
        threads=torch.get_num_threads(),
        device=str(updater.device),
    )
