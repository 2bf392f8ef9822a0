"""Fine-tuning on real data sets, beside `transformers` with the same examples and settings.

    python -m benchmarks.tasks MODEL DATA --out RESULTS.jsonl [--sets 'cola;rte'] [--sides gloze]
    python -m benchmarks.tasks --table RESULTS.jsonl ...

Every finished training is a line of RESULTS.jsonl and is not done again, so a run can be stopped
and go on. The figures of both sides come from the same scorer, which the tests hold against the
official ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from itertools import product, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.tasks_sets import GROUPS, SETS, Set
from gloze.metrics.statistics import spread
from gloze.verbs.finetune import finetune

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIDES = ("gloze", "transformers")


@dataclass(frozen=True)
class Line:
    """One training and its figures.

    Attributes:
        set: name of the data set and setting.
        side: who trained.
        seed: of the training.
        model: name of the folder it began from.
        figures: of each labelled file, by name of file and figure.
        seconds: of the training alone.
        settings: as given.
    """

    set: str
    side: str
    seed: int
    model: str
    figures: dict[str, dict[str, float]]
    seconds: float
    settings: list[str] = field(default_factory=list)


def train_gloze(spec: Set, model: Path, data: Path, seed: int, folder: Path) -> dict[str, Any]:
    """Fine-tune with gloze; return figures and seconds."""
    result = finetune(
        spec.task,
        model=model,
        train=data / spec.train,
        dev=data / spec.dev,
        output=folder,
        transfer=spec.transfer,
        seed=seed,
        format=spec.format,
        columns=spec.columns,
        settings=[*spec.settings, "training.evaluations=0"],
    )
    figures = {"dev": floats(result.best.figures["dev"])}
    for name, path in spec.also.items():
        columns = spec.columns if spec.also_columns is None else spec.also_columns
        figures[name] = floats(
            result.evaluate(data / path, format=spec.also_format, columns=columns or None)
        )
    return {"figures": figures, "seconds": result.best.seconds}


def floats(figures: dict[str, Any]) -> dict[str, float]:
    """Return the figures that are numbers on a scale."""
    return {name: value for name, value in figures.items() if isinstance(value, float)}


def run(options: argparse.Namespace) -> None:
    """Do every training that is not in the file of results yet."""
    out = Path(options.out)
    done = {(line.set, line.side, line.seed, line.model) for line in read(out)}
    for seed in range(options.seeds):
        for name in options.sets.split(";") if options.sets else SETS:
            for side in options.sides.split(","):
                spec, model = SETS[name], Path(options.model)
                if options.steps:
                    steps = f"training.steps={options.steps}"
                    spec = replace(spec, settings=(*spec.settings, steps))
                if (name, side, seed, options.name or model.name) in done:
                    continue
                if side == "transformers" and not spec.has_peer:
                    continue
                print(time.strftime("%H:%M"), name, side, seed, flush=True)
                with tempfile.TemporaryDirectory() as folder:
                    found = train(side)(spec, model, Path(options.data), seed, Path(folder) / "run")
                line = Line(
                    name,
                    side,
                    seed,
                    options.name or model.name,
                    settings=list(spec.settings),
                    **found,
                )
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(line)) + "\n")


def train(side: str) -> Any:
    """Return the function that trains on a side."""
    if side == "gloze":
        return train_gloze
    from benchmarks.tasks_transformers import train_transformers

    return train_transformers


def read(path: Path) -> list[Line]:
    """Return the lines of a file of results; none if there is no file."""
    if not path.exists():
        return []
    return [Line(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def tables(paths: Sequence[Path]) -> str:
    """Return the results as tables in Markdown: mean and sample deviation over the seeds."""
    lines = [line for path in paths for line in read(path)]
    parts = []
    for title, group in GROUPS.items():
        own = [line for line in lines if line.set in group]
        if own:
            parts += [f"### {title}\n", *_rows(group, own), ""]
    return "\n".join(parts)


def _rows(group: dict[str, Set], lines: Sequence[Line]) -> Iterator[str]:
    """Return a table's rows: a row for each figure of a set and of a model."""
    yield "| data | figure | gloze | `transformers` | published |"
    yield "|---|---|---|---|---|"
    models = sorted({line.model for line in lines})
    for (name, spec), model in product(group.items(), models):
        own = [line for line in lines if (line.set, line.model) == (name, model)]
        if not own:
            continue
        for (split, metric), other in zip_longest(spec.shown, spec.published, fillvalue=""):
            cells = [_cell(own, side, split, metric) for side in SIDES]
            where = f" {split}" * (split != "dev") + f", {model}" * (len(models) > 1)
            yield f"| {name}{where} | {metric} | {' | '.join(cells)} | {other} |"


def _cell(lines: Sequence[Line], side: str, split: str, metric: str) -> str:
    """Return mean and deviation of one side, and the number of seeds if they are not three."""
    values = [100 * line.figures[split][metric] for line in lines if line.side == side]
    if not values:
        return ""
    found = spread(values)
    deviation = "" if found.deviation is None else f" ± {found.deviation:.1f}"
    return f"{found.mean:.1f}{deviation}" + f" ({len(values)})" * (len(values) != 3)


def main() -> None:
    """Read the command line; train, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="folder to start from")
    parser.add_argument("data", nargs="?", help="folder of the data sets")
    parser.add_argument("--out", default="tasks.jsonl")
    parser.add_argument("--name", help="of the model in the results; its folder's by default")
    parser.add_argument("--sets", help=", ".join(SETS))
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of each training, to try the program")
    parser.add_argument("--table", type=Path, nargs="+", help="files of results to print")
    options = parser.parse_args()
    if options.table:
        print(tables(options.table))
    else:
        run(options)


if __name__ == "__main__":
    main()
