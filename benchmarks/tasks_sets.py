"""The data sets of `benchmarks/tasks.py`: where they are, how they are read, what was published."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Set:
    """A data set and the settings it is learned with.

    Attributes:
        task: of gloze.
        train, dev: files below the folder of data.
        also: more files to judge, by name.
        format, columns: as on the command line; `also_` those of `also` if they differ.
        transfer: way of transfer.
        settings: as on the command line.
        shown: split and figure of each row of the table.
        published: figures of others, with the source in the text around the table.
        has_peer: whether `transformers` is trained too.
    """

    task: str
    train: str
    dev: str
    also: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    columns: str | None = None
    also_format: str | None = None
    also_columns: str | None = None
    transfer: str = "full"
    settings: tuple[str, ...] = ()
    shown: tuple[tuple[str, str], ...] = (("dev", "accuracy"),)
    published: str = ""
    has_peer: bool = True


def _glue(name: str, folder: str, *metrics: str, **changes: object) -> Set:
    values = {
        "task": "classification",
        "train": f"{folder}/train.tsv.gz",
        "dev": f"{folder}/dev.tsv",
        "format": name,
        "also_format": name,
        "settings": ("training.learning_rate=1e-4",),
        "shown": tuple(("dev", metric) for metric in metrics),
    }
    return Set(**{**values, **changes})  # type: ignore[arg-type]


SETS: dict[str, Set] = {
    "cola": _glue("cola", "cola", "matthews"),
    "sst-2": _glue("sst2", "sst-2", "accuracy"),
    "mrpc": _glue("mrpc", "mrpc", "f1", "accuracy"),
    "sts-b": _glue("stsb", "sts-b", "pearson", "spearman", task="regression"),
    "rte": _glue("rte", "rte", "accuracy"),
    "wnli": _glue("wnli", "wnli", "accuracy", train="wnli/train.tsv"),
    "qnli": _glue("qnli", "qnli", "accuracy"),
    "mnli": Set(
        task="classification",
        train="xnli/test-en.tsv.gz",
        dev="xnli/dev-en.tsv.gz",
        columns="text_a=0,text_b=1,label=2",
        also={"matched": "mnli-sample/matched.tsv", "mismatched": "mnli-sample/mismatched.tsv"},
        also_format="mnli",
        also_columns="",
        settings=("training.learning_rate=1e-4",),
        shown=(("dev", "accuracy"), ("matched", "accuracy"), ("mismatched", "accuracy")),
    ),
}
