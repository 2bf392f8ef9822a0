"""Tokens a second and peak memory of a training step of GPT, against `transformers`.

The recipe gpt-small, at length 128 with dropout 0.1, on whole sentences of the standard library's
documentation, 4,096 tokens a step. Real tokens are counted, padding is not; each side steps its
optimizer once a step. `transformers` as it comes has float32 and a batch padded to its longest
sequence. "Tuned" by hand it has the same tokens end to end in rows of 128, so no padding at all,
bf16 by autocast, the fastest matrix products and the fused optimizer. Its class for GPT has one
kind of attention, product after product.

    python -m benchmarks.gpt
"""

from __future__ import annotations

import argparse
import os
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.pretrain import (
    BATCHES,
    VOCAB_SIZE,
    flops_a_token,
    prepare,
    steps,
    their_update,
    update_of,
)
from benchmarks.sides import measure, product_rate, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.core.batch import Batch, Step

LENGTH, TOKENS = 128, 4096


def recipe() -> Any:
    """Return gpt-small, with more tokens a step."""
    from gloze.recipes import load_recipe

    changes = (f"training.batch_tokens={TOKENS}", f"sampler.max_length={LENGTH}")
    return load_recipe("gpt-small", ["tokenizer.kind=wordpiece", *changes])


def gloze_side(folder: Path, precision: str) -> Callable[[], int]:
    """Return an update of gloze's, with data at hand."""
    return update_of(recipe(), folder, precision)


def transformers_side(folder: Path, *, tuned: bool) -> Callable[[], int]:
    """Return a step of `transformers` on the same tokens."""
    if tuned:
        torch.set_float32_matmul_precision("medium")
    _, data = steps(recipe(), folder)
    lay = packed if tuned else padded
    given = [lay(step) for step in islice(data, BATCHES)]
    precision = "bfloat16" if tuned else "float32"
    return their_update(their_model(), given, precision, is_fused=tuned)


def their_model() -> Any:
    """Return GPT of these sizes as `transformers` has it, to be trained."""
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    encoder = recipe().encoder
    sizes = OpenAIGPTConfig(
        vocab_size=VOCAB_SIZE,
        n_positions=encoder.max_position_embeddings,
        n_embd=encoder.hidden_size,
        n_layer=encoder.num_hidden_layers,
        n_head=encoder.num_attention_heads,
    )
    torch.manual_seed(0)
    return OpenAIGPTLMHeadModel(sizes).train()


def padded(step: Step) -> tuple[list[dict[str, Any]], int]:
    """Return a step's batches padded to their longest sequence, and its tokens."""
    return [_padded(batch) for batch in step.micro_batches], step.num_tokens


def _padded(batch: Batch) -> dict[str, Any]:
    rows, width = batch.num_sequences, batch.max_seqlen
    lengths = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).long()
    row = torch.repeat_interleave(torch.arange(rows), lengths)
    ids, labels, mask = (torch.full((rows, width), fill) for fill in (0, -100, 0))
    ids[row, batch.position_ids] = batch.input_ids
    labels[row, batch.position_ids] = batch.input_ids
    mask[row, batch.position_ids] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def packed(step: Step) -> tuple[list[dict[str, Any]], int]:
    """Return a step's tokens in full rows, over the ends of sequences, and how many they are."""
    ids = torch.cat([batch.input_ids for batch in step.micro_batches])
    rows = ids[: len(ids) // LENGTH * LENGTH].view(-1, LENGTH)
    return [{"input_ids": rows, "labels": rows}], rows.numel()


def main() -> None:
    """Measure gloze in both precisions against both peers."""
    from gloze.core.devices import float32_products

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        sides: dict[str, Any] = {
            f"gloze {precision}": (gloze_side, {"folder": folder, "precision": precision})
            for precision in ("bfloat16", "float32")
        }
        sides["transformers tuned bfloat16, packed"] = (
            transformers_side,
            {"folder": folder, "tuned": True},
        )
        sides["transformers"] = (transformers_side, {"folder": folder, "tuned": False})
        found = measure(sides, rounds=options.rounds, seconds=options.seconds)
    encoder = recipe().encoder
    needed = flops_a_token(encoder.num_hidden_layers, encoder.hidden_size, 1.0, LENGTH / 2)
    rate = found["gloze bfloat16"].median
    with float32_products(torch.device("cpu")):
        possible = product_rate("bfloat16")
    notes = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "bfloat16 product, GFLOP/s": round(possible / 1e9),
        "gloze, GFLOP/s": round(rate * needed / 1e9),
        "gloze, share of it": f"{rate * needed / possible:.0%}",
    }
    report("Training step, gpt-small", "tokens", found, notes)


if __name__ == "__main__":
    main()
