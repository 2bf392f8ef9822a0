"""Tokens a second of pre-training BERT-base on a GPU, against compiled `transformers`.

Masked LM and next sentence in bf16 at lengths 128 and 512, dropout 0.1; nine sequences of ten are
of full length, the others shorter, as BERT's sampler makes them. Real tokens are counted, padding
is not; both sides take the same made-up sequences, hand over pinned batches, and step a fused
optimizer. What differs: gloze lays sequences end to end, calls the variable-length flash kernel
and scores the asked positions alone; `transformers`, compiled as a whole, pads all to full length,
takes PyTorch's fused attention and scores every position. The share of model FLOPs counts what
the mathematics needs, forward and backward, nothing twice, against a large bf16 product measured
in the same run, and against the data sheet where the device is known.

    python -m benchmarks.gpu

Needs torch and transformers only. Without a GPU it makes a trial at a tiny size.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.pretrain import VOCAB_SIZE, flops_a_token, pad, their_model
from benchmarks.sides import Measured, measure, product_rate, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.core.batch import Batch

# Dense bf16, from the makers' data sheets.
PEAKS = {"H100 80GB HBM3": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12}
ASKED = 0.15
BATCHES, UPDATES_AT_ONCE = 8, 4


@dataclass(frozen=True)
class Work:
    """What both sides do."""

    device: str
    layers: int
    hidden: int
    length: int
    tokens: int
    compile: bool


def batches(work: Work) -> list[Batch]:
    """Return batches of made-up pairs, the same on every side."""
    from gloze.core.batch import Batch

    draw = np.random.default_rng(work.length)
    found = []
    for _ in range(BATCHES):
        count = work.tokens // work.length
        lengths = np.where(
            draw.random(count) < 0.1, draw.integers(8, work.length + 1, count), work.length
        )
        starts = np.r_[0, np.cumsum(lengths)]
        places = np.concatenate([np.arange(n) for n in lengths])
        asked = np.sort(draw.permutation(starts[-1])[: int(ASKED * starts[-1])])
        words = draw.integers(1000, VOCAB_SIZE, starts[-1])
        labels = {"mlm": torch.from_numpy(words[asked])}
        labels["nsp"] = torch.from_numpy(draw.integers(0, 2, count))
        found.append(
            Batch(
                input_ids=torch.from_numpy(words),
                position_ids=torch.from_numpy(places),
                token_type_ids=torch.from_numpy((places >= work.length // 2).astype(np.int64)),
                cu_seqlens=torch.from_numpy(starts.astype(np.int32)),
                max_seqlen=int(lengths.max()),
                labels=labels,
                label_positions={"mlm": torch.from_numpy(asked)},
            )
        )
    # One shape for all, as the full micro-batches of a compiled training have.
    most = max(batch.num_tokens for batch in found)
    return [replace(batch, rows=most + -most % 64) for batch in found]


def gloze_side(work: dict[str, Any]) -> Callable[[], int]:
    """Return some updates of gloze's."""
    from gloze.core.batch import Step
    from gloze.core.contracts import Objective
    from gloze.encoders.transformer import TransformerConfig
    from gloze.objectives.mlm import MaskedLM
    from gloze.objectives.nsp import NextSentence
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner
    from gloze.training.update import Updater

    given = Work(**work)
    torch.manual_seed(0)
    encoder = TransformerConfig(
        hidden_size=given.hidden,
        num_hidden_layers=given.layers,
        num_attention_heads=given.hidden // 64,
        intermediate_size=4 * given.hidden,
    ).build(VOCAB_SIZE)
    heads = {"mlm": MaskedLM(encoder), "nsp": NextSentence(encoder)}
    # Questions are asked already.
    objectives = [Objective(name, 1.0, lambda x: x, head) for name, head in heads.items()]
    config = TrainingConfig(
        steps=1,
        batch_tokens=given.tokens,
        precision="bfloat16",
        device=given.device,
        compile=given.compile,
    )
    updater = Updater(Learner(encoder, objectives), config, seed=0)
    turns = cycle(
        Step(0, n, [b], {k: len(v) for k, v in b.labels.items()}, b.num_tokens)
        for n, b in enumerate(batches(given))
    )

    def step() -> int:
        data = [next(turns) for _ in range(UPDATES_AT_ONCE)]
        # As the training loop does, the figures of an update are read when the next is under way.
        found = [updater.update(each, 0, 1e-4) for each in data]
        for figures in found:
            figures.read()
        return sum(each.num_tokens for each in data)

    return step


def transformers_side(work: dict[str, Any]) -> Callable[[], int]:
    """Return some steps of `transformers` on the same batches, padded."""
    given = Work(**work)
    torch.set_float32_matmul_precision("high")
    model = their_model(given.layers, given.hidden, 0.1, "sdpa").to(given.device)
    called: Any = torch.compile(model) if given.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    on_gpu = given.device == "cuda"
    padded = [
        ({k: v.pin_memory() if on_gpu else v for k, v in pad(batch).items()}, batch.num_tokens)
        for batch in batches(given)
    ]
    turns = cycle(padded)

    def update() -> tuple[torch.Tensor, int]:
        batch, tokens = next(turns)
        moved = {k: v.to(given.device, non_blocking=True) for k, v in batch.items()}
        optimizer.zero_grad()
        with torch.autocast(given.device, dtype=torch.bfloat16):
            loss = called(**moved).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach(), tokens

    def step() -> int:
        made = [update() for _ in range(UPDATES_AT_ONCE)]
        for loss, _ in made:
            loss.item()
        return sum(tokens for _, tokens in made)

    return step


def shares(found: dict[str, Measured], work: Work) -> dict[str, Any]:
    """Return what each side reaches of the device's products, in per cent."""
    needed = flops_a_token(work.layers, work.hidden, ASKED, work.length)
    possible = {
        "measured": product_rate(
            "bfloat16", device=work.device, size=8192 >> 3 * (work.device == "cpu")
        )
    }
    name = torch.cuda.get_device_name() if work.device == "cuda" else "CPU"
    for known, peak in PEAKS.items():
        if name.endswith(known):
            possible["data sheet"] = peak
    notes: dict[str, Any] = {"device": name, "torch": torch.__version__}
    for kind, rate in possible.items():
        notes[f"bf16 product, {kind}, TFLOP/s"] = round(rate / 1e12, 2)
        for side, measured in found.items():
            notes[f"{side}, share of it"] = f"{measured.median * needed / rate:.1%}"
    return notes


def main() -> None:
    """Measure both lengths."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    parser.add_argument("--tokens", type=int, help="of a batch with its padding")
    parser.add_argument("--eager", action="store_true", help="compile on neither side")
    options = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    tokens = options.tokens or (65536 if on_gpu else 2048)
    for length in (128, 512):
        work = Work(
            *("cuda", 12, 768) if on_gpu else ("cpu", 2, 128),
            length=length,
            tokens=tokens,
            compile=on_gpu and not options.eager,
        )
        given = {"work": asdict(work)}
        found = measure(
            {
                "gloze": (gloze_side, given),
                "transformers": (transformers_side, given),
            },
            rounds=options.rounds,
            seconds=options.seconds,
            warmup=4 if on_gpu else 1,
        )
        size = f"L{work.layers}/H{work.hidden}"
        report(f"Pre-training step, {size}, length {length}", "tokens", found, shares(found, work))


if __name__ == "__main__":
    main()
