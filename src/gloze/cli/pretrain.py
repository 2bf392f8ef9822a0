"""``gloze pretrain`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from gloze.report import PretrainResult
    from gloze.verbs.pretrain_vectors import VectorsResult
    from gloze.verbs.profile import ProfileResult


def pretrain(
    recipe: str,
    *,
    corpus: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)
    ] = (),
    shards: Path | None = None,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    tokenizer: Path | None = None,
    init: str | None = None,
    init_embeddings: Path | None = None,
    extend_vocabulary: int | None = None,
    segmenter: str | None = None,
    settings: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", show_default=False)
    ] = (),
    seed: int | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
    profile: Annotated[bool, Parameter(negative="")] = False,
) -> PretrainResult | VectorsResult | ProfileResult:
    """Pre-train an encoder, or word vectors.

    Example: gloze pretrain bert-mini --shards shards -o runs/mini --set training.steps=20000

    Args:
        recipe: a named recipe, changes behind it or not (bert-mini+no-nsp), or a TOML file.
        corpus: files, folders, globs or - (standard input), prepared in the run folder.
        shards: a folder written by gloze prepare, instead of a corpus.
        output: the run folder to write: checkpoints, log, model, report.
        tokenizer: a tokenizer folder or file; by default learned from the corpus.
        init: a model, or word vectors, to start from instead of random weights; its tokenizer and
            sizes hold.
        init_embeddings: word vectors, word2vec's or GloVe's, to begin with for the tokens that
            are whole words; of encoder.hidden_size numbers.
        extend_vocabulary: add so many words of the corpus that the model's vocabulary cuts up.
        segmenter: finds the words of Chinese: jieba, spaces, a word list, module:function.
        settings: a change to the recipe, as path=value; may be repeated.
        seed: replaces the recipe's.
        resume: go on exactly where the run in --output stopped.
        force: replace the output if it exists.
        profile: only time 20 steps and say where the time goes; nothing is written.
    """
    how: dict[str, Any] = {
        "corpus": corpus,
        "shards": shards,
        "tokenizer": tokenizer,
        "segmenter": segmenter,
        "settings": settings,
        "seed": seed,
    }
    if profile:
        from gloze.verbs.profile import profile as timed

        if given := [
            name
            for name, value in (
                ("--output", output),
                ("--init", init),
                ("--init-embeddings", init_embeddings),
                ("--extend-vocabulary", extend_vocabulary),
                ("--resume", resume),
                ("--force", force),
            )
            if value
        ]:
            raise ConfigError(f"--profile writes nothing: {given[0]} has no place beside it.")
        return timed(recipe, **how)
    if output is None:
        raise ConfigError("Name the run folder to write: --output FOLDER, or -o FOLDER.")
    from gloze.verbs.pretrain import pretrain as run

    return run(
        recipe,
        output=output,
        init=init,
        init_embeddings=init_embeddings,
        extend_vocabulary=extend_vocabulary,
        resume=resume,
        force=force,
        **how,
    )
