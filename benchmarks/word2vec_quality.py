"""What word vectors are worth beside gensim's after the same epochs, over several seeds.

The same text, window (5), subsampling (1e-3), negatives (5), rates and epochs, on one thread.
Held-out loss is that of gloze's objective, computed by gloze for both: of windows in documents
that neither has seen; not of gensim's hierarchical softmax, whose tree breaks ties in another way.
Spearman's correlation and accuracy are times 100.

    python -m benchmarks.word2vec_quality SHARDS DATA --out RESULTS.jsonl
    python -m benchmarks.word2vec_quality --table RESULTS.jsonl
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.word2vec import KINDS, gensim_model, write_text
from gloze.data.counts import count_tokens
from gloze.data.shards import Shards
from gloze.data.window import Blocks
from gloze.metrics.statistics import spread
from gloze.recipes import load_any_recipe
from gloze.tokenizers import load_tokenizer
from gloze.vectors.analogies import SectionFigures, judge_analogies, read_analogies
from gloze.vectors.table import WordVectors
from gloze.vectors.word_pairs import judge_pairs, read_pairs
from gloze.vectors.words import Words

FIRST = 5
PAIRS = ("en-ws-353-all", "en-men-tr-3k", "en-simlex-999", "en-rw-stanford")
ALL = 1 << 60


class Corpus:
    """Shards, their words, and what both sides are judged by."""

    def __init__(self, shards: Path, data: Path) -> None:
        """Open the shards and read the sets."""
        self.shards = shards
        self.train = Shards.open(shards, "train", verify=False)
        self.valid = Shards.open(shards, "valid", verify=False)
        tokenizer = load_tokenizer(self.train.tokenizer_path)
        self.words = tokenizer.tokens(range(tokenizer.vocab_size))
        self.pairs = {p: read_pairs(data / f"word-similarity/{p}.txt") for p in PAIRS}
        self.analogies = read_analogies(data / "analogies/questions-words.txt.gz")

    def judge(self, tables: Any) -> dict[str, float]:
        """Return the figures of two tables."""
        sums = np.zeros(3)
        for number, block in enumerate(Blocks(self.valid, "sentence", 100_000)):
            sums += tables.train(block, (0.0, 0.0), number)
        inner = np.ascontiguousarray(tables.inner[FIRST:, : tables.size])
        found = WordVectors(Words.of(self.words[FIRST:]), inner)
        figures = {"held-out loss": sums[0] / sums[1]}
        for name, pairs in self.pairs.items():
            figures[name] = 100 * (judge_pairs(found, pairs).spearman or 0.0)
        total = sum(judge_analogies(found, self.analogies).values(), SectionFigures(0, 0, 0))
        return {**figures, "analogies": 100 * (total.accuracy or 0.0)}


def tables_of(corpus: Corpus, recipe: str, size: int, seed: int) -> Any:
    """Return fresh tables of a recipe."""
    from gloze.objectives.word2vec_tables import Word2Vec

    config: Any = load_any_recipe(recipe)
    counts = count_tokens(corpus.train)
    return Word2Vec(
        config.objective, config.sampler, counts, size=size, first_word=FIRST, seed=seed
    )


def train_gloze(corpus: Corpus, recipe: str, size: int, epochs: int, seed: int) -> Any:
    """Return the tables of gloze after some epochs."""
    config: Any = load_any_recipe(recipe)
    tables = tables_of(corpus, recipe, size, seed)
    blocks = Blocks(corpus.train, "sentence", config.training.block_tokens)
    total = epochs * corpus.train.num_tokens
    for epoch, number in product(range(epochs), range(len(blocks))):
        done = [
            (epoch * corpus.train.num_tokens + blocks.tokens_before(n)) / total
            for n in (number, number + 1)
        ]
        begin, end = map(config.training.rate, done)
        tables.train(blocks[number], (begin, end), epoch, number)
    return tables


def train_gensim(corpus: Corpus, recipe: str, size: int, epochs: int, seed: int) -> Any:
    """Return the tables of gensim after some epochs, in the order of our words."""
    with tempfile.TemporaryDirectory() as folder:
        text = str(Path(folder) / "text")
        write_text(corpus.shards, Path(text), ALL)
        model = gensim_model(recipe, size=size, threads=1, text=text, seed=seed + 1)
        model.min_alpha = 1e-4
        model.train(
            corpus_file=text,
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=epochs,
        )
    tables = tables_of(corpus, recipe, size, seed)
    rows = [corpus.words.index(word) for word in model.wv.index_to_key]
    tables.inner[rows, :size] = model.wv.vectors
    if not recipe.endswith("-hs"):
        tables.outer[rows, :size] = model.syn1neg
    return tables


def run(options: argparse.Namespace) -> None:
    """Train and judge what the file of results has not yet."""
    corpus, out = Corpus(options.shards, options.data), Path(options.out)
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(line["recipe"], line["side"], line["seed"]) for line in known}
    ways = {"gloze": train_gloze, "gensim": train_gensim}
    for seed, recipe, side in product(range(options.seeds), options.recipes, ways):
        if (recipe, side, seed) in done:
            continue
        begun = time.perf_counter()
        tables = ways[side](corpus, recipe, options.size, options.epochs, seed)
        seconds = time.perf_counter() - begun
        line = {"recipe": recipe, "side": side, "seed": seed, "seconds": seconds}
        line |= {"size": options.size, "epochs": options.epochs, "figures": corpus.judge(tables)}
        print(json.dumps(line), flush=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def table(path: Path) -> str:
    """Return the results as a table in Markdown: mean and sample deviation over the seeds."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = list(lines[0]["figures"])
    rows = [f"| | | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for (title, recipe), side in product(KINDS.items(), ("gloze", "gensim")):
        own = [
            each["figures"] for each in lines if (each["recipe"], each["side"]) == (recipe, side)
        ]
        if not own:
            continue
        cells = []
        for name in names:
            if "loss" in name and side == "gensim" and recipe.endswith("-hs"):
                cells.append("")
                continue
            found = spread([figures[name] for figures in own])
            digits = 3 if "loss" in name else 1
            more = "" if found.deviation is None else f" ± {found.deviation:.{digits}f}"
            cells.append(f"{found.mean:.{digits}f}{more}")
        rows.append(f"| {title} | {side} ({len(own)}) | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Read the command line; train and judge, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path, nargs="?", help="with a tokenizer of --kind words")
    parser.add_argument("data", type=Path, nargs="?", help="folder of the data sets")
    parser.add_argument("--out", default="word2vec.jsonl")
    parser.add_argument("--recipes", nargs="+", default=list(KINDS.values()))
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="file of results to print")
    options = parser.parse_args()
    print(table(options.table)) if options.table else run(options)


if __name__ == "__main__":
    main()
