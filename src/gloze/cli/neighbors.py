"""``gloze neighbors`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gloze.cli.corpus import CorpusWord

if TYPE_CHECKING:
    from gloze.vectors.nearest import NearestWords
    from gloze.verbs.neighbors import NeighborsResult


def neighbors(
    model: str,
    *queries: str,
    corpus: Annotated[tuple[CorpusWord, ...], Parameter(negative="")] = (),
    index: Path | None = None,
    layer: Annotated[int | None, Parameter(allow_leading_hyphen=True)] = None,
    only: str | None = None,
    any_word: Annotated[bool, Parameter(negative="")] = False,
    top: int = 10,
    device: str = "auto",
    force: Annotated[bool, Parameter(negative="")] = False,
) -> NeighborsResult | NearestWords:
    """Find the occurrences nearest to a word in its sentence, and the nearest tokens.

    Example: gloze neighbors runs/mini --corpus books/ --index books-index

    Example: gloze neighbors runs/mini "the [[bank]] of the river" --index books-index

    Example: gloze neighbors runs/mini bank

    Args:
        model: a model or run folder, ours or in Hugging Face layout, a hub name, or word vectors,
            of which words alone can be asked.
        queries: sentences with one word marked by [[ ]], or words alone, which are looked up in
            the token table only.
        corpus: files, folders or globs to make the index of; may be repeated.
        index: folder of the index.
        layer: whose vectors a new index holds: 0 is the embeddings, -1 the last (default).
        only: words with commas that a new index is limited to.
        any_word: also occurrences of other words than the one marked.
        top: how many neighbours of each kind.
        device: auto, cpu, cuda or cuda:N.
        force: replace the index if it exists.
    """
    from gloze.verbs.neighbors import neighbors as run

    words = only.split(",") if only else ()
    return run(
        model, *queries, corpus=corpus, index=index, layer=layer, only=words, any_word=any_word,
        top=top, device=device, force=force,
    )  # fmt: skip
