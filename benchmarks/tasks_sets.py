"""The data sets of `benchmarks/tasks.py`: where they are, how they are read, what was published."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


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
        published: figures of others beside those shown, in their order; the text around the table
            says by whom.
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
    published: tuple[str, ...] = ()
    has_peer: bool = True


RATE = "training.learning_rate=1e-4"
# What the heads of `transformers` read. Of MiniLM, tuned to vectors, gloze takes the mean if not
# told otherwise.
POOLER = "task.pooling=pooler"
# Where the usual three epochs take the other side hours: one, of smaller steps.
SMALL_STEPS = "training.batch_size=16"
ONCE = ("training.epochs=1", SMALL_STEPS)
TWO = "training.epochs=2"


def _glue(name: str, folder: str, *metrics: str, **changes: object) -> Set:
    values = {
        "task": "classification",
        "train": f"{folder}/train.tsv.gz",
        "dev": f"{folder}/dev.tsv",
        "format": name,
        "also_format": name,
        "settings": (RATE, POOLER),
        "shown": tuple(("dev", metric) for metric in metrics),
    }
    return Set(**{**values, **changes})  # type: ignore[arg-type]


def _tags(train: str, dev: str, *settings: str, **changes: object) -> Set:
    values = {
        "task": "tagging",
        "train": train,
        "dev": dev,
        "settings": ("training.learning_rate=2e-4", *ONCE, *settings),
        "shown": (("dev", "f1"),),
    }
    return Set(**{**values, **changes})  # type: ignore[arg-type]


def _ner(*settings: str, **changes: object) -> Set:
    also = {"test": "conll2003/eng.testb.gz"}
    shown = (("dev", "f1"), ("test", "f1"))
    published = ("96.4", "92.4")
    files = "conll2003/eng.train.gz", "conll2003/eng.testa.gz"
    return _tags(
        *files, *settings, **{"also": also, "shown": shown, "published": published, **changes}
    )


def _movies(*settings: str) -> Set:
    return Set(
        task="classification",
        train="movie-reviews/train.tsv.gz",
        dev="movie-reviews/dev.tsv.gz",
        also={"test": "movie-reviews/test.tsv.gz"},
        settings=(RATE, POOLER, *ONCE, *settings),
        shown=(("dev", "accuracy"), ("test", "accuracy")),
        published=("", "87.2 (SVM, 10 folds)"),
        has_peer=False,
    )


def _trecqa(*settings: str, has_peer: bool = True) -> Set:
    return Set(
        task="ranking",
        train="trecqa/train.csv.gz",
        dev="trecqa/dev.csv",
        also={"test": "trecqa/test.csv"},
        format="trecqa",
        also_format="trecqa",
        settings=(RATE, POOLER, "training.batch_size=4", *settings),
        shown=(("test", "map"), ("test", "mrr")),
        published=("75.3", "85.1"),
        has_peer=has_peer,
    )


GLUE: dict[str, Set] = {
    "cola": _glue("cola", "cola", "matthews", published=("47.5",)),
    "sst-2": _glue("sst2", "sst-2", "accuracy", published=("91.5",), has_peer=False),
    "sst-2, 150 steps": _glue(
        "sst2", "sst-2", "accuracy", settings=(RATE, POOLER, "training.steps=150")
    ),
    "mrpc": _glue("mrpc", "mrpc", "f1", "accuracy", published=("", "88.9")),
    "sts-b": _glue(
        "stsb", "sts-b", "pearson", "spearman", task="regression", published=("", "85.8")
    ),
    "rte": _glue("rte", "rte", "accuracy", published=("68.8",)),
    "wnli": _glue("wnli", "wnli", "accuracy", train="wnli/train.tsv", published=("56.3",)),
    "qnli": _glue(
        "qnli", "qnli", "accuracy", settings=(RATE, POOLER, SMALL_STEPS), published=("90.5",)
    ),
    "mnli": Set(
        task="classification",
        train="xnli/test-en.tsv.gz",
        dev="xnli/dev-en.tsv.gz",
        columns="text_a=0,text_b=1,label=2",
        also={"matched": "mnli-sample/matched.tsv", "mismatched": "mnli-sample/mismatched.tsv"},
        also_format="mnli",
        also_columns="",
        settings=(RATE, POOLER, SMALL_STEPS),
        shown=(("dev", "accuracy"), ("matched", "accuracy"), ("mismatched", "accuracy")),
        published=("", "83.3"),
    ),
}
MEANS: dict[str, Set] = {
    f"{name}, mean": replace(
        GLUE[name],
        settings=tuple(each for each in GLUE[name].settings if each != POOLER),
        published=(),
        has_peer=False,
    )
    for name in ("cola", "mrpc", "rte")
}
TAGGING: dict[str, Set] = {
    "ner": _ner(),
    "ner, in its document": _ner("task.context=document", "task.max_length=128", has_peer=False),
    "pos": _tags(
        "ud-english-ewt/en-ewt-ud-train.conllu.gz",
        "ud-english-ewt/en-ewt-ud-dev.conllu.gz",
        also={"test": "ud-english-ewt/en-ewt-ud-test.conllu.gz"},
        format="conllu",
        also_format="conllu",
        shown=(("dev", "accuracy"), ("test", "accuracy")),
    ),
    "chunks": _tags("conll2000/train.txt.gz", "conll2000/test.txt.gz", published=("96.4",)),
}
SPANS: dict[str, Set] = {
    "tydi qa": Set(
        task="span",
        train="tydiqa-goldp/tydiqa.goldp.en.train.json.gz",
        dev="tydiqa-goldp/tydiqa.goldp.en.dev.json.gz",
        also={"xquad en": "xquad/xquad.en.json.gz"},
        settings=(RATE, *ONCE),
        shown=(("dev", "f1"), ("dev", "exact"), ("xquad en", "f1"), ("xquad en", "exact")),
        published=("75.3", "63.6", "83.5", "72.2"),
    ),
    "squad 2.0": Set(
        task="span",
        train="squad-v2/train-v2.0.json.gz",
        dev="squad-v2/dev-v2.0.json.gz",
        settings=("training.learning_rate=2e-4", TWO, SMALL_STEPS),
        shown=(("dev", "f1"), ("dev", "exact")),
        published=("75.6",),
    ),
}
OTHERS: dict[str, Set] = {
    "codah": Set(
        task="choice",
        train="codah/train.tsv",
        dev="codah/dev.tsv",
        also={"test": "codah/test.tsv"},
        format="codah",
        also_format="codah",
        settings=(RATE, POOLER, TWO, SMALL_STEPS),
        shown=(("dev", "accuracy"), ("test", "accuracy")),
    ),
    "social iqa": Set(
        task="choice",
        train="social-iqa/socialiqa-v1.4-dev.jsonl.gz",
        dev="social-iqa/socialiqa-v1.4-tst.jsonl.gz",
        format="siqa",
        settings=(RATE, POOLER, *ONCE),
        published=("63.1",),
    ),
    "goemotions": Set(
        task="multilabel",
        train="go-emotions/train.tsv.gz",
        dev="go-emotions/dev.tsv.gz",
        also={"test": "go-emotions/test.tsv.gz"},
        format="goemotions",
        also_format="goemotions",
        settings=("training.learning_rate=2e-4", POOLER, *ONCE, "task.threshold=tune"),
        shown=(("test", "macro_f1"), ("test", "micro_f1")),
        published=("46",),
    ),
    "trecqa": _trecqa(),
    "trecqa, pairwise": _trecqa("task.loss=pairwise", has_peer=False),
}
_WINDOWS = ("task.max_length=512", "task.stride=448", "task.long_text=windows")
LONG: dict[str, Set] = {
    "reviews, head of 128": _movies("task.max_length=128"),
    "reviews, head of 512": _movies("task.max_length=512"),
    "reviews, head and tail of 512": _movies("task.max_length=512", "task.long_text=head_tail"),
    "reviews, windows, mean": _movies(*_WINDOWS),
}
_BILSTM = ("readout.lstm_layers=2", "training.learning_rate=1e-3", TWO)
TRANSFER: dict[str, Set] = {
    "ner, frozen, last layer": _ner(*_BILSTM, transfer="frozen", has_peer=False),
    "ner, mix": _ner(*_BILSTM, transfer="mix", has_peer=False),
    "sst-2, frozen": _glue(
        "sst2", "sst-2", "accuracy", transfer="frozen", has_peer=False, settings=(TWO,)
    ),
    "sst-2, mix": _glue(
        "sst2", "sst-2", "accuracy", transfer="mix", has_peer=False, settings=(TWO,)
    ),
}
# A small encoder, pre-trained without dropout.
_SMALL = (
    "training.learning_rate=3e-4",
    "encoder.hidden_dropout_prob=0.1",
    "encoder.attention_probs_dropout_prob=0.1",
)
CHINESE: dict[str, Set] = {
    "chnsenticorp": Set(
        task="classification",
        train="chnsenticorp/train.tsv.gz",
        dev="chnsenticorp/dev.tsv.gz",
        also={"test": "chnsenticorp/test.tsv.gz"},
        columns="text=text_a",
        settings=(*_SMALL, *ONCE),
        shown=(("dev", "accuracy"), ("test", "accuracy")),
        published=("", "95.0"),
    ),
    "msra ner": _tags(
        "msra-ner/msra.train.bio.gz",
        "msra-ner/msra.dev.bio",
        *_SMALL,
        also={"test": "msra-ner/msra.test.bio.gz"},
        shown=(("dev", "f1"), ("test", "f1")),
        published=("", "92.6"),
    ),
    "segmentation pku": _tags(
        "sighan2005-cws/pku.train.utf8.gz",
        "sighan2005-cws/pku.test.utf8",
        *_SMALL,
        "training.epochs=3",
        format="cws",
        published=("96.1",),
    ),
    "c3": Set(
        task="choice",
        train="c3/c3-d-train.json.gz",
        dev="c3/c3-d-dev.json.gz",
        also={"test": "c3/c3-d-test.json.gz"},
        format="c3",
        also_format="c3",
        settings=(*_SMALL, *ONCE, "task.max_length=128"),
        shown=(("dev", "accuracy"), ("test", "accuracy")),
        published=("", "68.5"),
    ),
    "cmrc 2018": Set(
        task="span",
        train="cmrc2018/cmrc2018-trial.json.gz",
        dev="cmrc2018/cmrc2018-dev.json.gz",
        settings=(
            *_SMALL,
            *ONCE,
            "task.max_length=256",
            "task.stride=128",
            "task.max_answer=85",
        ),
        shown=(("dev", "f1"), ("dev", "exact")),
        published=("84.5", "65.5"),
    ),
}
GROUPS: dict[str, dict[str, Set]] = {
    "Texts and pairs (GLUE)": GLUE,
    "Through the mean": MEANS,
    "Words": TAGGING,
    "Answers out of a text": SPANS,
    "Choices, many labels, ranking": OTHERS,
    "Long texts": LONG,
    "Frozen and mix": TRANSFER,
    "Chinese": CHINESE,
}
SETS: dict[str, Set] = {name: spec for group in GROUPS.values() for name, spec in group.items()}
