"""Examples a second of fine-tuning MiniLM on short texts, against `transformers`.

Updates of 32 examples in random order, dropout 0.1, the same optimizer; texts are tokenized
beforehand on all sides. `transformers` computes as its Trainer does by default: in float32,
batches padded to their longest text; and once more padded to 128 tokens, as its older scripts do.

    python -m benchmarks.finetune ../shared/data/sst-2/train.tsv.gz
"""

from __future__ import annotations

import argparse
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.encode import model_folder
from benchmarks.sides import measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.tasks.examples import Example

BATCH, BATCHES = 32, 400


def examples(path: Path) -> list[Example]:
    """Return enough examples for all steps, in a random order."""
    from gloze.tasks.examples import read_examples
    from gloze.tasks.formats import find_format

    found = read_examples(path, find_format("sst2"))
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))
    return [found[number] for number in order[: BATCH * BATCHES].tolist()]


def gloze_side(path: Path) -> Callable[[], int]:
    """Return an update of gloze's."""
    from gloze.checkpoint import load_parts
    from gloze.data.stream import StepSize, Stream
    from gloze.nn.readout import ReadoutConfig
    from gloze.tasks.classification import NAME, Classification
    from gloze.tasks.learned import Learned
    from gloze.tasks.model import build_head
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner
    from gloze.training.update import Updater

    parts = load_parts(model_folder())
    given = examples(path)
    task, learned = Classification(pooling="pooler"), Learned(labels=("0", "1"))
    objective = build_head(parts.encoder, task, learned, ReadoutConfig())
    encoded = task.encode(given, parts.tokenizer, learned, path=path)
    training = TrainingConfig(epochs=1, batch_size=BATCH)
    updater = Updater(Learner(parts.encoder, [objective]), training, seed=0)
    source = Stream(encoded, [objective], size=StepSize(sequences=BATCH), seed=0).read()

    def step() -> int:
        data = next(source)
        updater.update(data, 0, 2e-5).read()
        return data.num_labels[NAME]

    return step


def transformers_side(path: Path, width: int | None) -> Callable[[], int]:
    """Return an update of `transformers`, padded to ``width`` or to the longest of a batch."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    model = AutoModelForSequenceClassification.from_pretrained(model_folder(), num_labels=2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)
    given = examples(path)
    tokens = tokenizer([example.text_a for example in given], truncation=True, max_length=128)
    labels = torch.tensor([int(example.label) for example in given])
    rows = [{name: tokens[name][i] for name in tokens} for i in range(len(given))]
    padding = {"padding": "longest"} if width is None else {"padding": "max_length"}

    def batches() -> list[dict[str, torch.Tensor]]:
        parts = []
        for first in range(0, len(rows), BATCH):
            part = tokenizer.pad(
                rows[first : first + BATCH], max_length=width, return_tensors="pt", **padding
            )
            parts.append({**part, "labels": labels[first : first + BATCH]})
        return parts

    turns = cycle(islice(batches(), BATCHES))

    def step() -> int:
        batch = next(turns)
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        return len(batch["labels"])

    return step


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("train", type=Path, help="SST-2's train.tsv, plain or compressed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    options = parser.parse_args()
    shared = {"path": options.train}
    sides = {
        "gloze": (gloze_side, shared),
        "transformers, dynamic padding": (transformers_side, {**shared, "width": None}),
        "transformers, padded to 128": (transformers_side, {**shared, "width": 128}),
    }
    found = measure(sides, rounds=options.rounds, seconds=options.seconds)
    notes = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    report("Fine-tuning MiniLM on SST-2", "examples", found, notes)


if __name__ == "__main__":
    main()
