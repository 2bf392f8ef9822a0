"""``gloze ablate`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from gloze.report.ablation import AblationResult
    from gloze.report.ablation_plan import AblationPlan


def ablate(
    *arms: str,
    output: Annotated[Path, Parameter(alias="-o")],
    corpus: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)
    ] = (),
    shards: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)
    ] = (),
    tasks: Annotated[
        tuple[str, ...], Parameter(name="--task", negative="", show_default=False)
    ] = (),
    tokens: str | None = None,
    minutes: float | None = None,
    flops: str | None = None,
    settings: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", show_default=False)
    ] = (),
    finetune_settings: Annotated[
        tuple[str, ...], Parameter(name="--finetune-set", negative="", show_default=False)
    ] = (),
    seed: int | None = None,
    seeds: int | None = None,
    pretrain_seeds: int | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> AblationResult | AblationPlan:
    """Train arms alike, fine-tune them on the same tasks, and compare them.

    Example: gloze ablate bert-mini bert-mini+no-nsp "bert-mini --set sampler.max_length=64"
    --shards shards --tokens 20M --task "sst2=classification --train a.tsv --dev b.tsv" -o nsp

    Example: gloze ablate arms.toml -o lineage --dry-run

    Args:
        arms: each one word: a recipe, or the folder of a trained model, and behind it --set,
            --label, --transfer, --finetune-set, --shards, or --model for any model. Or one TOML
            file of a whole ablation. The others are compared with the first.
        output: the folder to write: a run for every training, table, results and report.
        corpus: files, folders or globs; tokenizers are learned and shards prepared in --output,
            once for each kind that arms have.
        shards: folders written by gloze prepare, one for each kind of tokenizer, instead.
        tasks: what arms are fine-tuned on and compared by, as one word: 'NAME=TASK --train FILE
            --dev FILE --test FILE', with --format, --columns, --recipe, --transfer and --set as
            in gloze finetune; may be repeated.
        tokens: the budget of each pre-training, such as 20M; or
        minutes: of training on this machine; or
        flops: operations of the products, counted by formula, such as 1e15.
        settings: a change to every recipe, as path=value; may be repeated.
        finetune_settings: a change to every fine-tuning, as path=value; may be repeated.
        seed: the first, of pre-trainings and fine-tunings (0).
        seeds: fine-tunings of each model on each task (3).
        pretrain_seeds: pre-trainings of each arm (1).
        dry_run: train nothing and write nothing; say what it would cost.
        resume: go on where it stopped; arms, tasks and seeds may be added. Without arms, those
            that are there.
        force: replace the output if it exists.
    """
    from gloze.verbs.ablate import ablate as run

    return run(
        arms,
        output=output,
        corpus=corpus,
        shards=shards,
        tasks=tasks,
        tokens=tokens,
        minutes=minutes,
        flops=flops,
        settings=settings,
        finetune_settings=finetune_settings,
        seed=seed,
        seeds=seeds,
        pretrain_seeds=pretrain_seeds,
        dry_run=dry_run,
        resume=resume,
        force=force,
    )
