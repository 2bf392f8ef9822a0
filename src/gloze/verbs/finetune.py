"""``gloze finetune``: a pre-trained encoder learns a task from labelled examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.checkpoint import find_any, for_sequences, load_any_parts, load_task, weights_of
from gloze.config.finetuning import FinetuneConfig, kind_of_encoder
from gloze.config.runs import (
    FOLDS,
    SEARCH,
    SEEDS,
    note_data,
    refuse_other_seeds,
    run_folder,
    seed_folders,
)
from gloze.core.errors import ConfigError, nearest
from gloze.core.files import folders_named, read_json, write_json
from gloze.core.lists import as_list
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.interop.vector_tables import vectors_file
from gloze.recipes.finetuning import load_finetuning
from gloze.recipes.search import read_space
from gloze.report import write_finetune_report
from gloze.tasks import TASKS
from gloze.tasks.labelled import read_splits
from gloze.tasks.results import FIGURES, RESULTS, FinetuneResult, SeedResult, best_seed
from gloze.tasks.trials import best_trial
from gloze.tokenizers import new_ids
from gloze.verbs.finetune_folds import deal_out, run_folds
from gloze.verbs.finetune_job import Given
from gloze.verbs.finetune_search import DRAWN, Search, take_result
from gloze.verbs.finetune_seed import run_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gloze.checkpoint import AnyParts
    from gloze.recipes.search import Changes
    from gloze.training.transfer import Transfer
    from gloze.verbs.finetune_job import Job


def finetune(
    task: str,
    *,
    model: str | Path,
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    output: str | Path,
    transfer: Transfer | None = None,
    search: str | None = None,
    trials: int | None = None,
    folds: int | None = None,
    seeds: int = 1,
    seed: int | None = None,
    init_embeddings: str | Path | None = None,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    recipe: str | Path | FinetuneConfig | None = None,
    settings: str | Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
) -> FinetuneResult:
    """Fine-tune an encoder on labelled examples.

    Args:
        task: what is learned, such as ``classification``.
        model: a model folder, ours or in Hugging Face layout; a run folder; a hub name; word
            vectors: a folder of ours, a run that trained some, or a file of word2vec or GloVe.
        train: labelled examples: TSV, CSV, JSONL, Parquet, plain or compressed.
        dev: labelled examples that compare settings and seeds.
        test: labelled examples looked at once, at the end.
        output: the run folder; must not exist unless ``resume`` or ``force``.
        transfer: ``full`` (the default), ``frozen``, ``mix``, ``gradual`` or ``none``.
        search: settings to be tried, the best by ``dev`` taken: ``grid`` (those of the paper),
            ``optuna``, or ``path=value,value ...``.
        trials: of a search by ``optuna``; 20 if not given.
        folds: of a cross-validation over ``train``: each is held out once.
        seeds: how many runs, with seeds one after the other; several each get a folder.
        seed: the first; replaces the recipe's.
        init_embeddings: word vectors of word2vec or GloVe for the tokens that are whole words.
        format: layout of the files: a name of GLUE, or tsv, csv, jsonl, parquet.
        columns: names of your columns, like ``text_a=sentence,label=gold``.
        recipe: a TOML file or a FinetuneConfig; by default one that suits task and model.
        settings: changes to the recipe, each ``path=value``.
        resume: go on with what is in ``output``; finished seeds are kept.
        force: replace a run in ``output``.

    Raises:
        ConfigError: for an impossible recipe or call.
        DataError: for labelled files or a model that cannot be used.
        StoppedError: after a signal, with everything saved.
        DivergedError: if the loss diverges again and again.
    """
    _check_call(task, seeds, search, trials, folds, dev)
    output = Path(output)
    paths = {"train": Path(train)}
    # Each example of a cross-validation is held out once.
    held_out = dev if folds is None else train
    paths |= {name: Path(path) for name, path in (("dev", held_out), ("test", test)) if path}
    parts = _load(model)
    config = load_finetuning(
        recipe,
        as_list(settings),
        task=task,
        transfer=transfer,
        hidden_size=parts.encoder.output_size,
        num_hidden_layers=parts.encoder.config.num_hidden_layers,
        kind=kind_of_encoder(parts.encoder.config),
        seed=seed,
    )
    reader = config.task.reader(format, columns)
    vectors = {"init_embeddings": vectors_file(init_embeddings)} if init_embeddings else {}
    examples = read_splits(reader, paths)
    given = Given(model, parts, paths, examples, reader.metric, vectors.get("init_embeddings"))
    job = given.job(config)
    _tell_pooling(config, job, parts)
    trying = _search(given, config, search, trials, output, as_list(settings))
    run = _way(given, config, trying=trying, folds=folds, seeds=seeds, output=output)
    beside = {**vectors, **job.config.task.files}
    recipes = [recipe] if isinstance(recipe, str | Path) else []
    inputs = [*paths.values(), *beside.values(), find_any(model), *recipes]
    with run_folder(output, job.config, inputs=inputs, resume=resume, force=force):
        _refuse_other_ways(output, {"--search": search is not None, "--folds": folds is not None})
        refuse_other_seeds(output, seed_folders(job.config.seed, seeds, output), FIGURES)
        note_data(output, {**paths, **beside, "model": weights_of(find_any(model))})
        result = run()
        if ranks().is_first:
            write_finetune_report(result)
            write_json(output / RESULTS, result.to_dict())
    return result


def _load(model: str | Path) -> AnyParts:
    """Return the model; say so where its vocabulary could not begin and end a text, and now can."""
    loaded = load_any_parts(model)
    parts = for_sequences(loaded)
    if new := new_ids(parts.tokenizer, loaded.tokenizer):
        tokens = " ".join(parts.tokenizer.tokens(new))
        say(f"{len(new)} tokens are new: {tokens}. Their vectors are random, by the seed.")
    return parts


def _tell_pooling(asked: FinetuneConfig, job: Job, parts: AnyParts) -> None:
    """Say so where a head reads what the encoder was tuned through, and not the pooler."""
    chosen = getattr(job.config.task, "pooling", None)
    has_pooler = job.config.is_plain and parts.encoder.config.direction == "bidirectional"
    if has_pooler and chosen not in (getattr(asked.task, "pooling", None), "pooler"):
        say(
            f"{job.model} was tuned to vectors of texts, through the pooling {chosen!r}, and the "
            "head reads these. task.pooling=pooler gives a head that transformers has a class for."
        )


def _way(
    given: Given,
    config: FinetuneConfig,
    *,
    trying: Search | None,
    folds: int | None,
    seeds: int,
    output: Path,
) -> Callable[[], FinetuneResult]:
    """Return what is to be run: a search, a cross-validation, or seeds."""
    job = given.job(config)
    if trying is not None:
        return lambda: _run_best(trying, seeds)
    if folds is None:
        return lambda: _result(job, _run_seeds(job, seeds, output), output)
    parts = deal_out(given, job.config, folds)
    return lambda: _result(job, run_folds(given, job, parts, output), output, over="fold")


def _search(
    given: Given,
    config: FinetuneConfig,
    text: str | None,
    trials: int | None,
    output: Path,
    settings: Sequence[str],
) -> Search | None:
    """Return the search over changes to a recipe with these settings; None if none is wanted."""
    if text is None:
        return None
    size = given.parts.encoder.output_size
    is_static = given.parts.vectors is not None
    space = read_space(text, config.transfer, size, is_static=is_static)
    space.refuse_set(settings)

    def job(changes: Changes) -> Job:
        kind = config.task.kind
        return given.job(load_finetuning(config, changes, task=kind, hidden_size=size))

    if trials is not None and space.method == "grid":
        raise ConfigError("--trials is of --search optuna; a grid tries every combination.")
    return Search(space, DRAWN if trials is None else trials, job, config.seed, output)


def _run_best(search: Search, seeds: int) -> FinetuneResult:
    """Try settings, then train the best with every seed; what is trained already is taken over."""
    tried = search.run()
    best = best_trial(tried)
    job, output = search.job(best.changes), search.output
    first = seed_folders(search.seed, seeds, output)[search.seed]
    ranks().once(lambda: take_result(best, first))
    result = _result(job, _run_seeds(job, seeds, output), output)
    return replace(result, trials=tuple(tried))


def _run_seeds(job: Job, seeds: int, output: Path) -> list[SeedResult]:
    folders = seed_folders(job.config.seed, seeds, output)
    return [_finished(path) or run_seed(job, seed, path) for seed, path in folders.items()]


def _result(
    job: Job, results: Sequence[SeedResult], output: Path, *, over: str = "seed"
) -> FinetuneResult:
    learned, task = job.data.learned, job.config.task
    metrics = task.shown(learned)
    return FinetuneResult(
        path=output,
        task=task.kind,
        transfer=job.config.transfer,
        labels=list(learned.labels),
        metrics=metrics,
        best_seed=best_seed(results, metrics[0]),
        seeds=tuple(results),
        encoding={name: split.encoded.summary() for name, split in job.data.splits.items()},
        load=load_task,
        over=over,
    )


def _check_call(
    task: str,
    seeds: int,
    search: str | None,
    trials: int | None,
    folds: int | None,
    dev: str | Path | None,
) -> None:
    if task not in TASKS:
        raise ConfigError(
            f"Unknown task {task!r}. {nearest(task, TASKS)}Known: {', '.join(TASKS)}."
        )
    if seeds < 1:
        raise ConfigError(f"--seeds {seeds}: at least one is needed.")
    if folds is not None and folds < 2:
        raise ConfigError(f"--folds {folds}: at least 2 are needed.")
    for name, is_given in (("--dev", dev), ("--search", search), ("--seeds", seeds > 1)):
        if folds is not None and is_given:
            raise ConfigError(f"--folds has no place for {name}: each fold is held out once.")
    if search is not None and dev is None:
        raise ConfigError("--search compares settings on held-out examples: give --dev FILE.")
    if trials is not None and (search is None or trials < 1):
        raise ConfigError(f"--trials {trials}: how many trials of --search optuna, at least 1.")


def _refuse_other_ways(output: Path, asked: dict[str, bool]) -> None:
    """Refuse to go on with a search, or a cross-validation, as something else, or the reverse."""
    there = {"--search": (output / SEARCH).exists(), "--folds": bool(folders_named(output, FOLDS))}
    is_begun = any((output / name).exists() for name in ("checkpoints", FIGURES))
    is_plain = not any(there.values()) and (is_begun or bool(folders_named(output, SEEDS)))
    for name, is_asked in asked.items():
        if there[name] != is_asked and (there[name] or is_plain or any(there.values())):
            began = "with" if there[name] else "without"
            raise ConfigError(
                f"{output} began {began} {name}: go on with it so, or begin a new run with "
                "another -o."
            )


def _finished(folder: Path) -> SeedResult | None:
    """Return the result of a seed that an earlier sitting finished."""
    done = folder / FIGURES
    return SeedResult.from_dict(read_json(done), folder) if done.exists() else None
