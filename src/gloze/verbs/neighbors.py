"""``gloze neighbors``: what stands near a word, in its sentence and in the token table."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import find_any, is_static, load, weights_of
from gloze.core.errors import ConfigError, DataError
from gloze.core.lists import as_list
from gloze.core.manifest import sha256
from gloze.core.output import refuse_existing
from gloze.core.progress import Progress, say
from gloze.inference.features import FeatureConfig
from gloze.interop.vector_tables import load_word_vectors
from gloze.probes.occurrences import FILES, Hit, Index, IndexFacts, build_index
from gloze.probes.tokens import Neighbor, token_neighbors
from gloze.probes.words import Phrase, Word, vectors_at, words_of
from gloze.text.read import ReadReport, read_sentences
from gloze.vectors.nearest import NearestWords, nearest_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.inference.model import Model

_MARK = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)


@dataclass(frozen=True)
class QueryResult:
    """What stands near one word.

    Attributes:
        query: as it was given.
        word: the word that was meant.
        pieces: the tokens it is made of.
        tokens: the tokens whose rows of the token table are nearest to those of its pieces.
        hits: the nearest occurrences in the corpus; None if the query marks no word.
        occurrences: how many of the word the corpus has.
    """

    query: str
    word: str
    pieces: list[str]
    tokens: list[Neighbor]
    hits: list[Hit] | None = None
    occurrences: int = 0

    def __str__(self) -> str:
        lines = [self.query]
        if self.hits is not None:
            lines.append(f"  {self.occurrences:,} occurrences of {self.word!r} in the corpus")
            lines += [f"  {hit.cosine:.3f}  {hit.in_context}" for hit in self.hits]
        listed = ", ".join(f"{found.token} {found.cosine:.2f}" for found in self.tokens)
        return "\n".join([*lines, f"  token table, {' '.join(self.pieces)}: {listed}"])


@dataclass(frozen=True)
class NeighborsResult:
    """The neighbours of each query, and the index they are from.

    Attributes:
        queries: in their order.
        index: of the occurrences, if one was used or made.
        facts: what that index was made of.
    """

    queries: tuple[QueryResult, ...]
    index: Path | None = None
    facts: IndexFacts | None = None

    def __str__(self) -> str:
        lines = list(map(str, self.queries))
        if self.facts is not None:
            facts = self.facts
            lines.append(
                f"Index: {self.index} ({facts.occurrences:,} words in {facts.sentences:,} "
                f"sentences, layer {facts.layer}; {facts.unknown:,} unknown words left out)"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        queries = [
            {**asdict(found), "tokens": [each._asdict() for each in found.tokens]}
            for found in self.queries
        ]
        facts = None if self.facts is None else asdict(self.facts)
        return {"queries": queries, "index": str(self.index or "") or None, "facts": facts}


def neighbors(
    model: str | Path,
    *queries: str,
    corpus: str | Path | Sequence[str | Path] = (),
    index: str | Path | None = None,
    layer: int | None = None,
    only: Sequence[str] = (),
    any_word: bool = False,
    top: int = 10,
    device: str = "auto",
    force: bool = False,
) -> NeighborsResult | NearestWords:
    """Find what stands near words.

    Example: ``gloze.neighbors("runs/mini", "the [[bank]] of the river", index="bank-index")``

    Args:
        model: a model or run folder, ours or in Hugging Face layout, a hub name, or word vectors,
            of which words alone can be asked.
        queries: a sentence with the word marked by ``[[ ]]``, for its nearest occurrences in the
            corpus; or a word alone, for the nearest rows of the token table.
        corpus: to make ``index`` of, as ``gloze.prepare`` reads it.
        index: folder of the index; made if there is a corpus, else searched as it is.
        layer: whose vectors a new index holds; 0 is the embeddings, -1 the last, which it is if
            left out. One that exists has to be of it.
        only: words that a new index is limited to; by default all are in it.
        any_word: also occurrences of other words than the one marked.
        top: how many neighbours of each kind.
        device: auto, cpu, cuda or cuda:N.
        force: replace ``index`` if it exists.

    Raises:
        ConfigError: if there is nothing to do, a marked query has no index, or the index is of
            another layer; or for what does nothing here.
        DataError: if the index is broken or of another model, or the corpus cannot be used.
        WriteError: if the index cannot be written.
    """
    sources: list[str | Path] = as_list(corpus)
    if is_static(where := find_any(model)):
        contexts = {"--corpus": bool(sources), "--index": index is not None}
        contexts |= {"--layer": layer is not None, "--only": bool(only), "--any-word": any_word}
        return nearest_words(load_word_vectors(where), queries, top, refused=contexts)
    _check(queries, sources, index, top)
    _refuse_idle(queries, sources, index, layer=layer, only=only, any_word=any_word)
    folder = None if index is None else Path(index)
    if folder is not None and sources:
        refuse_existing(folder, force=force, ours=FILES)
    weights = sha256(weights_of(where))
    loaded = load(model, device=device)
    if folder is not None and sources:
        own = -1 if layer is None else layer
        _build(folder, loaded, sources, weights, layer=own, only=only, force=force)
    opened = None if folder is None else _open(folder, loaded, weights, layer)
    facts = None if opened is None else opened.facts
    found = tuple(_answer(loaded, opened, query, top, any_word=any_word) for query in queries)
    return NeighborsResult(found, folder, facts)


def _check(
    queries: Sequence[str], sources: Sequence[str | Path], index: str | Path | None, top: int
) -> None:
    if top < 1:
        raise ConfigError(f"--top {top}: at least one neighbour is needed.")
    if sources and index is None:
        raise ConfigError("A corpus is made into an index: say where with --index.")
    if not queries and not sources:
        raise ConfigError("Nothing to do: give a query, or a --corpus to index.")
    for query in queries:
        marks = _MARK.findall(query)
        if len(marks) > 1:
            raise ConfigError(f"{query!r} marks {len(marks)} words; mark one.")
        if marks and index is None:
            raise ConfigError(
                f"{query!r} marks a word, whose occurrences are looked for in an index: name one "
                "with --index, and make it with --corpus."
            )
        if not marks and len(query.split()) != 1:
            raise ConfigError(
                f"{query!r} is not a word: mark the one that is meant, like "
                "'the [[bank]] of the river'."
            )


def _refuse_idle(
    queries: Sequence[str],
    sources: Sequence[str | Path],
    index: str | Path | None,
    *,
    layer: int | None,
    only: Sequence[str],
    any_word: bool,
) -> None:
    """Refuse what is asked for and would do nothing."""
    name = "--only" if only else "--layer" if layer is not None and index is None else None
    if name and not sources:
        raise ConfigError(
            f"{name} says what a new index holds: make one with --corpus, or leave it out."
        )
    if any_word and not any(map(_MARK.search, queries)):
        raise ConfigError(
            "--any-word looks among all words for those near a marked one: mark one, like "
            "'the [[bank]] of the river', or leave it out."
        )


def _layer(model: Model, layer: int) -> int:
    """Return a layer counted from the embeddings, 0."""
    resolved = FeatureConfig(layers=(layer,)).resolved(model.encoder.config.num_hidden_layers)
    return resolved.layers[0]


def _build(
    folder: Path,
    model: Model,
    sources: Sequence[str | Path],
    weights: str,
    *,
    layer: int,
    only: Sequence[str],
    force: bool,
) -> None:
    named, number = list(map(str, sources)), _layer(model, layer)
    facts = IndexFacts(weights, model.tokenizer.fingerprint, number, named, 0, 0, 0)
    wanted = [name for word in only for name in _names(model, word)]
    report = ReadReport()
    with Progress("index") as progress:
        build_index(
            folder,
            model,
            read_sentences(sources, report=report),
            facts,
            only=wanted,
            force=force,
            told=lambda s, n: progress.show(f"{s:,} sentences, {n:,} words"),
        )
    say(str(report))


def _open(folder: Path, model: Model, weights: str, layer: int | None) -> Index:
    """Open an index that was made with this model, of that layer if one is named."""
    index = Index(folder)
    if (index.facts.model, index.facts.tokenizer) != (weights, model.tokenizer.fingerprint):
        raise DataError(
            "this index was made with another model.",
            path=folder,
            hint="Make one for this model with --corpus.",
        )
    if index.size != model.encoder.output_size:
        raise DataError(
            f"holds vectors of {index.size} numbers, expected {model.encoder.output_size}.",
            path=folder / "vectors.npy",
        )
    if layer is not None and _layer(model, layer) != index.facts.layer:
        raise ConfigError(
            f"{folder} holds layer {index.facts.layer} and --layer is {layer}: leave it out, or "
            "make another index with --corpus."
        )
    return index


def _pieces(model: Model, word: str) -> list[str]:
    ids, _ = model.tokenizer.encode([word])
    if not len(ids):
        raise ConfigError(f"{word!r} is no word to this model: nothing of it is left.")
    return model.tokenizer.tokens(ids.tolist())


def _names(model: Model, text: str) -> list[str]:
    """Return the names of the words of a text; in Chinese each character is one."""
    names = [word.name for word in words_of(model.tokenizer, [text])[0]]
    if not names:
        raise ConfigError(f"{text!r} is no word to this model: nothing of it is left.")
    return names


def _answer(
    model: Model, index: Index | None, query: str, top: int, *, any_word: bool
) -> QueryResult:
    mark = _MARK.search(query)
    word = query if mark is None else mark[1]
    pieces = _pieces(model, word)
    tokens = token_neighbors(model, pieces, top)
    if mark is None or index is None:
        return QueryResult(query, word.strip(), pieces, tokens)
    sentence = query[: mark.start()] + word + query[mark.end() :]
    [features] = model.features([sentence], (index.facts.layer,))
    span = Word(mark.start(), mark.start() + len(word), word)
    [vector] = vectors_at(features, [span])
    phrase = _phrase(model, query, sentence, span)
    hits = index.nearest(vector, top, None if any_word else phrase)
    return QueryResult(query, word, pieces, tokens, hits, len(index.occurrences(phrase)))


def _phrase(model: Model, query: str, sentence: str, span: Word) -> Phrase:
    """Return the words of a sentence that are marked, all of each."""
    words = words_of(model.tokenizer, [sentence])[0]
    marked = [word for word in words if word.start < span.end and span.start < word.end]
    for word in marked:
        if word.start < span.start or span.end < word.end:
            raise ConfigError(
                f"{query!r} marks a part of {sentence[word.start : word.end]!r}: mark all of it."
            )
    return Phrase.of(sentence, marked)
