"""The other side of `benchmarks/tasks.py`: the same task trained with `transformers`.

Examples are read, laid out and scored by gloze; network, loss, padding and training are those of
`transformers` and a plain loop: AdamW, warm-up and even decay, gradients clipped at 1, bf16 where
the hardware is fast at it, as gloze does by default.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor

from gloze.checkpoint import for_task, load_parts, save_model
from gloze.core.devices import computing
from gloze.core.rng import derive, shuffled
from gloze.data.collate import collate_parts
from gloze.nn.readout import ReadoutConfig
from gloze.recipes.finetuning import load_finetuning
from gloze.tasks.labelled import encode_splits, read_splits
from gloze.tasks.learned import Judged
from gloze.tasks.model import TaskModel, build_head, score_rows
from gloze.training.transfer import build_learner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.tasks_sets import Set
    from gloze.config.finetuning import FinetuneConfig
    from gloze.core.batch import Batch, Samples

CPU = torch.device("cpu")
PART = 8
# Their class, and whether it gives scores for each token.
CLASSES: dict[str, tuple[str, bool]] = {
    "classification": ("BertForSequenceClassification", False),
    "regression": ("BertForSequenceClassification", False),
    "multilabel": ("BertForSequenceClassification", False),
    "choice": ("BertForSequenceClassification", False),
    "ranking": ("BertForSequenceClassification", False),
    "tagging": ("BertForTokenClassification", True),
    "span": ("BertForQuestionAnswering", True),
}


def scores_of(model: Any, batch: Batch, per_token: bool) -> Tensor:
    """Return the scores of their model: sequences padded going in, rows laid end to end out."""
    lengths = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).long()
    visible = torch.arange(batch.max_seqlen) < lengths[:, None]

    def padded(x: Tensor) -> Tensor:
        return x.new_zeros(visible.shape).masked_scatter_(visible, x)

    found = model(
        input_ids=padded(batch.input_ids),
        token_type_ids=padded(batch.token_type_ids),
        attention_mask=visible.long(),
    )
    if "start_logits" in found:
        return torch.stack([found.start_logits, found.end_logits], -1)[visible]
    return found.logits[visible] if per_token else found.logits


def loss_of(kind: str, scores: Tensor, batch: Batch) -> Tensor:
    """Return the mean loss, as the examples of `transformers` compute it."""
    labels = batch.labels[kind]
    if kind == "tagging":
        return F.cross_entropy(scores[batch.label_positions[kind]], labels)
    if kind == "regression":
        return F.mse_loss(scores[:, 0], labels.float().flatten())
    if kind == "ranking":
        return F.binary_cross_entropy_with_logits(scores[:, 0], labels.float())
    if kind == "multilabel":
        return F.binary_cross_entropy_with_logits(scores, labels.float())
    if kind == "choice":
        options = scores[:, 0].split(batch.sizes.tolist())
        each = [F.cross_entropy(o[None], y[None]) for o, y in zip(options, labels, strict=True)]
        return torch.stack(each).mean()
    if kind == "span":
        sizes = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).tolist()
        parts = [
            F.cross_entropy(part.T, wanted)
            for part, wanted in zip(scores.split(sizes), labels, strict=True)
        ]
        return torch.stack(parts).mean()
    return F.cross_entropy(scores, labels)


def loss_as_ours(kind: str, scores: Tensor, batch: Batch) -> Tensor:
    """Return the loss as gloze computes it: that of many labels is their sum, not their mean."""
    loss = loss_of(kind, scores, batch)
    return loss * scores.shape[1] if kind == "multilabel" else loss


def begin(config: FinetuneConfig, reader: Any, model: Path, train: Path, folder: Path) -> Any:
    """Write a model as the seed begins with gloze, its head included.

    Returns:
        The network of `transformers` with those weights, and what it is to learn from.
    """
    torch.manual_seed(derive("weights", config.seed) % 2**63)
    parts = for_task(load_parts(model), config.encoder.rates)
    task = config.task.resolve(is_plain=True, metric=reader.metric)
    examples = list(reader.read(train))
    learned = task.learn(examples, train)
    encoded = task.encode(examples, parts.tokenizer, learned, path=train)
    spread = parts.encoder.config.initializer_range
    objective = build_head(parts.encoder, task, learned, config.readout, spread)
    whole = TaskModel(parts.encoder, objective.head, parts.tokenizer, task, learned, config.readout)
    learner = build_learner(parts.encoder, [objective], "full", ())
    save_model(folder, learner, parts.tokenizer, card="# begun\n", extra=whole.to_config())
    return load_theirs(task.kind, folder), task.asked(encoded)


def load_theirs(kind: str, folder: Path, **settings: Any) -> Any:
    """Return the network of `transformers` for a task, from a folder."""
    if kind == "choice":
        # Their class for choices wants as many of each question; an option's score is one label.
        settings["num_labels"] = 1
    load = getattr(transformers, CLASSES[kind][0]).from_pretrained
    return load(folder, attn_implementation="eager", **settings)


def train_transformers(
    spec: Set, model: Path, data: Path, seed: int, folder: Path
) -> dict[str, Any]:
    """Fine-tune once; return figures and seconds."""
    parts = load_parts(model)
    config = load_finetuning(
        None, spec.settings, task=spec.task, hidden_size=parts.encoder.output_size, seed=seed
    )
    reader = config.task.reader(spec.format, spec.columns)
    task = config.task.resolve(is_plain=True, metric=reader.metric)
    paths = {"train": data / spec.train, "dev": data / spec.dev}
    labelled = encode_splits(
        task, parts.encoder, parts.tokenizer, paths, read_splits(reader, paths)
    )
    learned = labelled.learned
    torch.manual_seed(seed)
    theirs = load_theirs(
        task.kind, model, **{"num_labels": task.width(learned), **config.encoder.rates}
    )
    begun_at = time.monotonic()
    source = task.asked(labelled.splits["train"].encoded)
    train(theirs, task.kind, source, config.training, seed)
    seconds = time.monotonic() - begun_at
    judge = judge_of(theirs, task, build_head(parts.encoder, task, learned, ReadoutConfig()).head)
    dev = labelled.splits["dev"]
    judged = judge(dev.examples, dev.encoded, learned)
    known = task.tune(judged, dev.path)
    figures = {"dev": task.figures(replace(judged, learned=known), dev.path)}
    for other, path in spec.also.items():
        columns = spec.columns if spec.also_columns is None else spec.also_columns
        examples = list(task.reader(spec.also_format, columns or None).read(data / path))
        encoded = task.encode(examples, parts.tokenizer, known, path=data / path)
        figures[other] = task.figures(judge(examples, encoded, known), data / path)
    numbers = {
        split: {k: v for k, v in each.items() if isinstance(v, float)}
        for split, each in figures.items()
    }
    return {"figures": numbers, "seconds": seconds}


def judge_of(theirs: Any, task: Any, head: Any) -> Callable[..., Judged[Any]]:
    """Return what scores examples by their network, for the decoding and scoring of ours."""
    theirs.eval()

    def rows_of(batch: Batch) -> Tensor:
        scores = scores_of(theirs, batch, CLASSES[task.kind][1])
        return scores[batch.label_positions[task.kind]] if head.rows_per == "position" else scores

    def judge(examples: Any, encoded: Any, known: Any) -> Judged[Any]:
        rows = score_rows(rows_of, encoded, str(head.rows_per))
        return Judged(examples=examples, encoded=encoded, learned=known, head=head, rows=rows)

    return judge


def _alike(samples: Samples, max_tokens: int) -> Iterator[Batch]:
    """Yield a step's samples, sorted by length, in parts: the same gradient, less padding."""
    count = len(samples.indices)
    for first in range(0, count, PART):
        yield from collate_parts(samples.part(first, min(first + PART, count)), max_tokens)


def train(model: Any, kind: str, source: Any, config: Any, seed: int, loss: Any = loss_of) -> None:
    """Train on the source as the settings say, a padded batch at a time."""
    per_token = CLASSES[kind][1]
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,
    )
    count, size = len(source.lengths(0)), config.batch_size
    total = -(-count // size) * int(config.epochs)
    total = min(total, config.steps or total)
    step = 0
    warmup = max(1, round(config.warmup_rate * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: min(done / warmup, (total - done) / max(1, total - warmup))
    )
    model.train()
    for epoch in range(int(config.epochs)):
        order = shuffled(torch.arange(count).numpy(), count, seed, epoch)
        for first in range(0, count, size):
            if step == total:
                return
            step += 1
            chosen = order[first : first + size]
            by_length = chosen[source.lengths(epoch)[chosen].argsort(kind="stable")]
            samples = source.samples(epoch, by_length)
            optimizer.zero_grad()
            for batch in _alike(samples, config.micro_batch_tokens):
                share = len(batch.labels[kind]) / len(samples.labels[kind])
                with computing(CPU, config.precision):
                    scores = scores_of(model, batch, per_token)
                (loss(kind, scores.float(), batch) * share).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            schedule.step()
