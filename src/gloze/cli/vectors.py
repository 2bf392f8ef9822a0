"""``gloze vectors`` on the command line: a verb for each thing that is asked of word vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

_HELP = """Ask, judge, convert and draw word vectors.

They are folders of ours, runs that trained some, or files of word2vec or GloVe.

Example: gloze vectors neighbors glove.6B.100d.txt frog
"""
vectors = App(name="vectors", help=_HELP)
_FORCE = Parameter(negative="")


@vectors.command
def neighbors(vectors: str, *words: str, top: int = 10, limit: int | None = None) -> Any:
    """Find the nearest words of words, with cosines.

    Example: gloze vectors neighbors glove.6B.100d.txt frog lizard

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        words: to look for.
        top: how many of each.
        limit: look among so many words of the beginning alone.
    """
    from gloze.verbs.vectors import vector_neighbors

    return vector_neighbors(vectors, words, top=top, limit=limit)


@vectors.command
def analogy(
    vectors: str,
    first: str,
    second: str,
    third: str,
    *,
    method: Literal["add", "mul"] = "add",
    top: int = 10,
    limit: int | None = None,
) -> Any:
    """Find what a word is to, as another is to a third.

    Example: gloze vectors analogy glove.6B.100d.txt man king woman

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        first: word of the pair that is known.
        second: what it is to.
        third: word of the pair that is looked for.
        method: add is 3CosAdd, mul 3CosMul.
        top: how many.
        limit: look among so many words of the beginning alone.
    """
    from gloze.verbs.vectors import vector_analogy

    return vector_analogy(vectors, first, second, third, method=method, top=top, limit=limit)


@vectors.command
def similarity(vectors: str, *words: str) -> Any:
    """Compare words with each other; of three or more, name the one that does not belong.

    Example: gloze vectors similarity glove.6B.100d.txt breakfast cereal dinner lunch

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        words: two or more.
    """
    from gloze.verbs.vectors import vector_similarity

    return vector_similarity(vectors, words)


@vectors.command
def evaluate(
    *vectors: str,
    data: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")],
    method: Literal["add", "mul"] = "add",
    limit: int = 300_000,
) -> Any:
    """Judge word vectors on word pairs, analogies and outliers, in one table.

    Example: gloze vectors evaluate glove.txt word2vec.bin --data word-similarity/ analogies/

    Args:
        vectors: folders of ours, runs, or files of word2vec or GloVe.
        data: files or folders of pairs with a score, analogies in sections, groups with outliers.
        method: of analogies: add is 3CosAdd, mul 3CosMul.
        limit: answers of analogies are looked for among so many words of the beginning.
    """
    from gloze.verbs.vectors_evaluate import evaluate_vectors

    return evaluate_vectors(vectors, data, method=method, limit=limit)


@vectors.command
def convert(
    vectors: str,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    form: Annotated[
        Literal["gloze", "text", "binary", "glove"], Parameter(name="--format")
    ] = "gloze",
    idf: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    force: Annotated[bool, _FORCE] = False,
) -> Any:
    """Write word vectors as a folder of ours, or as a file that other software reads.

    Example: gloze vectors convert GoogleNews-vectors-negative300.bin.gz -o news

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        output: the folder or file to write; .gz at the end of a file's name compresses it.
        form: gloze is a folder that is mapped; text and binary are word2vec's; glove is GloVe's.
        idf: a corpus whose documents give each word its weight in texts.
        force: replace the output if it exists.
    """
    from gloze.verbs.vectors_convert import convert_vectors

    return convert_vectors(vectors, output, form=form, idf=idf, force=force)


@vectors.command
def phrases(
    corpus: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")],
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    threshold: float = 100.0,
    min_count: int = 5,
    passes: int = 1,
    cased: Annotated[bool, _FORCE] = False,
    keep_accents: Annotated[bool, _FORCE] = False,
    split: Literal["punctuation", "spaces", "jieba"] = "punctuation",
    threads: int = 1,
    force: Annotated[bool, _FORCE] = False,
) -> Any:
    """Write a corpus anew, the words of phrases as one (new_york), to learn vectors of them.

    Example: gloze vectors phrases books/ -o books.txt --passes 2

    Args:
        corpus: files, folders, globs.
        output: the text file to write.
        threshold: of a phrase's score; the higher, the fewer phrases.
        min_count: of its words; also taken from the count of a phrase.
        passes: after two, phrases have up to four words.
        cased: keep capitals and accents.
        keep_accents: keep accents alone.
        split: what parts words.
        threads: that count.
        force: replace the output if it exists.
    """
    from gloze.tokenizers import TokenizerConfig
    from gloze.verbs.vectors_phrases import join_corpus

    config = TokenizerConfig(kind="words", cased=cased, keep_accents=keep_accents, split=split)
    return join_corpus(
        corpus, output, threshold=threshold, min_count=min_count, passes=passes, config=config,
        threads=threads, force=force,
    )  # fmt: skip


@vectors.command
def plot(
    vectors: str,
    *words: str,
    output: Annotated[Path, Parameter(alias="-o")],
    top: int = 10,
    method: Literal["pca", "tsne", "umap"] = "pca",
    seed: int = 0,
    force: Annotated[bool, _FORCE] = False,
) -> Any:
    """Draw words and their nearest ones in a plane, as SVG.

    Example: gloze vectors plot glove.6B.100d.txt frog king paris -o words.svg

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        words: each with its nearest words in one color.
        output: the file to write.
        top: how many nearest words of each; 0 for the words alone.
        method: pca; tsne and umap need the plot extra.
        seed: of tsne and umap.
        force: replace the output if it exists.
    """
    from gloze.verbs.vectors_plot import plot_vectors

    return plot_vectors(vectors, words, output, top=top, method=method, seed=seed, force=force)
