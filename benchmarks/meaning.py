"""What models know of words in their contexts, and of grammar, on four data sets at once.

SCWS: Spearman's correlation of the cosine of two words in their contexts with how alike people
find them. MCL-WiC: have two occurrences the same meaning? Yes from a cosine on that is best on dev;
accuracy on test. CoarseWSD-20: the sense of a noun, that of the nearest training occurrence or of
the nearest mean of a sense; accuracy, mean over the nouns. These by layer, a word's vector the mean
of its pieces'. BLiMP: how often a language model finds the grammatical sentence likelier.

Models may be of any kind. Word vectors have two rows: of the word alone, which is the same in
every context, and the mean of the context's words. What a model cannot do is said.

    python -m benchmarks.meaning NAME=MODEL... --data DATA --out RESULTS.jsonl
    python -m benchmarks.meaning --table RESULTS.jsonl [--data DATA]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.meaning_sets import Occurrence, find, read_scws, read_senses, read_wic
from benchmarks.word_senses import vote
from gloze import load
from gloze.checkpoint import load_language_model
from gloze.core.errors import ConfigError
from gloze.inference.features import FeatureConfig, iterate_features
from gloze.inference.model import Model
from gloze.inference.word_features import iterate_word_features
from gloze.metrics.correlation import spearman
from gloze.probes.search import unit_length
from gloze.vectors.table import WordVectors
from gloze.verbs.evaluate_pairs import differences, pair_figures, read_pairs

# Of word vectors, in place of layers.
STATIC = ("the word alone", "mean of its context")
# Of BLiMP's published figures.
PUBLISHED = {"ngram": "5-gram", "lstm": "LSTM", "txl": "Transformer-XL", "gpt2": "GPT-2"}


def layers_of(model: Model | WordVectors) -> list[str]:
    """Return what a word's vectors are called, in the order of :func:`vectors_of`."""
    if isinstance(model, WordVectors):
        return list(STATIC)
    return list(map(str, range(len(model.encoder.state_sizes))))


def vectors_of(model: Model | WordVectors, occurrences: list[Occurrence]) -> list[np.ndarray]:
    """Return the vectors of occurrences at length 1, [occurrences, size] for each layer."""
    places = [each.place for each in occurrences]
    texts = [each.words for each in occurrences]
    if isinstance(model, WordVectors):
        alone = [[words[place]] for words, place in zip(texts, places, strict=True)]
        by_word = FeatureConfig(words=True, pieces="mean")
        found = [
            [each.vectors[0, 0] for each in iterate_word_features(model, alone, by_word)],
            [
                each.vectors[0]
                for each in iterate_word_features(model, texts, FeatureConfig(pooling="mean"))
            ],
        ]
        return [unit_length(np.array(each)) for each in found]
    # Layers may differ in size.
    sizes = model.encoder.state_sizes
    config = FeatureConfig(layers=range(len(sizes)), combine="concat", words=True, pieces="mean")
    features = iterate_features(model, texts, config)
    chosen = [each.vectors[place] for each, place in zip(features, places, strict=True)]
    parts = np.split(np.stack(chosen), np.cumsum(sizes)[:-1], axis=1)
    return [unit_length(part) for part in parts]


def alike(
    model: Model | WordVectors, left: list[Occurrence], right: list[Occurrence]
) -> list[np.ndarray]:
    """Return the cosine of the two occurrences of each pair, [pairs] for each layer.

    Rounded, so that equal vectors are all equally alike.
    """
    both = zip(vectors_of(model, left), vectors_of(model, right), strict=True)
    return [(a * b).sum(-1).round(5) for a, b in both]


def scws(model: Model | WordVectors, data: Path) -> dict[str, Any]:
    """Return Spearman's correlation by layer."""
    left, right, scores = read_scws(data / "scws")
    found = [spearman(scores, cosines) for cosines in alike(model, left, right)]
    return {"examples": len(scores), "spearman": found}


def wic(model: Model | WordVectors, data: Path) -> dict[str, Any]:
    """Return the accuracy on test by layer, from the cosines that are best on dev."""
    cosines, same = {}, {}
    for split in ("dev", "test"):
        left, right, same[split] = read_wic(data / "mcl-wic", split)
        cosines[split] = alike(model, left, right)
    found: dict[str, Any] = {"examples": len(same["test"]), "threshold": [], "dev": [], "test": []}
    for dev, test in zip(cosines["dev"], cosines["test"], strict=True):
        best, accuracy = threshold(dev, same["dev"])
        found["threshold"].append(best)
        found["dev"].append(accuracy)
        found["test"].append(float(((test >= best) == same["test"]).mean()))
    return found


def threshold(cosines: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """Return the cosine from which on to say yes, and how often that is right.

    It lies half way between two cosines, or beyond all; of equally good ones it is the lowest.
    """
    known = np.unique(cosines.astype(np.float64))
    between = np.concatenate([[known[0] - 1], (known[1:] + known[:-1]) / 2, [known[-1] + 1]])
    right = ((cosines[None] >= between[:, None]) == same).mean(axis=1)
    best = int(right.argmax())
    return float(between[best]), float(right[best])


def senses(model: Model | WordVectors, data: Path) -> dict[str, Any]:
    """Return the accuracy of both ways by layer, mean over the nouns."""
    words = {}
    for folder in sorted(path for path in (data / "coarsewsd-20").iterdir() if path.is_dir()):
        (known, known_senses), (asked, gold) = (read_senses(folder, s) for s in ("train", "test"))
        layers = list(zip(vectors_of(model, known), vectors_of(model, asked), strict=True))
        words[folder.name] = {
            "most_frequent": float((gold == np.bincount(known_senses).argmax()).mean()),
            "nearest": [
                float((vote(train, known_senses, test, 1) == gold).mean()) for train, test in layers
            ],
            "mean": [
                float((by_mean(train, known_senses, test) == gold).mean()) for train, test in layers
            ],
        }
    each = list(words.values())
    found = {name: np.mean([word[name] for word in each], axis=0).tolist() for name in each[0]}
    return {"examples": len(words), **found, "words": words}


def by_mean(train: np.ndarray, known: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the sense whose mean vector is nearest, of vectors at length 1."""
    kinds = np.unique(known)
    means = unit_length(np.stack([train[known == kind].mean(axis=0) for kind in kinds]))
    return kinds[(test @ means.T).argmax(axis=1)]


def blimp(model: Model, data: Path, within_word_l2r: bool) -> dict[str, Any]:
    """Return the accuracy of each file of pairs."""
    paths = [
        path for path in sorted((data / "blimp").glob("*.jsonl*")) if "results" not in path.name
    ]
    pairs = [pair for path in paths for pair in read_pairs(path)]
    return pair_figures(pairs, differences(model, pairs, within_word_l2r=within_word_l2r))


IN_CONTEXT = {"scws": scws, "wic": wic, "senses": senses}
SETS = (*IN_CONTEXT, "blimp")


def measure(path: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a model on a set, or why there are none."""
    try:
        if name == "blimp":
            judge = load_language_model(path, masked=True)
            return blimp(judge, options.data, options.within_word_l2r)
        model = load(path)
        return {"layers": layers_of(model), **IN_CONTEXT[name](model, options.data)}
    except ConfigError as error:
        return {"missing": str(error)}


def run(options: argparse.Namespace) -> None:
    """Measure what the file of results has not yet."""
    out = Path(options.out)
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(line["model"], line["set"]) for line in known}
    for model in options.models:
        name, _, path = model.partition("=")
        for each in options.sets:
            if (name, each) in done:
                continue
            line = {"model": name, "set": each, **measure(path or name, each, options)}
            shown = {key: value for key, value in line.items() if key != "words"}
            print(json.dumps(shown), file=sys.stderr, flush=True)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def table(path: Path, data: Path | None = None) -> str:
    """Return the results as tables in Markdown.

    Args:
        path: of the results.
        data: for BLiMP's published figures.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    parts = [
        _by_layer(lines, "scws", "spearman", "SCWS, Spearman's correlation x 100"),
        _by_layer(lines, "wic", "test", "MCL-WiC, accuracy on test"),
        _by_layer(lines, "senses", "nearest", "CoarseWSD-20, nearest occurrence"),
        _by_layer(lines, "senses", "mean", "CoarseWSD-20, nearest mean of a sense"),
        _of_blimp([line for line in lines if line["set"] == "blimp"], data),
        "\n".join(
            f"- {line['model']}, {line['set']}: {line['missing']}"
            for line in lines
            if "missing" in line
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _by_layer(lines: list[dict[str, Any]], name: str, figure: str, title: str) -> str:
    found = [line for line in lines if line["set"] == name and figure in line]
    if not found:
        return ""
    width = max([len(line["layers"]) for line in found if line["layers"] != list(STATIC)] or [1])
    rows = [f"| {title} | {' | '.join(map(str, range(width)))} |", "|---" * (width + 1) + "|"]
    for line in found:
        if "most_frequent" in line and line is found[0]:
            rows.append(_row("always the most frequent", [line["most_frequent"]], width))
        if line["layers"] == list(STATIC):
            for kind, value in zip(STATIC, line[figure], strict=True):
                rows.append(_row(f"{line['model']}, {kind}", [value], width))
        else:
            rows.append(_row(line["model"], line[figure], width))
    return "\n".join(rows)


def _row(name: str, values: list[float], width: int) -> str:
    cells = [f"{100 * value:.1f}" for value in values] + [""] * (width - len(values))
    return f"| {name} | {' | '.join(cells)} |"


def _of_blimp(lines: list[dict[str, Any]], data: Path | None) -> str:
    found = [line for line in lines if "types" in line]
    if not found:
        return ""
    published = {}
    if data is not None:
        read = find(data / "blimp", "published-results.jsonl").read_text(encoding="utf-8")
        published = {row["UID"]: row for row in map(json.loads, read.splitlines())}
    others = list(PUBLISHED.values()) if published else []
    names = [line["model"] for line in found] + others
    rows = [f"| BLiMP, accuracy | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    sums = []
    for kind in found[0]["types"]:
        own = [line["types"][kind]["accuracy"] for line in found]
        own += [published[kind][key] for key in PUBLISHED] if published else []
        sums.append(own)
        rows.append(_row(kind.replace("_", " "), own, len(names)))
    rows.append(_row("mean", np.mean(sums, axis=0).tolist(), len(names)))
    return "\n".join(rows)


def main() -> None:
    """Read the command line; measure, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="models, with a name for the table before a =")
    parser.add_argument(
        "--data", type=Path, help="the folder of scws, mcl-wic, coarsewsd-20, blimp"
    )
    parser.add_argument("--out", default="meaning.jsonl")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--within-word-l2r", action="store_true", help="of masked language models")
    parser.add_argument("--table", type=Path, help="file of results to print")
    options = parser.parse_args()
    if not options.table and options.data is None:
        parser.error("--data is needed to measure")
    print(table(options.table, options.data)) if options.table else run(options)


if __name__ == "__main__":
    main()
