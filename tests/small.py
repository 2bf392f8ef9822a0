"""Small things to train on: a tokenizer, shards and a recipe that takes a second."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from gloze.config.run import RunConfig
from gloze.core.batch import Batch, Samples
from gloze.data.collate import collate
from gloze.data.encoding import ChunkEncoder, encode_documents
from gloze.data.shard_writer import ShardWriter
from gloze.data.shards import Shards
from gloze.recipes import load_recipe
from gloze.tokenizers import Tokenizer, TokenizerConfig, learn_tokenizer

SUBJECTS = ["the cat", "a small dog", "my sister", "the old captain", "every child", "our teacher"]
VERBS = ["sees", "likes", "follows", "paints", "remembers", "carries"]
OBJECTS = ["the red house", "a long river", "warm bread", "the quiet garden", "an open window"]


def documents(count: int = 40, seed: int = 0) -> list[list[str]]:
    """Return documents of 1 to 12 sentences with a grammar that can be learned."""
    draw = np.random.default_rng(seed)
    return [
        [
            f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)} {draw.choice(OBJECTS)}."
            for _ in range(draw.integers(1, 13))
        ]
        for _ in range(count)
    ]


@lru_cache
def tokenizer(vocab_size: int = 90) -> Tokenizer:
    """Return a tokenizer learned from the documents."""
    texts = [sentence for document in documents() for sentence in document]
    return learn_tokenizer(lambda: iter(texts), TokenizerConfig(vocab_size=vocab_size))


def write_shards(folder: Path, count: int = 40, valid_fraction: float = 0.1) -> Path:
    """Write shards of the documents, one sentence a line."""
    folder.mkdir(parents=True)
    with ShardWriter(folder, tokenizer(), valid_fraction=valid_fraction, seed=0) as writer:
        for encoded in encode_documents(
            iter(documents(count)), ChunkEncoder(tokenizer(), "line"), workers=1
        ):
            writer.add(encoded)
        writer.finish({})
    return folder


def train_shards(folder: Path, count: int = 40) -> Shards:
    """Return the training split of new shards in ``folder``."""
    return Shards.open(write_shards(folder / "shards", count), "train")


def recipe(*changes: str) -> RunConfig:
    """Return a recipe of a tiny BERT that trains in a second."""
    return load_recipe(
        "bert-tiny",
        [
            "encoder.hidden_size=32",
            "encoder.num_attention_heads=2",
            "encoder.intermediate_size=64",
            "encoder.max_position_embeddings=32",
            "sampler.max_length=32",
            "training.tokens=none",
            "training.steps=20",
            "training.batch_tokens=256",
            "training.micro_batch_tokens=128",
            "training.precision=float32",
            "training.log_every=5",
            "training.evaluations=2",
            "training.device=cpu",
            *changes,
        ],
    )


def batch_of(*sequences: list[int], kinds: list[int] | None = None) -> Batch:
    """Return sequences of ids as a batch, all of segment 0 if ``kinds`` are not given."""
    ids = np.concatenate([np.array(s) for s in sequences])
    token_type_ids = np.zeros_like(ids) if kinds is None else np.array(kinds)
    flags = np.zeros(len(ids), dtype=bool)
    index = np.arange(len(sequences))
    lengths = np.array([len(s) for s in sequences])
    return collate(
        Samples(ids, token_type_ids, lengths, flags, flags, index.astype(np.uint64), index)
    )
