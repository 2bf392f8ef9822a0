"""Tokens a second and peak memory of a pre-training step, against `transformers`.

Masked LM and next sentence on natural pairs at length 128 with dropout 0.1. All sides compute on
the very same sequences with the same masks, prepared beforehand; real tokens are counted, padding
is not. Each side steps its optimizer once for each batch. What differs: `transformers` pads every
batch to its longest sequence and projects every position onto the vocabulary. "Tuned" by hand it
has the fused optimizer and the fastest matrix products, bf16 by autocast, and attention either
way, of which the faster is the one to compare with.

    python benchmarks/pretrain.py L4/H256 L6/H384 base
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.sides import measure, product_rate, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gloze.core.batch import Batch, Step

    Sides = dict[str, tuple[Callable[..., Callable[[], int]], dict[str, Any]]]

SIZES = {"L4/H256": (4, 256), "L6/H384": (6, 384), "base": (12, 768)}
VOCAB_SIZE = 30522
SEQUENCES = 32
BATCHES = 12


def prepare(folder: Path) -> None:
    """Write shards of the standard library's documentation under a vocabulary of BERT's size."""
    import gloze
    from gloze.text.library_docs import read_library_docs
    from gloze.tokenizers import TokenizerConfig
    from gloze.verbs.tokenizer import learn

    read_library_docs().write(folder / "corpus")
    learned = TokenizerConfig(vocab_size=8000)
    learn([str(folder / "corpus")], output=folder / "learned", config=learned)
    tokens = (folder / "learned" / "vocab.txt").read_text().split("\n")[:-1]
    tokens += [f"[unused{number}]" for number in range(VOCAB_SIZE - len(tokens))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    gloze.prepare(folder / "corpus", tokenizer=folder / "vocab.txt", output=folder / "shards")


def recipe(size: str, dropout: float) -> Any:
    """Return BERT of this size, 32 sequences a step."""
    from gloze.recipes import load_recipe

    layers, hidden = SIZES[size]
    changes = {
        "encoder.num_hidden_layers": layers,
        "encoder.hidden_size": hidden,
        "encoder.num_attention_heads": hidden // 64,
        "encoder.intermediate_size": 4 * hidden,
        "encoder.hidden_dropout_prob": dropout,
        "encoder.attention_probs_dropout_prob": dropout,
        "training.batch_size": SEQUENCES,
    }
    return load_recipe("bert-base", [f"{name}={value}" for name, value in changes.items()])


def steps(config: Any, folder: Path) -> tuple[Any, Iterator[Step]]:
    """Return the learner and some steps of data, over and over."""
    from gloze.config.build import build_learner, training_stream
    from gloze.data.shards import Shards
    from gloze.tokenizers import load_tokenizer

    shards = Shards.open(folder / "shards", "train")
    tokenizer = load_tokenizer(shards.tokenizer_path)
    torch.manual_seed(0)
    objectives, learner = build_learner(config, tokenizer)
    sampler = config.sampler.build(shards, tokenizer, 0)
    stream = training_stream(sampler, objectives, config)
    return learner, cycle(list(islice(stream.read(), BATCHES)))


def gloze_side(size: str, folder: Path, precision: str, dropout: float) -> Callable[[], int]:
    """Return an update of gloze's, with data at hand."""
    return update_of(recipe(size, dropout), folder, precision)


def update_of(config: Any, folder: Path, precision: str) -> Callable[[], int]:
    """Return an update by a recipe, with data at hand."""
    from gloze.training.update import Updater

    learner, data = steps(config, folder)
    updater = Updater(learner, replace(config.training, precision=precision), seed=0)

    def step() -> int:
        given = next(data)
        updater.update(given, 0, 1e-4).read()
        return given.num_tokens

    return step


def transformers_side(
    size: str, folder: Path, precision: str, dropout: float, *, attention: str, tuned: bool
) -> Callable[[], int]:
    """Return a step of `transformers` on the same data, padded.

    Attention is ``sdpa``, PyTorch's fused one and its default, or ``eager``, one product after the
    other; tuned, its matrix products and its optimizer are the fastest there are.
    """
    if tuned:
        torch.set_float32_matmul_precision("medium")
    _, data = steps(recipe(size, dropout), folder)
    padded = [
        ([pad(batch) for batch in step.micro_batches], step.num_tokens)
        for step in islice(data, BATCHES)
    ]
    model = their_model(*SIZES[size], dropout, attention)
    return their_update(model, padded, precision, is_fused=tuned)


def their_update(
    model: Any, given: list[tuple[list[dict[str, Any]], int]], precision: str, *, is_fused: bool
) -> Callable[[], int]:
    """Return a step of a model of `transformers`.

    Args:
        model: to be trained.
        given: of each step its batches and the number of its tokens.
        precision: of the products.
        is_fused: whether its optimizer is.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=is_fused or None)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16")
    turns = cycle(given)

    def step() -> int:
        batches, tokens = next(turns)
        optimizer.zero_grad()
        for batch in batches:
            with autocast:
                loss = model(**batch).loss / len(batches)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        return tokens

    return step


def their_model(layers: int, hidden: int, dropout: float, attention: str) -> Any:
    """Return BERT of these sizes as `transformers` has it, to be trained."""
    from transformers import BertConfig, BertForPreTraining

    sizes = BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        attn_implementation=attention,
    )
    torch.manual_seed(0)
    return BertForPreTraining(sizes).train()


def making_rate(size: str, folder: Path, dropout: float) -> float:
    """Return the tokens a second that one thread samples, masks and lays end to end."""
    from gloze.config.build import build_learner, training_stream
    from gloze.data.shards import Shards
    from gloze.tokenizers import load_tokenizer

    config = recipe(size, dropout)
    config = replace(config, training=replace(config.training, loader_workers=0))
    shards = Shards.open(folder / "shards", "train")
    tokenizer = load_tokenizer(shards.tokenizer_path)
    objectives, _ = build_learner(config, tokenizer)
    given = training_stream(config.sampler.build(shards, tokenizer, 0), objectives, config).read()
    for _ in range(5):
        next(given)
    begun = time.perf_counter()
    tokens = sum(next(given).num_tokens for _ in range(100))
    return tokens / (time.perf_counter() - begun)


def pad(batch: Batch) -> dict[str, torch.Tensor]:
    """Return a batch as `transformers` takes it."""
    rows, width = batch.num_sequences, batch.max_seqlen
    lengths = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).long()
    row = torch.repeat_interleave(torch.arange(rows), lengths)
    asked = torch.full((batch.num_tokens,), -100)
    asked[batch.label_positions["mlm"]] = batch.labels["mlm"]

    def spread(values: torch.Tensor, fill: int) -> torch.Tensor:
        table = torch.full((rows, width), fill)
        table[row, batch.position_ids] = values
        return table

    return {
        "input_ids": spread(batch.input_ids, 0),
        "token_type_ids": spread(batch.token_type_ids, 0),
        "attention_mask": spread(torch.ones_like(batch.input_ids), 0),
        "labels": spread(asked, -100),
        # In BERT 0 means that the second segment follows the first.
        "next_sentence_label": batch.labels["nsp"],
    }


def flops_a_token(layers: int, hidden: int, asked_rate: float, length: float) -> float:
    """Return the operations of products that a token needs, forward and backward."""
    dense = layers * 12 * hidden**2
    head = asked_rate * (hidden**2 + hidden * VOCAB_SIZE)
    attention = layers * 2 * hidden * length
    return 6 * (dense + head + attention)


def main() -> None:
    """Measure the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("sizes", nargs="*", default=list(SIZES), metavar="SIZE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--only", nargs="*", default=["bfloat16", "float32"], metavar="PRECISION")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for size, precision in product(options.sizes, options.only):
            compare(size, folder, precision, options)


def compare(size: str, folder: Path, precision: str, options: argparse.Namespace) -> None:
    """Measure one size in one precision against every peer of that precision.

    Of BERT-base 24 GB hold four models in bf16; in float32 they are compared two by two.
    """
    shared = {"size": size, "folder": folder, "dropout": options.dropout}
    given = {**shared, "precision": precision}
    peers: dict[str, dict[str, Any]] = {
        f"transformers tuned {precision}, {attention}": {
            **given,
            "attention": attention,
            "tuned": True,
        }
        for attention in ("sdpa", "eager")
    }
    groups = [[name] for name in peers]
    if precision == "bfloat16":
        peers["transformers"] = {
            **shared,
            "precision": "float32",
            "attention": "sdpa",
            "tuned": False,
        }
        groups = [list(peers)]
    for group in groups:
        sides: Sides = {f"gloze {precision}": (gloze_side, given)}
        sides |= {name: (transformers_side, peers[name]) for name in group}
        tell(size, folder, precision, options, sides)


def tell(
    size: str, folder: Path, precision: str, options: argparse.Namespace, sides: Sides
) -> None:
    """Measure these sides and print what came of it."""
    from gloze.core.devices import float32_products

    found = measure(sides, rounds=options.rounds, seconds=options.seconds)
    needed = flops_a_token(*SIZES[size], 0.15, 120)
    rate = found[f"gloze {precision}"].median
    with float32_products(torch.device("cpu")):
        possible = product_rate(precision)
    making = rate / making_rate(size, folder, options.dropout)
    notes = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        f"{precision} product, GFLOP/s": round(possible / 1e9),
        "gloze, GFLOP/s": round(rate * needed / 1e9),
        "gloze, share of it": f"{rate * needed / possible:.0%}",
        "sampling, masking and collating, as a share of the step": f"{making:.2%}",
    }
    report(f"Pre-training step, {size}, {precision}", "tokens", found, notes)


if __name__ == "__main__":
    main()
