"""``gloze pretrain``: a recipe and a corpus become a run folder with a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gloze.checkpoint import Checkpoints, Parts, find_model, save_model, start_from
from gloze.config.build import build_learner, held_out_stream, training_stream
from gloze.config.runs import note_corpus, note_data, run_folder
from gloze.core.errors import ConfigError
from gloze.core.lists import as_list
from gloze.core.progress import duration, say
from gloze.core.ranks import ranks
from gloze.core.rng import derive
from gloze.data.shards import TOKENIZER, Shards
from gloze.data.unigram import unigram_loss
from gloze.recipes import load_recipe
from gloze.report import write_run_report
from gloze.text.read import readable_twice
from gloze.tokenizers import TokenizerConfig, load_tokenizer
from gloze.training.evaluate import evaluate_objectives
from gloze.training.log import MetricsLog, read_metrics
from gloze.training.loop import Trainer
from gloze.verbs.prepare import prepare
from gloze.verbs.tokenizer import learn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.config.run import RunConfig
    from gloze.core.contracts import Objective
    from gloze.tokenizers import Tokenizer
    from gloze.training.learner import Learner
    from gloze.training.state import TrainingState

SHARDS = "shards"


@dataclass(frozen=True)
class PretrainResult:
    """What a pre-training gave, and where it lies.

    Attributes:
        path: the run folder.
        model: the model folder in it.
        steps, tokens, seconds: what it took.
        parameters: numbers that were trained.
        figures: of the held-out split at the end; empty if there is none.
        unigram_loss: on that split, of guessing tokens by their frequency: a masked LM that
            stays near it has learned nothing from context. None if nothing is held out.
        sampling: true shares of the first epoch's sequences.
    """

    path: Path
    model: Path
    steps: int
    tokens: int
    seconds: float
    parameters: int
    figures: dict[str, float]
    unigram_loss: float | None
    sampling: dict[str, float]

    def __str__(self) -> str:
        lines = [
            f"Trained {self.parameters:,} parameters for {self.steps:,} steps on {self.tokens:,} "
            f"tokens in {duration(self.seconds)}.",
            *(f"  held-out {name}: {value:.4f}" for name, value in self.figures.items()),
            *(
                [f"  held-out loss by frequency alone: {self.unigram_loss:.4f}"]
                if self.unigram_loss is not None
                else []
            ),
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
    corpus: str | Path | Sequence[str | Path] = (),
    shards: str | Path | None = None,
    tokenizer: str | Path | None = None,
    init: str | Path | None = None,
    settings: str | Sequence[str] = (),
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
    corpus, settings = as_list(corpus), as_list(settings)
    given = [each for each in (shards, tokenizer, init) if each is not None]
    inputs = [*corpus, *given, *([recipe] if isinstance(recipe, str | Path) else [])]
    config = load_recipe(recipe, settings, seed=seed)
    parts = None
    if init is not None:
        parts = start_from(init, settings, tokenizer)
        config = replace(config, encoder=parts.encoder.config)
        tokenizer = find_model(init)
    _refuse_vain(settings, shards, tokenizer)
    config = _with_given_tokenizer(config, shards, tokenizer)
    with run_folder(output, config, inputs=inputs, resume=resume, force=force) as everyone:
        folder = Path(shards) if shards else output / SHARDS
        everyone.once(lambda: shards or make_shards(corpus, tokenizer, config, output))
        return _train(config, folder, tokenizer, parts, output)


def _refuse_vain(
    settings: Sequence[str], shards: str | Path | None, tokenizer: str | Path | None
) -> None:
    """Refuse settings of a tokenizer where none is learned."""
    for change in settings if shards or tokenizer else ():
        if change.startswith("tokenizer."):
            given = "the shards bring" if shards else "there is"
            raise ConfigError(f"--set {change} does nothing here: {given} a tokenizer already.")


def _with_given_tokenizer(
    config: RunConfig, shards: str | Path | None, tokenizer: str | Path | None
) -> RunConfig:
    """Let the resolved recipe tell the vocabulary that is used, where none is to be learned."""
    given = Path(shards) / TOKENIZER if shards else tokenizer
    if given is None or not Path(given).exists():
        return config  # learned by the recipe, or refused by name when it is opened
    loaded = load_tokenizer(given)
    if loaded.kind != "WordPiece":
        return config
    known = TokenizerConfig(vocab_size=loaded.vocab_size, cased=loaded.is_cased)
    return replace(config, tokenizer=known)


def make_shards(
    corpus: Sequence[str | Path], tokenizer: str | Path | None, config: RunConfig, output: Path
) -> Path:
    """Learn the tokenizer and prepare the shards inside the run folder, unless already there."""
    with readable_twice(corpus) as files:
        note_corpus(output, corpus, files)
        if tokenizer is None:
            tokenizer = output / "tokenizer"
            if not tokenizer.exists():
                say(str(learn(files, output=tokenizer, config=config.tokenizer)))
        shards = output / SHARDS
        if not shards.exists():
            say(str(prepare(files, tokenizer=tokenizer, output=shards, seed=config.seed)))
    return shards


def _train(
    config: RunConfig, folder: Path, tokenizer: str | Path | None, parts: Parts | None, output: Path
) -> PretrainResult:
    wanted = load_tokenizer(tokenizer).fingerprint if tokenizer is not None else None
    train = Shards.open(folder, "train", fingerprint=wanted)
    valid = Shards.open(folder, "valid", fingerprint=wanted)
    note_data(output, {"shards": folder / "shards.json"})
    own = load_tokenizer(train.tokenizer_path)
    torch.manual_seed(derive("weights", config.seed) % 2**63)
    objectives, learner = build_learner(config, own, parts.encoder if parts else None)
    if parts is not None:
        _load_heads(parts, objectives)
    sampler = config.sampler.build(train, own, config.seed)
    sampling = sampler.statistics(0)
    say("Sampling: " + ", ".join(f"{name} {value:.4g}" for name, value in sampling.items()))
    stream = training_stream(sampler, objectives, config)
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
    state = Trainer(
        learner,
        stream,
        config.training,
        seed=config.seed,
        log=log,
        checkpoints=store,
        evaluate=look,
        score=lambda figures: -figures["loss"],
    ).run()
    by_frequency = unigram_loss(train, valid)
    return _finish(config, learner, own, state, sampling, by_frequency, output)


def _load_heads(parts: Parts, objectives: Sequence[Objective]) -> None:
    for objective in objectives:
        if not parts.load_head(objective.name, objective.head):
            say(f"The model has no {objective.name} head: it starts from random weights.")


def _finish(
    config: RunConfig,
    learner: Learner,
    tokenizer: Tokenizer,
    state: TrainingState,
    sampling: dict[str, float],
    by_frequency: float | None,
    output: Path,
) -> PretrainResult:
    log = output / "metrics.jsonl"
    rows = [r for r in read_metrics(log) if r.get("split") == "valid"] if ranks().is_first else []
    if config.training.keep_best:
        rows = [row for row in rows if row["step"] == state.best_step]
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
        unigram_loss=by_frequency,
        sampling=sampling,
    )
    card = model_card(config, result)
    save_model(result.model, learner, tokenizer, card=card, force=True)
    if not ranks().is_first:
        return result
    cost = {"parameters": result.parameters, "steps": state.step, "tokens": state.tokens}
    held_out = {f"held-out {name}": value for name, value in figures.items()}
    held_out |= {"held-out loss by frequency alone": by_frequency} if by_frequency else {}
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
        f"| layers | {config.encoder.num_hidden_layers} |",
        f"| hidden size | {config.encoder.hidden_size} |",
        f"| steps | {result.steps:,} |",
        f"| tokens seen | {result.tokens:,} |",
        *(f"| held-out {name} | {value:.4f} |" for name, value in result.figures.items()),
        "",
        "The resolved recipe and every logged figure lie in the run folder beside this one.",
        "",
    ]
    return "\n".join(lines)
