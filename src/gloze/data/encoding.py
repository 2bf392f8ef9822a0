"""Documents to ids, on one process or many, with the same result in the same order."""

from __future__ import annotations

import os
import signal
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.data.shards import smallest_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from gloze.tokenizers import Segmenter, Tokenizer

SentenceMode = Literal["rules", "line"]
CHUNK_CHARACTERS = 1 << 19


@dataclass(frozen=True)
class EncodedDocuments:
    """Some documents as ids.

    Attributes:
        tokens: ids of all sentences end to end, [tokens].
        word_starts: true at the first token of each word, [tokens].
        lengths: tokens of each sentence, none of them 0, [sentences].
        sizes: sentences of each document, [documents].
        is_open: whether the last document goes on in the next ones.
        num_characters: length of the text they were.
        num_unknown: how many of the tokens are the unknown token.
    """

    tokens: npt.NDArray[np.integer[Any]]
    word_starts: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    is_open: bool = False
    num_characters: int = 0
    num_unknown: int = 0

    def select(self, chosen: npt.NDArray[np.bool_]) -> EncodedDocuments:
        """Return the documents where ``chosen`` is true, [documents]."""
        if chosen.all():
            return self
        sentences = np.repeat(chosen, self.sizes)
        tokens = np.repeat(sentences, self.lengths)
        return EncodedDocuments(
            self.tokens[tokens],
            self.word_starts[tokens],
            self.lengths[sentences],
            self.sizes[chosen],
        )

    @staticmethod
    def join(parts: Sequence[EncodedDocuments]) -> EncodedDocuments:
        """Return the one document that ``parts`` are pieces of."""
        if len(parts) == 1:
            return parts[0]
        return EncodedDocuments(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.word_starts for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.array([sum(len(part.lengths) for part in parts)]),
        )


class Chunk(NamedTuple):
    """Paragraphs of some documents; the last may go on in the next chunk."""

    documents: list[list[str]]
    is_open: bool


def cut(documents: Iterable[list[str]], size: int = CHUNK_CHARACTERS) -> Iterator[Chunk]:
    """Cut a stream of documents (lists of paragraphs) into chunks of about ``size`` characters."""
    whole: list[list[str]] = []
    total = 0
    for paragraphs in documents:
        part: list[str] = []
        whole.append(part)
        for paragraph in paragraphs:
            if total >= size:
                yield Chunk(whole, is_open=True)
                part, total = [], 0
                whole = [part]
            part.append(paragraph)
            total += len(paragraph)
        if total >= size or len(whole) >= size // 64:
            yield Chunk(whole, is_open=False)
            whole, total = [], 0
    if whole:
        yield Chunk(whole, is_open=False)


@dataclass(frozen=True)
class ChunkEncoder:
    """Cuts paragraphs into sentences and encodes them.

    Attributes:
        tokenizer: cuts sentences into ids.
        sentences: ``rules`` splits paragraphs, ``line`` takes each as one sentence.
        segmenter: says where words begin, in the place of the tokenizer.
    """

    tokenizer: Tokenizer
    sentences: SentenceMode = "rules"
    segmenter: Segmenter | None = None

    def __post_init__(self) -> None:
        if self.sentences not in (known := get_args(SentenceMode)):
            raise ConfigError(
                f"Unknown way to find sentences {self.sentences!r}. Known: {', '.join(known)}."
            )

    def __call__(self, chunk: Chunk) -> EncodedDocuments:
        """Return the documents of ``chunk`` as ids; sentences without a token are dropped."""
        each = [self._split(paragraphs) for paragraphs in chunk.documents]
        ids, lengths, word_starts = self._encode(list(chain.from_iterable(each)))
        some = lengths > 0
        owners = np.repeat(np.arange(len(each)), [len(sentences) for sentences in each])
        return EncodedDocuments(
            tokens=ids.astype(smallest_dtype(self.tokenizer.vocab_size)),
            word_starts=word_starts,
            lengths=lengths[some],
            sizes=np.bincount(owners[some], minlength=len(each)),
            is_open=chunk.is_open,
            num_characters=sum(len(text) for paragraphs in chunk.documents for text in paragraphs),
            num_unknown=int(np.count_nonzero(ids == self.tokenizer.unk_id)),
        )

    def _encode(self, sentences: list[str]) -> tuple[npt.NDArray[Any], ...]:
        if self.segmenter is not None:
            return self.segmenter.encode(sentences, self.tokenizer)
        ids, lengths = self.tokenizer.encode(sentences)
        return ids, lengths, self.tokenizer.word_starts(ids, lengths)

    def _split(self, paragraphs: list[str]) -> list[str]:
        if self.sentences == "line":
            return paragraphs
        from gloze.text.sentences import split_sentences

        return list(chain.from_iterable(map(split_sentences, paragraphs)))


def encode_documents(
    documents: Iterable[list[str]], encoder: ChunkEncoder, *, workers: int = 1
) -> Iterator[EncodedDocuments]:
    """Encode documents (lists of paragraphs), in order, on this process or ``workers`` others.

    The result is the same for any number of workers, and so is the memory per worker: only a
    few chunks of text are on their way at a time.

    Raises:
        ConfigError: for fewer than one worker, if a worker dies, or for a segmenter of which
            other processes know nothing.
    """
    if workers < 1:
        raise ConfigError(f"workers {workers} cannot work. Least: 1.")
    if workers > 1 and encoder.segmenter and not encoder.segmenter.is_portable:
        raise ConfigError(
            f"The segmenter {encoder.segmenter.identity} is known to this process alone: make it a "
            "function of a module, or use one worker."
        )
    chunks = cut(documents)
    if workers == 1:
        return map(encoder, chunks)
    return _encode_elsewhere(chunks, encoder, workers)


def _encode_elsewhere(
    chunks: Iterator[Chunk], encoder: ChunkEncoder, workers: int
) -> Iterator[EncodedDocuments]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(encoder,)
    )
    waiting: deque[Future[EncodedDocuments]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_encode, chunk))
            if len(waiting) > workers + 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ConfigError(
            "A worker process died, most likely for want of memory. Use fewer --workers. (In a "
            "script of your own, more than one worker needs `if __name__ == '__main__':`.)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_encoders: list[Callable[[Chunk], EncodedDocuments]] = []


def _start(encoder: ChunkEncoder) -> None:
    """Make this process a worker: deaf to Ctrl-C, which is its parent's, and ending with it."""
    import multiprocessing
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        Thread(target=end_with_parent, daemon=True).start()
    _encoders.append(encoder)


def _encode(chunk: Chunk) -> EncodedDocuments:
    return _encoders[-1](chunk)
