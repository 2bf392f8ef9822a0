"""``gloze finetune``: a pre-trained encoder learns a task from labelled examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.checkpoint import (
    find_model,
    load_parts,
    load_task,
    with_dropout,
)
from gloze.config.runs import (
    note_data,
    refuse_other_seeds,
    run_folder,
    seed_folders,
)
from gloze.core.errors import ConfigError, nearest
from gloze.core.files import read_json, write_json
from gloze.core.lists import as_list
from gloze.core.ranks import ranks
from gloze.recipes.finetuning import FinetuneConfig, load_finetuning
from gloze.report import write_finetune_report
from gloze.tasks import TASKS
from gloze.tasks.labelled import encode_splits, read_splits
from gloze.tasks.results import (
    FIGURES,
    RESULTS,
    FinetuneResult,
    SeedResult,
    best_seed,
)
from gloze.verbs.finetune_seed import Job, run_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.training.transfer import Transfer


def finetune(
    task: str,
    *,
    model: str | Path,
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    output: str | Path,
    transfer: Transfer | None = None,
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
        model: a model folder, ours or in Hugging Face layout; a run folder; a hub name.
        train: labelled examples: TSV, CSV, JSONL, Parquet, plain or compressed.
        dev: labelled examples that compare settings and seeds.
        test: labelled examples looked at once, at the end.
        output: the run folder; must not exist unless ``resume`` or ``force``.
        transfer: ``full`` (the default), ``frozen``, ``mix``, ``gradual`` or ``none``.
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
    _check_call(task, seeds)
    output = Path(output)
    paths = {"train": Path(train)}
    paths |= {name: Path(path) for name, path in (("dev", dev), ("test", test)) if path}
    parts = load_parts(model)
    config = load_finetuning(
        recipe,
        as_list(settings),
        task=task,
        transfer=transfer,
        hidden_size=parts.encoder.output_size,
        num_hidden_layers=parts.encoder.config.num_hidden_layers,
        seed=seed,
    )
    reader = config.task.reader(format, columns)
    parts = with_dropout(parts, config.encoder.rates)
    is_plain = config.readout.is_plain and not config.is_frozen
    config = replace(config, task=config.task.resolve(is_plain=is_plain, metric=reader.metric))
    examples = read_splits(reader, paths)
    data = encode_splits(config.task, parts.encoder, parts.tokenizer, paths, examples)
    vectors = {"init_embeddings": Path(init_embeddings)} if init_embeddings else {}
    job = Job(model, config, data, vectors.get("init_embeddings"))
    inputs = [
        *paths.values(),
        *vectors.values(),
        find_model(model),
        *([recipe] if isinstance(recipe, str | Path) else []),
    ]
    with run_folder(output, job.config, inputs=inputs, resume=resume, force=force):
        refuse_other_seeds(output, seed_folders(job.config.seed, seeds, output), FIGURES)
        weights = {"model": find_model(model) / "model.safetensors"}
        note_data(output, {**paths, **vectors, **weights})
        result = _run_seeds(job, task, seeds, output)
        if ranks().is_first:
            write_finetune_report(result)
            write_json(output / RESULTS, result.to_dict())
    return result


def _run_seeds(job: Job, task: str, seeds: int, output: Path) -> FinetuneResult:
    folders = seed_folders(job.config.seed, seeds, output)
    results = [_finished(path) or run_seed(job, seed, path) for seed, path in folders.items()]
    learned = job.data.learned
    metrics = job.config.task.shown(learned)
    return FinetuneResult(
        path=output,
        task=task,
        transfer=job.config.transfer,
        labels=list(learned.labels),
        metrics=metrics,
        best_seed=best_seed(results, metrics[0]),
        seeds=tuple(results),
        encoding={name: split.encoded.summary() for name, split in job.data.splits.items()},
        load=load_task,
    )


def _check_call(task: str, seeds: int) -> None:
    if task not in TASKS:
        raise ConfigError(
            f"Unknown task {task!r}. {nearest(task, TASKS)}Known: {', '.join(TASKS)}."
        )
    if seeds < 1:
        raise ConfigError(f"--seeds {seeds}: at least one is needed.")


def _finished(folder: Path) -> SeedResult | None:
    """Return the result of a seed that an earlier sitting finished."""
    done = folder / FIGURES
    return SeedResult.from_dict(read_json(done), folder) if done.exists() else None
