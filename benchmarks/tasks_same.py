"""The same training twice, from the same weights: that of gloze, and that of `transformers`.

    python -m benchmarks.tasks_same MODEL DATA [--sets 'cola;rte'] [--steps 20]

Head and all, both begin with what gloze begins with under seed 0, without dropout and in float32.
Printed are the figures on dev, how far the training moved the weights of the encoder at the most,
and how far those of the two lie apart in the end.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.tasks_sets import SETS, Set
from benchmarks.tasks_transformers import begin, judge_of, load_theirs, loss_as_ours, train
from gloze.checkpoint import load_task
from gloze.recipes.finetuning import load_finetuning
from gloze.verbs.finetune import finetune

if TYPE_CHECKING:
    from torch import Tensor

EXACT = (
    "encoder.hidden_dropout_prob=0",
    "encoder.attention_probs_dropout_prob=0",
    "task.dropout=0",
    "training.precision=float32",
)


def row(name: str, spec: Set, model: Path, data: Path, steps: int, folder: Path) -> str:
    """Train both sides; return a row of the table."""
    settings = (*spec.settings, *EXACT, f"training.steps={steps}", "training.evaluations=0")
    done = finetune(
        spec.task,
        model=model,
        train=data / spec.train,
        dev=data / spec.dev,
        output=folder / "run",
        format=spec.format,
        columns=spec.columns,
        settings=settings,
    )
    ours = load_task(done.model)
    config = load_finetuning(None, settings, task=spec.task, hidden_size=ours.encoder.output_size)
    reader = config.task.reader(spec.format, spec.columns)
    theirs, source = begin(config, reader, model, data / spec.train, folder / "begun")
    before = _encoder(theirs)
    train(theirs, spec.task, source, config.training, config.seed, loss_as_ours)
    dev = data / spec.dev
    examples = list(reader.read(dev))
    judged = judge_of(theirs, ours.task, ours.head)(
        examples, ours.encode(examples, dev), ours.learned
    )
    metric = spec.shown[0][1]
    figures = done.best.figures["dev"][metric], ours.task.figures(judged, dev)[metric]
    after, other = _encoder(theirs), _encoder(load_theirs(spec.task, done.model))
    cells = [f"{value:.4f}" for value in figures]
    cells += [f"{_apart(*pair):.1e}" for pair in ((before, after), (after, other))]
    return f"| {name} | {metric} | {' | '.join(cells)} |"


def _encoder(model: object) -> dict[str, Tensor]:
    """Return the weights but the head's, which gloze may put in order at the end."""
    weights: dict[str, Tensor] = model.bert.state_dict()  # type: ignore[attr-defined]
    return {name: tensor.clone() for name, tensor in weights.items()}


def _apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the largest difference of a weight."""
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def main() -> None:
    """Read the command line; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder to start from")
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--sets", help="by default all that `transformers` is trained on too")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    names = [name for name, spec in SETS.items() if spec.has_peer and spec.transfer == "full"]
    print("| data | figure | gloze | `transformers` | weights moved by | apart by |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.sets.split(";") if options.sets else names:
        with tempfile.TemporaryDirectory() as folder:
            print(
                row(name, SETS[name], options.model, options.data, options.steps, Path(folder)),
                flush=True,
            )


if __name__ == "__main__":
    main()
