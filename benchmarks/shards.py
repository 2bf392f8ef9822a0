"""Characters a second from text to what training reads, against two other ways.

The text is the documentation in the standard library, or any other. Sides: gloze's `prepare` in
one process and in two, whole (reading, sentences, ids, files with checksums); the bare
`tokenizers` library on one thread, given the sentences, ids kept in memory and nothing written;
and the way of BERT's published data script: pure Python that cuts into word pieces, pairs
sentences, masks, and keeps the result. What differs: gloze writes ids once for all epochs, and
pairs and masks while training, which `gloze pretrain --profile` shows under data.

    python -m benchmarks.shards [CORPUS]
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.sides import measure, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VOCAB_SIZE = 8000
LENGTH, MASK_RATE, MOST_MASKED, SHORT_RATE = 128, 0.15, 20, 0.1


def make_corpus(folder: Path, corpus: str | None) -> None:
    """Have the text at hand and learn its vocabulary."""
    from gloze.text.library_docs import read_library_docs
    from gloze.tokenizers import TokenizerConfig
    from gloze.verbs.tokenizer import learn

    if corpus is None:
        read_library_docs().write(folder / "corpus")
    else:
        (folder / "corpus").symlink_to(Path(corpus).resolve())
    config = TokenizerConfig(vocab_size=VOCAB_SIZE)
    learn([str(folder / "corpus")], output=folder / "vocab", config=config)


def read_sentences(folder: Path) -> list[list[str]]:
    """Return the sentences of each document, as gloze cuts them."""
    from gloze.text.read import read_documents
    from gloze.text.sentences import split_sentences

    return [
        [sentence for paragraph in document.paragraphs for sentence in split_sentences(paragraph)]
        for document in read_documents([folder / "corpus"])
    ]


def gloze_side(folder: Path, workers: int) -> Callable[[], int]:
    """Return a step that prepares the whole corpus."""
    import gloze

    output = folder / f"shards-{workers}"

    def step() -> int:
        summary = gloze.prepare(
            [folder / "corpus"],
            tokenizer=folder / "vocab",
            output=output,
            workers=workers,
            force=True,
        )
        return summary.characters

    return step


def library_side(folder: Path) -> Callable[[], int]:
    """Return a step that encodes all sentences with the bare library on one thread."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "vocab" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sentences = [sentence for document in read_sentences(folder) for sentence in document]
    characters = sum(map(len, sentences))

    def step() -> int:
        for first in range(0, len(sentences), 1000):
            batch = sentences[first : first + 1000]
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                encoding.ids  # noqa: B018 - taking them out is part of the work
        return characters

    return step


class PythonWordPiece:
    """WordPiece in plain Python, in the passes of the published code, a character at a time."""

    def __init__(self, path: Path) -> None:
        self.ids = {token: i for i, token in enumerate(path.read_text().split("\n"))}

    def words(self, text: str) -> Iterator[str]:
        """Yield lower-cased words without accents, punctuation by itself."""
        for word in "".join(map(spaced, filter(is_text, text))).split():
            plain = "".join(
                char
                for char in unicodedata.normalize("NFD", word.lower())
                if unicodedata.category(char) != "Mn"
            )
            yield from "".join(f" {c} " if is_punctuation(c) else c for c in plain).split()

    def pieces(self, word: str) -> list[int]:
        """Return the ids of a word, [UNK] if it cannot be cut."""
        found, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start:
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    break
                end -= 1
            if end == start:
                return [self.ids["[UNK]"]]
            found.append(self.ids[piece])
            start = end
        return found

    def encode(self, text: str) -> list[int]:
        """Return the ids of a sentence."""
        return [piece for word in self.words(text) for piece in self.pieces(word)]


def is_text(char: str) -> bool:
    """Whether a character is neither a control character nor a sign of broken text."""
    code = ord(char)
    if code in (0, 0xFFFD):
        return False
    return char in "\t\n\r" or not unicodedata.category(char).startswith("C")


def spaced(char: str) -> str:
    """Return a space for white space, and a Chinese character between spaces."""
    code = ord(char)
    if char in " \t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    is_chinese = 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x2FA1F
    return f" {char} " if is_chinese else char


def is_punctuation(char: str) -> bool:
    """Whether a word ends before this character and begins after it."""
    code = ord(char)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True
    return unicodedata.category(char).startswith("P")


def script_side(folder: Path) -> Callable[[], int]:
    """Return a step that tokenizes, pairs and masks the whole corpus in Python."""
    wordpiece = PythonWordPiece(folder / "vocab" / "vocab.txt")
    documents = read_sentences(folder)
    characters = sum(len(sentence) for document in documents for sentence in document)

    def step() -> int:
        draw = random.Random(0)
        encoded = [[wordpiece.encode(text) for text in document] for document in documents]
        encoded = [[ids for ids in document if ids] for document in encoded]
        encoded = [document for document in encoded if document]
        made = []
        for number, document in enumerate(encoded):
            for pair in pairs(number, document, encoded, draw):
                made.append(mask(pair, wordpiece.ids, draw))
        return characters

    return step


def pairs(
    number: int, document: list[list[int]], documents: list[list[list[int]]], draw: random.Random
) -> Iterator[tuple[list[int], list[int], bool]]:
    """Yield next-sentence pairs of a document (Devlin et al. 2019, 3.1 and A.2)."""
    room = LENGTH - 3
    target = draw.randint(2, room) if draw.random() < SHORT_RATE else room
    chunk: list[list[int]] = []
    place = 0
    while place < len(document):
        chunk.append(document[place])
        place += 1
        if place < len(document) and sum(map(len, chunk)) < target:
            continue
        cut = draw.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
        first = [token for sentence in chunk[:cut] for token in sentence]
        is_random = len(chunk) == 1 or draw.random() < 0.5
        if is_random:
            other = documents[(number + draw.randint(1, len(documents) - 1)) % len(documents)]
            second: list[int] = []
            for sentence in other[draw.randrange(len(other)) :]:
                second += sentence
                if len(second) >= target - len(first):
                    break
            place -= len(chunk) - cut
        else:
            second = [token for sentence in chunk[cut:] for token in sentence]
        while len(first) + len(second) > room:
            longer = first if len(first) > len(second) else second
            longer.pop(0 if draw.random() < 0.5 else -1)
        yield first, second, is_random
        chunk = []


def mask(
    pair: tuple[list[int], list[int], bool], ids: dict[str, int], draw: random.Random
) -> dict[str, object]:
    """Return a pair as an example with some tokens hidden."""
    first, second, is_random = pair
    tokens = [ids["[CLS]"], *first, ids["[SEP]"], *second, ids["[SEP]"]]
    kinds = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    places = [i for i, token in enumerate(tokens) if token not in (ids["[CLS]"], ids["[SEP]"])]
    draw.shuffle(places)
    chosen = sorted(places[: min(MOST_MASKED, max(1, round(len(tokens) * MASK_RATE)))])
    labels = [tokens[place] for place in chosen]
    for place in chosen:
        how = draw.random()
        if how < 0.8:
            tokens[place] = ids["[MASK]"]
        elif how < 0.9:
            tokens[place] = draw.randrange(VOCAB_SIZE)
    return {"ids": tokens, "kinds": kinds, "places": chosen, "labels": labels, "next": is_random}


def main() -> None:
    """Measure all ways."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", nargs="?", help="text files; by default the documentation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder, options.corpus)
        found = measure(
            {
                "gloze": (gloze_side, {"folder": folder, "workers": 1}),
                "gloze, 2 workers": (gloze_side, {"folder": folder, "workers": 2}),
                "bare tokenizers, one thread": (library_side, {"folder": folder}),
                "the published script's way": (script_side, {"folder": folder}),
            },
            rounds=options.rounds,
            seconds=options.seconds,
            warmup=1,
        )
        report("Corpus to shards", "characters", found, {"cores": os.cpu_count()})


if __name__ == "__main__":
    main()
