"""``gloze pretrain``: a recipe and a corpus become a run folder with a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from gloze.checkpoint import (
    Checkpoints,
    Parts,
    find_model,
    save_model,
    save_token_vectors,
    start_from,
    with_tokenizer,
)
from gloze.config.build import build_learner, held_out_streams, training_streams
from gloze.config.run import RunConfig
from gloze.config.runs import note_data, run_folder
from gloze.config.toml import read_toml, to_dict
from gloze.config.vectors import VectorsConfig
from gloze.core.errors import ConfigError
from gloze.core.lists import as_list
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.core.rng import derive
from gloze.data.counts import unigram_loss
from gloze.data.shards import Shards
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.interop.token_table import fill_token_table
from gloze.interop.vector_tables import vectors_file
from gloze.recipes import load_any_recipe
from gloze.report import PretrainResult, model_card, write_run_report
from gloze.tokenizers import load_tokenizer
from gloze.training.evaluate import evaluate_objectives
from gloze.training.log import MetricsLog, read_metrics
from gloze.training.loop import Trainer
from gloze.vectors.folder import VECTORS
from gloze.verbs.run_shards import RunShards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.core.contracts import Objective, TableEncoder
    from gloze.tokenizers import Segmenter, Tokenizer
    from gloze.tokenizers.segmenters import Cut
    from gloze.training.learner import Learner
    from gloze.training.state import TrainingState
    from gloze.verbs.pretrain_vectors import VectorsResult


def pretrain(
    recipe: str | Path | RunConfig | VectorsConfig,
    *,
    output: str | Path,
    corpus: str | Path | Sequence[str | Path] = (),
    shards: str | Path | None = None,
    tokenizer: str | Path | None = None,
    init: str | Path | None = None,
    init_embeddings: str | Path | None = None,
    extend_vocabulary: int | None = None,
    segmenter: str | Path | Segmenter | Cut | None = None,
    settings: str | Sequence[str] = (),
    seed: int | None = None,
    resume: bool = False,
    force: bool = False,
) -> PretrainResult | VectorsResult:
    """Pre-train an encoder, or word vectors.

    Args:
        recipe: a named recipe, a TOML file, a RunConfig or a VectorsConfig.
        output: the run folder; must not exist unless ``resume`` or ``force``.
        corpus: files, folders or globs; tokenizer and shards are made in the run folder. Or
        shards: a folder written by ``prepare``.
        tokenizer: a tokenizer folder or file; by default learned from the corpus.
        init: a model to start from; its tokenizer and sizes hold. Of word vectors a folder, run
            or file of some: words of the corpus that they lack are added.
        init_embeddings: word vectors of word2vec or GloVe for the tokens that are whole words.
        extend_vocabulary: so many words of the corpus, which the model's vocabulary cuts up, get
            an entry of their own; their weights begin as the mean of those of their pieces.
        segmenter: finds the words of the corpus, as in ``prepare``.
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
    output = Path(output)
    corpus, settings = as_list(corpus), as_list(settings)
    vectors = None if init_embeddings is None else vectors_file(init_embeddings)
    given = [each for each in (shards, tokenizer, init, vectors) if each is not None]
    inputs = [*corpus, *given, *([recipe] if isinstance(recipe, str | Path) else [])]
    config = load_any_recipe(recipe, settings, seed=seed)
    if isinstance(config, VectorsConfig):
        # Encoders need no numba.
        from gloze.verbs.pretrain_vectors import pretrain_vectors, refuse_encoders

        refuse_encoders(
            init_embeddings=vectors,
            extend_vocabulary=extend_vocabulary,
            segmenter=segmenter,
        )
        source = RunShards.of(corpus, shards, tokenizer)
        config = source.resolve(config, settings)
        return pretrain_vectors(
            config, source, output, init=init, settings=settings, inputs=inputs, resume=resume,
            force=force,
        )  # fmt: skip
    parts = None
    if init is not None:
        # What the model lacks, such as a pooler, begins at random: by the seed as well.
        torch.manual_seed(derive("lacking", config.seed) % 2**63)
        parts = start_from(init, [*_dropout_of(cast("Any", recipe)), *settings], tokenizer)
        config = replace(config, encoder=parts.encoder.config)
    own = tokenizer if init is None else find_model(init)
    if extend_vocabulary is not None and init is None:
        raise ConfigError("--extend-vocabulary goes with --init: it adds to a model's vocabulary.")
    source = RunShards.of(corpus, shards, own, segmenter, extend_vocabulary)
    config = source.resolve(config, settings)
    with run_folder(output, config, inputs=inputs, resume=resume, force=force) as everyone:
        everyone.once(lambda: source.make(config, output))
        return _train(config, source, parts, vectors, output)


def _dropout_of(recipe: str | Path | RunConfig) -> list[str]:
    """Return the dropout of a recipe as changes; that of a named one is for new weights."""
    if isinstance(recipe, RunConfig):
        encoder = to_dict(recipe.encoder)
    elif Path(recipe).suffix == ".toml":
        encoder = read_toml(Path(recipe)).get("encoder", {})
    else:
        return []
    return [f"encoder.{name}={encoder[name]}" for name in encoder if name.endswith("dropout_prob")]


def _train(
    config: RunConfig, source: RunShards, parts: Parts | None, vectors: Path | None, output: Path
) -> PretrainResult:
    folder, tokenizer = source.folder(output), source.used_tokenizer(output)
    wanted = load_tokenizer(tokenizer).fingerprint if tokenizer is not None else None
    train = Shards.open(folder, "train", fingerprint=wanted)
    valid = Shards.open(folder, "valid", fingerprint=wanted)
    files = {"shards": folder / "shards.json"}
    note_data(output, files if vectors is None else {**files, "init_embeddings": vectors})
    _tell_words(config, train)
    own = load_tokenizer(train.tokenizer_path)
    if parts is not None and source.new_words is not None:
        parts = with_tokenizer(parts, own)
    torch.manual_seed(derive("weights", config.seed) % 2**63)
    objectives, learner = build_learner(config, own, train, parts.encoder if parts else None)
    if parts is not None:
        _load_heads(parts, objectives)
    if vectors is not None:
        say(
            str(
                fill_token_table(
                    cast("TableEncoder", learner.encoder).token_embeddings, own, vectors
                )
            )
        )
    sampler = config.sampler.build(train, own, config.seed)
    sampling = sampler.statistics(0)
    say("Sampling: " + ", ".join(f"{name} {value:.4g}" for name, value in sampling.items()))
    held_out = held_out_streams(valid, own, objectives, config) if valid.num_tokens else []

    def look() -> dict[str, float]:
        return evaluate_objectives(
            learner,
            held_out[trainer.state.phase],
            max_tokens=config.training.evaluation_tokens,
            precision=config.training.precision,
        )

    trainer = Trainer(
        learner,
        training_streams(sampler, train, own, objectives, config),
        config.training,
        seed=config.seed,
        log=MetricsLog(output, "pretrain", tensorboard=config.training.tensorboard),
        checkpoints=Checkpoints(output / "checkpoints", config.training.keep_checkpoints),
        evaluate=look if held_out else None,
        score=lambda figures: -figures["loss"],
    )
    state = trainer.run()
    goals = config.objectives
    asks_for_words = goals.mlm or goals.lm or goals.one_blank
    lm = goals.lm
    known = (lm.vocab_size, own.unk_id) if lm is not None and lm.vocab_size is not None else None
    by_frequency = unigram_loss(train, valid, known) if asks_for_words else None
    return _finish(config, learner, own, train, state, sampling, by_frequency, output)


def _tell_words(config: RunConfig, shards: Shards) -> None:
    """Say where the words come from, where that matters or seems to have been meant to."""
    mlm = config.objectives.mlm
    if mlm is not None and mlm.whole_words:
        say(f"Whole words are those of {shards.segmenter or 'the tokenizer'}.")
    elif mlm is not None and shards.segmenter:
        say(
            f"The shards know the words of {shards.segmenter}, and tokens are masked one by one: "
            "objectives.mlm.whole_words is off."
        )


def _load_heads(parts: Parts, objectives: Sequence[Objective]) -> None:
    for objective in objectives:
        if not parts.load_head(objective.name, objective.head):
            say(f"The model has no {objective.name} head: it starts from random weights.")


def _finish(
    config: RunConfig,
    learner: Learner,
    tokenizer: Tokenizer,
    train: Shards,
    state: TrainingState,
    sampling: dict[str, float],
    by_frequency: float | None,
    output: Path,
) -> PretrainResult:
    log = output / "metrics.jsonl"
    has_vectors = isinstance(config.encoder, FeedForwardConfig)
    rows = [r for r in read_metrics(log) if r.get("split") == "valid"] if ranks().is_first else []
    if config.training.keep_best:
        rows = [row for row in rows if row["step"] == state.best_step]
    last = rows[-1] if rows else {}
    figures = {k: v for k, v in last.items() if k.endswith(("loss", "accuracy", "perplexity"))}
    result = PretrainResult(
        path=output,
        model=output / "model",
        vectors=output / VECTORS if has_vectors else None,
        objectives=[name for name, _ in config.objectives.items()],
        steps=state.step,
        tokens=state.tokens,
        seconds=state.seconds,
        parameters=sum(p.numel() for p in learner.parameters()),
        figures=figures,
        unigram_loss=by_frequency,
        sampling=sampling,
    )
    facts = {"parameters": result.parameters, "steps": state.step, "tokens seen": state.tokens}
    shown = {name: f"{count:,}" for name, count in facts.items()}
    card = model_card(
        config, {**shown, **{f"held-out {name}": f"{x:.4f}" for name, x in figures.items()}}
    )
    # What stands before the first token of a text: between those of a stream it is their end.
    begins = tokenizer.sep_id if config.sampler.kind == "stream" else tokenizer.cls_id
    start = {"bos_token_id": begins} if config.objectives.lm else None
    save_model(result.model, learner, tokenizer, card=card, extra=start, force=True)
    if not ranks().is_first:
        return result
    if result.vectors:
        save_token_vectors(result.model, tokenizer, train, card=card)
    cost = {"parameters": result.parameters, "steps": state.step, "tokens": state.tokens}
    held_out = {f"held-out {name}": value for name, value in figures.items()}
    held_out |= {"held-out loss by frequency alone": by_frequency} if by_frequency else {}
    write_run_report(output, f"Pre-training of {config.name}", {**cost, **held_out, **sampling})
    return result
