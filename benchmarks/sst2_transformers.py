"""Fine-tune a BERT on SST-2 with `transformers`, to compare `gloze finetune` with.

The same examples, seed, batch size, optimizer, schedule and number of epochs; padded to the
longest of each batch. What differs: the order of the examples and the random draws of head and
dropout, so figures agree within the spread of seeds and not to the digit.

    python benchmarks/sst2_transformers.py MODEL SST2_FOLDER --epochs 2 --learning-rate 5e-5
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from gloze.core.devices import computing


def read(path: Path) -> tuple[list[str], list[int]]:
    """Return sentences and labels of one of GLUE's SST-2 files."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["sentence"] for row in rows], [int(row["label"]) for row in rows]


def groups_of(model: torch.nn.Module) -> list[dict[str, object]]:
    """Return the parameters in two groups: those that decay, and norms and biases."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]


def accuracy(model: torch.nn.Module, tokenize, texts: list[str], labels: list[int]) -> float:
    """Return the share of texts whose best-scored label is right."""
    model.eval()
    right = 0
    with torch.no_grad():
        for first in range(0, len(texts), 64):
            part = tokenize(texts[first : first + 64], padding=True, return_tensors="pt")
            best = model(**part).logits.argmax(-1)
            right += int((best == torch.tensor(labels[first : first + 64])).sum())
    return right / len(texts)


def train(options: argparse.Namespace) -> dict[str, float]:
    """Fine-tune once and return the figures."""
    torch.manual_seed(options.seed)
    tokenize = AutoTokenizer.from_pretrained(options.model, model_max_length=128)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=2)
    texts, labels = read(options.folder / "train.tsv.gz")
    steps_an_epoch = -(-len(texts) // options.batch_size)
    total = steps_an_epoch * options.epochs
    optimizer = torch.optim.AdamW(groups_of(model), lr=options.learning_rate, eps=1e-6, fused=True)
    warmup = max(1, total // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(s / warmup, (total - s) / max(1, total - warmup))
    )
    started_at, seen = time.monotonic(), 0
    device = torch.device("cpu")
    for _ in range(options.epochs):
        for chosen in torch.randperm(len(texts)).split(options.batch_size):
            model.train()
            picked = [texts[i] for i in chosen]
            part = tokenize(picked, padding=True, truncation=True, return_tensors="pt")
            with computing(device, options.precision):
                loss = model(**part, labels=torch.tensor([labels[i] for i in chosen])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            seen += len(chosen)
            if seen // options.batch_size % 200 == 0:
                rate = seen / (time.monotonic() - started_at)
                print(f"{seen} examples, {rate:.0f} a second", file=sys.stderr, flush=True)
    seconds = time.monotonic() - started_at
    dev = accuracy(model, tokenize, *read(options.folder / "dev.tsv"))
    return {"seed": options.seed, "dev_accuracy": dev, "seconds": seconds}


def main() -> None:
    """Read the command line, train, print the figures as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()
