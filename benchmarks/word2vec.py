"""Words a second of skip-gram and CBOW beside gensim, on the same text and threads.

The text is the beginning of a corpus of shards, prepared with `--kind words`; gensim reads the same
words of the same sentences from a file (its fastest way), with the same window (5), subsampling
(1e-3), negatives (5) and vocabulary. A step is one epoch of either, so gloze's compiling and
gensim's counting are not in it.

    python -m benchmarks.word2vec SHARDS
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.sides import measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {
    "skip-gram, negative sampling": "skip-gram",
    "CBOW, negative sampling": "cbow",
    "skip-gram, hierarchical softmax": "skip-gram-hs",
    "CBOW, hierarchical softmax": "cbow-hs",
}
NEGATIVES = 5


def gensim_model(recipe: str, *, size: int, threads: int, text: str, seed: int = 0) -> Any:
    """Return gensim's model of a recipe, with the vocabulary of a file."""
    from gensim.models import Word2Vec

    is_tree = recipe.endswith("-hs")
    model = Word2Vec(
        sg=int(recipe.startswith("skip-gram")),
        hs=int(is_tree),
        negative=0 if is_tree else NEGATIVES,
        vector_size=size,
        window=5,
        sample=1e-3,
        min_count=1,
        alpha=0.025 if recipe.startswith("skip-gram") else 0.05,
        workers=threads,
        seed=seed,
    )
    model.build_vocab(corpus_file=text)
    return model


def gensim_side(*, recipe: str, size: int, threads: int, text: str) -> Callable[[], float]:
    """Train gensim for an epoch a step."""
    model = gensim_model(recipe, size=size, threads=threads, text=text)

    def step() -> float:
        total = model.corpus_total_words
        model.train(
            corpus_file=text, total_examples=model.corpus_count, total_words=total, epochs=1
        )
        return float(total)

    return step


def gloze_side(
    *, recipe: str, size: int, threads: int, shards: str, tokens: int
) -> Callable[[], float]:
    """Train gloze for an epoch a step, on the threads of its own loop."""
    from concurrent.futures import ThreadPoolExecutor

    from gloze.data.counts import count_tokens
    from gloze.data.shards import Shards
    from gloze.data.window import Blocks
    from gloze.objectives.word2vec_tables import Word2Vec
    from gloze.recipes import load_any_recipe

    config: Any = load_any_recipe(recipe)
    train = Shards.open(Path(shards), "train", verify=False)
    tables = Word2Vec(
        config.objective, config.sampler, count_tokens(train), size=size, first_word=5, seed=0
    )
    size_of_block = config.training.block_tokens
    some = islice(Blocks(train, "sentence", size_of_block), max(1, tokens // size_of_block))
    blocks = list(some)
    rate = config.training.learning_rate
    pool = ThreadPoolExecutor(threads)

    def step() -> float:
        done = [pool.submit(tables.train, b, (rate, rate), i) for i, b in enumerate(blocks)]
        for each in done:
            each.result()
        return float(sum(np.count_nonzero(block.tokens >= 5) for block in blocks))

    return step


def write_text(shards: Path, path: Path, tokens: int) -> None:
    """Write the words of the first blocks of shards, a sentence in each line."""
    from gloze.data.shards import Shards
    from gloze.data.window import Blocks
    from gloze.recipes import load_any_recipe
    from gloze.tokenizers import load_tokenizer

    config: Any = load_any_recipe("skip-gram")
    train = Shards.open(shards, "train", verify=False)
    own = load_tokenizer(train.tokenizer_path)
    words = own.tokens(range(own.vocab_size))
    size = config.training.block_tokens
    with path.open("w", encoding="utf-8") as file:
        for number, block in enumerate(Blocks(train, "sentence", size)):
            if number >= max(1, tokens // size):
                break
            for ids in np.split(block.tokens, block.ends[:-1]):
                line = " ".join(words[i] for i in ids.tolist() if i >= 5)
                file.write(line + "\n")


def main() -> None:
    """Measure every kind at every size and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path, help="made with a tokenizer of --kind words")
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = str(Path(folder) / "text")
        write_text(options.shards, Path(text), options.tokens)
        for size, threads, (title, recipe) in product(
            options.sizes, options.threads, KINDS.items()
        ):
            same = {"recipe": recipe, "size": size, "threads": threads}
            own = {"shards": str(options.shards), "tokens": options.tokens}
            sides = {
                "gloze": (gloze_side, {**same, **own}),
                "gensim": (gensim_side, {**same, "text": text}),
            }
            found = measure(sides, rounds=options.rounds, seconds=1.0, warmup=1)
            many = "thread" if threads == 1 else "threads"
            report(f"{title}, {size} numbers, {threads} {many}", "words", found, {})


if __name__ == "__main__":
    main()
