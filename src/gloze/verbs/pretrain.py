"""``gloze pretrain``: a recipe and a corpus become a run folder with a model."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gloze.checkpoint import Checkpoints, Parts, load_parts, save_model
from gloze.config.toml import to_dict
from gloze.core.errors import ConfigError, DataError
from gloze.core.files import locked, read_json, refuse_existing, sha256, sweep, write_json
from gloze.core.progress import duration, say
from gloze.core.rng import derive
from gloze.data.shards import Shards
from gloze.data.stream import StepSize, Stream
from gloze.recipes import load_recipe, save_recipe
from gloze.report import write_run_report
from gloze.tokenizers import load_tokenizer
from gloze.training.evaluate import evaluate_objectives
from gloze.training.learner import Learner
from gloze.training.log import MetricsLog, read_metrics
from gloze.training.loop import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.config.run import RunConfig
    from gloze.core.contracts import Objective
    from gloze.data.samplers import Sampler
    from gloze.tokenizers import Tokenizer
    from gloze.training.config import TrainingConfig
    from gloze.training.state import TrainingState


@dataclass(frozen=True)
class PretrainResult:
    """What a pre-training gave, and where it lies.

    Attributes:
        path: the run folder.
        model: the model folder in it.
        steps, tokens, seconds: what it took.
        parameters: numbers that were trained.
        figures: of the held-out split at the end; empty if there is none.
        sampling: true shares of the first epoch's sequences.
    """

    path: Path
    model: Path
    steps: int
    tokens: int
    seconds: float
    parameters: int
    figures: dict[str, float]
    sampling: dict[str, float]

    def __str__(self) -> str:
        lines = [
            f"Trained {self.parameters:,} parameters for {self.steps:,} steps on {self.tokens:,} "
            f"tokens in {duration(self.seconds)}.",
            *(f"  held-out {name}: {value:.4f}" for name, value in self.figures.items()),
            *(f"  sampling, {name}: {value:.4g}" for name, value in self.sampling.items()),
            f"Model: {self.model}",
            f"Report: {self.path / 'report.html'}",
            f'Next: gloze fill {self.model} "..." or gloze finetune classification '
            f"--model {self.model} --train FILE -o RUN",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path), "model": str(self.model)}


def pretrain(
    recipe: str | Path | RunConfig,
    *,
    output: str | Path,
    corpus: Sequence[str | Path] = (),
    shards: str | Path | None = None,
    tokenizer: str | Path | None = None,
    init: str | Path | None = None,
    settings: Sequence[str] = (),
    seed: int | None = None,
    resume: bool = False,
    force: bool = False,
) -> PretrainResult:
    """Pre-train an encoder.

    Args:
        recipe: a named recipe, a TOML file or a RunConfig.
        output: the run folder; must not exist unless ``resume`` or ``force``.
        corpus: files, folders or globs; tokenizer and shards are made in the run folder. Or
        shards: a folder written by ``prepare``.
        tokenizer: a tokenizer folder or file; by default learned from the corpus.
        init: a model folder to start from; its tokenizer and sizes hold.
        settings: changes to the recipe, each ``path=value``.
        seed: replaces the recipe's.
        resume: go on exactly where the run in ``output`` stopped; starts it if there is none.
        force: replace a run in ``output``.

    Raises:
        ConfigError: for an impossible recipe or call.
        DataError: for a corpus, shards, tokenizer or checkpoint that cannot be used.
        StoppedError: after a signal, with everything saved.
        DivergedError: if the loss diverges again and again.
    """
    if bool(corpus) == bool(shards):
        raise ConfigError("Give either --corpus or --shards: one source of text, not both or none.")
    output = Path(output)
    parts = load_parts(init) if init is not None else None
    config = load_recipe(recipe, settings, seed=seed)
    if parts is not None:
        config = replace(config, encoder=parts.encoder.config)
        tokenizer = tokenizer or init
    with _run_folder(output, config, resume=resume, force=force):
        folder = Path(shards) if shards else _make_shards(corpus, tokenizer, config, output)
        return _train(config, folder, tokenizer, parts, output)


@contextmanager
def _run_folder(output: Path, config: RunConfig, *, resume: bool, force: bool) -> Iterator[None]:
    """Hold the run folder, new or to go on with, and keep the resolved recipe in it."""
    if not resume:
        refuse_existing(output, force=force)
    with locked(output):
        if force and not resume:
            for path in output.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != ".lock":
                    path.unlink()
        sweep(output)
        path = output / "recipe.toml"
        if path.exists():
            _refuse_changes(load_recipe(path), config, path)
        else:
            save_recipe(config, path)
        yield


def _refuse_changes(old: RunConfig, new: RunConfig, path: Path) -> None:
    """Raise ConfigError if the recipe changed in anything that has a say in the result."""
    was, now = _flat(to_dict(old)), _flat(to_dict(new))
    changed = [
        f"{name} was {was.get(name, 'not set')} and is now {now.get(name, 'not set')}"
        for name in sorted(set(was) | set(now))
        if was.get(name) != now.get(name) and name not in ("name", "training.loader_workers")
    ]
    if changed:
        raise ConfigError(
            f"An exact resume needs the recipe the run began with ({path}): "
            f"{'; '.join(changed)}. Leave the change out, or begin a new run with another -o."
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _make_shards(
    corpus: Sequence[str | Path], tokenizer: str | Path | None, config: RunConfig, output: Path
) -> Path:
    """Learn the tokenizer and prepare the shards inside the run folder, unless already there."""
    from gloze.verbs.prepare import prepare
    from gloze.verbs.tokenizer import learn

    if tokenizer is None:
        tokenizer = output / "tokenizer"
        if not tokenizer.exists():
            say(str(learn(corpus, output=tokenizer, config=config.tokenizer)))
    shards = output / "shards"
    if not shards.exists():
        say(str(prepare(corpus, tokenizer=tokenizer, output=shards, seed=config.seed)))
    return shards


def _train(
    config: RunConfig, folder: Path, tokenizer: str | Path | None, parts: Parts | None, output: Path
) -> PretrainResult:
    wanted = load_tokenizer(tokenizer).fingerprint if tokenizer is not None else None
    train = Shards.open(folder, "train", fingerprint=wanted)
    valid = Shards.open(folder, "valid", fingerprint=wanted)
    _refuse_other_data(folder, output / "data.json")
    own = load_tokenizer(train.tokenizer_path)
    torch.manual_seed(derive("weights", config.seed) % 2**63)
    objectives, learner = build_learner(config, own, parts)
    sampler = config.sampler.build(train, own, config.seed)
    sampling = sampler.statistics(0)
    say("Sampling: " + ", ".join(f"{name} {value:.4g}" for name, value in sampling.items()))
    stream = stream_of(sampler, objectives, config)
    look = None
    if valid.num_tokens:
        held_out = held_out_stream(valid, own, objectives, config)

        def look() -> dict[str, float]:
            return evaluate_objectives(
                learner,
                held_out,
                max_tokens=config.training.evaluation_tokens,
                precision=config.training.precision,
            )

    log = MetricsLog(output, "pretrain", tensorboard=config.training.tensorboard)
    store = Checkpoints(output / "checkpoints", config.training.keep_checkpoints)
    trainer = Trainer(
        learner, stream, config.training, seed=config.seed, log=log, checkpoints=store, evaluate=look
    )
    state = trainer.run()
    return _finish(config, learner, own, state, sampling, output)


def build_learner(
    config: RunConfig, tokenizer: Tokenizer, parts: Parts | None = None
) -> tuple[list[Objective], Learner]:
    """Return the objectives and the learner of a recipe, with random weights or those given."""
    encoder = parts.encoder if parts else config.encoder.build(tokenizer.vocab_size)
    spread = config.encoder.initializer_range
    objectives = [item.build(encoder, tokenizer, spread) for _, item in config.objectives.items()]
    for objective in objectives if parts else []:
        if parts and not parts.load_head(objective.name, objective.head):
            say(f"The model has no {objective.name} head: it starts from random weights.")
    return objectives, Learner(encoder, objectives)


def stream_of(sampler: Sampler, objectives: Sequence[Objective], config: RunConfig) -> Stream:
    """Return the training stream of a recipe."""
    size = _step_size(config.training)
    workers = config.training.loader_workers
    return Stream(sampler, objectives, size=size, seed=config.seed, workers=workers)


def held_out_stream(
    valid: Shards, tokenizer: Tokenizer, objectives: Sequence[Objective], config: RunConfig
) -> Stream:
    """Return the held-out split in order, with the same questions each time."""
    sampling = config.sampler
    if sampling.kind == "segment_pair" and valid.num_documents < 2:
        # One held-out document has no other to draw from: every B then follows its A.
        say("Only one document is held out, so held-out pairs have no random next sentences.")
        sampling = replace(sampling, random_rate=0.0)
    sampler = sampling.build(valid, tokenizer, config.seed)
    return Stream(
        sampler, objectives, size=_step_size(config.training), seed=config.seed, shuffle=False
    )


def _step_size(training: TrainingConfig) -> StepSize:
    return StepSize(
        tokens=training.batch_tokens,
        sequences=training.batch_size,
        micro_batch_tokens=training.micro_batch_tokens,
    )


def _refuse_other_data(folder: Path, note: Path) -> None:
    """Note which shards a run began with; raise DataError if it goes on with others."""
    data = {"shards": str(folder.resolve()), "sha256": sha256(folder / "shards.json")}
    if not note.exists():
        write_json(note, data)
    elif read_json(note)["sha256"] != data["sha256"]:
        raise DataError(
            "not the shards this run began with.",
            path=folder,
            hint=f"It began with {read_json(note)['shards']}: give that, or begin a new run.",
        )


def _finish(
    config: RunConfig,
    learner: Learner,
    tokenizer: Tokenizer,
    state: TrainingState,
    sampling: dict[str, float],
    output: Path,
) -> PretrainResult:
    rows = [row for row in read_metrics(output / "metrics.jsonl") if row.get("split") == "valid"]
    last = rows[-1] if rows else {}
    figures = {k: v for k, v in last.items() if k.endswith(("loss", "accuracy", "perplexity"))}
    result = PretrainResult(
        path=output,
        model=output / "model",
        steps=state.step,
        tokens=state.tokens,
        seconds=state.seconds,
        parameters=sum(p.numel() for p in learner.parameters()),
        figures=figures,
        sampling=sampling,
    )
    card = model_card(config, result)
    save_model(result.model, learner, tokenizer, card=card, force=True)
    cost = {"parameters": result.parameters, "steps": state.step, "tokens": state.tokens}
    held_out = {f"held-out {name}": value for name, value in figures.items()}
    write_run_report(output, f"Pre-training of {config.name}", {**cost, **held_out, **sampling})
    return result


def model_card(config: RunConfig, result: PretrainResult) -> str:
    """Return the text of a model card: what is known of the run, nothing invented."""
    objectives = " + ".join(name for name, _ in config.objectives.items())
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: fill-mask",
        "---",
        f"# {config.name}",
        "",
        f"A BERT encoder pre-trained with gloze ({objectives}), seed {config.seed}.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {result.parameters:,} |",
        f"| layers x hidden size | {config.encoder.num_hidden_layers} x {config.encoder.hidden_size} |",
        f"| steps | {result.steps:,} |",
        f"| tokens seen | {result.tokens:,} |",
        *(f"| held-out {name} | {value:.4f} |" for name, value in result.figures.items()),
        "",
        "The resolved recipe and every logged figure lie in the run folder beside this one.",
        "",
    ]
    return "\n".join(lines)
