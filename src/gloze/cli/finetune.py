"""``gloze finetune`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from gloze.tasks.results import FinetuneResult


def finetune(
    task: str,
    *,
    model: str,
    train: Path,
    dev: Path | None = None,
    test: Path | None = None,
    output: Annotated[Path, Parameter(alias="-o")],
    transfer: Literal["full", "frozen", "mix", "gradual", "none"] | None = None,
    search: str | None = None,
    trials: int | None = None,
    folds: int | None = None,
    seeds: int = 1,
    seed: int | None = None,
    init_embeddings: Path | None = None,
    format: str | None = None,
    columns: str | None = None,
    recipe: Path | None = None,
    settings: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", consume_multiple=False)
    ] = (),
    resume: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> FinetuneResult:
    """Fine-tune an encoder on labelled examples.

    Example: gloze finetune classification --model runs/mini --train a.tsv --dev b.tsv -o runs/c

    Example: gloze finetune classification --model runs/mini --format mrpc --train train.tsv.gz
    --dev dev.tsv --seeds 3 -o runs/mrpc

    Example: gloze finetune tagging --model runs/mini --train eng.train --dev eng.testa -o runs/ner

    Args:
        task: classification, regression, multilabel, tagging, span, choice or ranking.
        model: a model folder, ours or in Hugging Face layout, a run folder, a hub name, or word
            vectors, over which a BiLSTM is learned.
        train: labelled examples: TSV, CSV, JSONL or Parquet, for tagging CoNLL columns and more,
            for span SQuAD's JSON too; plain or compressed.
        dev: labelled examples that compare settings and seeds.
        test: labelled examples that are looked at once, at the end.
        output: folder for log, model and results; must not exist unless --resume or --force.
        transfer: full trains all weights (the default), frozen the head alone, mix also the
            shares in which it reads all layers, gradual one layer more each epoch, none the same
            network from random weights.
        search: settings to try, the best on --dev is taken: grid (those of the paper), optuna, or
            your own, like 'training.learning_rate=2e-5,5e-5 training.epochs=2,3'.
        trials: how many settings --search optuna tries; 20 if not given.
        folds: cross-validation: the training file in as many parts, each held out once.
        seeds: how many runs, with seeds one after the other; mean and deviation are given.
        seed: the first seed.
        init_embeddings: word vectors, word2vec's or GloVe's, to begin with for the tokens that
            are whole words; of as many numbers as the model's.
        format: layout of the files: tsv, csv, jsonl, parquet, or a data set's own: GLUE's cola,
            sst2, mrpc, qqp, stsb, mnli, qnli, rte, wnli; goemotions; swag, codah, siqa,
            storycloze, c3, dream, race; trecqa, wikiqa; of tagging conll, conllu, cws.
        columns: names of your columns, like text_a=sentence,label=gold, or word=0,tag=3.
        recipe: a TOML file, such as recipe.toml of an earlier run; by default one that suits the
            size of the model.
        settings: a change to the recipe, as path=value (training.learning_rate=1e-4,
            task.max_length=256); may be repeated.
        resume: go on exactly where the run in --output stopped; finished seeds are kept.
        force: replace the output if it exists.
    """
    from gloze.verbs.finetune import finetune as run

    return run(
        task,
        model=model,
        train=train,
        dev=dev,
        test=test,
        output=output,
        transfer=transfer,
        search=search,
        trials=trials,
        folds=folds,
        seeds=seeds,
        seed=seed,
        init_embeddings=init_embeddings,
        format=format,
        columns=columns,
        recipe=recipe,
        settings=settings,
        resume=resume,
        force=force,
    )
