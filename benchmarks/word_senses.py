"""Do vectors of words in their sentences tell the senses apart? Nearest neighbours on CoarseWSD-20.

For each test occurrence of one of twenty ambiguous nouns the nearest training occurrences of the
same noun vote on its sense (Loureiro et al. 2021), by the cosine of one layer's vectors. Beside
it the accuracy of always saying the sense that is most frequent in training.

    python -m benchmarks.word_senses MODEL --data ../shared/data/coarsewsd-20 -o senses.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from gloze import load
from gloze.core.manifest import sha256
from gloze.inference.features import FeatureConfig, iterate_features
from gloze.probes.search import cosines, unit_length
from gloze.tasks.lines import read_lines

SPLITS = ("train", "test")


def read_split(folder: Path, split: str) -> tuple[list[list[str]], list[int], np.ndarray]:
    """Return the sentences as words, the place of the noun in each, and its sense."""
    [data] = folder.glob(f"{split}.data.txt*")
    [gold] = folder.glob(f"{split}.gold.txt*")
    rows = [line.split("\t", 1) for _, line in read_lines(data)]
    senses = np.array([int(line) for _, line in read_lines(gold)])
    return [text.split(" ") for _, text in rows], [int(place) for place, _ in rows], senses


def vectors_of(model, sentences, places, layers: int) -> np.ndarray:
    """Return the noun's vectors, [layers, sentences, size], the mean of its pieces."""
    config = FeatureConfig(layers=tuple(range(layers)), words=True, pieces="mean")
    found = iterate_features(model, sentences, config)
    return np.stack(
        [each.vectors[:, place] for each, place in zip(found, places, strict=True)], axis=1
    )


def vote(train: np.ndarray, senses: np.ndarray, test: np.ndarray, neighbors: int) -> np.ndarray:
    """Return the sense that most of the nearest have; of equals the one of the nearest."""
    known = unit_length(train)
    answers = []
    for vector in unit_length(test):
        nearest = senses[np.argsort(-cosines(known, vector), kind="stable")[:neighbors]]
        counts = np.bincount(nearest)
        best = np.flatnonzero(counts == counts.max())
        answers.append(next(sense for sense in nearest if sense in best))
    return np.array(answers)


def main() -> None:
    """Measure every word and layer, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--neighbors", type=int, default=10)
    options = parser.parse_args()
    model = load(options.model)
    layers = model.encoder.config.num_hidden_layers + 1
    words = {}
    for folder in sorted(path for path in options.data.iterdir() if path.is_dir()):
        given = {split: read_split(folder, split) for split in SPLITS}
        found = {
            split: vectors_of(model, sentences, places, layers)
            for split, (sentences, places, _) in given.items()
        }
        known, gold = given["train"][2], given["test"][2]
        words[folder.name] = {
            "test": len(gold),
            "most_frequent": float((gold == np.bincount(known).argmax()).mean()),
            "layers": [
                float((vote(a, known, b, options.neighbors) == gold).mean())
                for a, b in zip(found["train"], found["test"], strict=True)
            ],
        }
        print(folder.name, json.dumps(words[folder.name]), flush=True)
    mean = {
        "most_frequent": float(np.mean([word["most_frequent"] for word in words.values()])),
        "layers": np.mean([word["layers"] for word in words.values()], axis=0).tolist(),
    }
    weights = sha256(options.model / "model.safetensors")
    figures = {"model": weights, "neighbors": options.neighbors, "mean": mean, "words": words}
    options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(mean))


if __name__ == "__main__":
    main()
