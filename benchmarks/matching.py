"""What tells whether two sentences say the same: common tokens, and heads that look for them.

For a task of sentence pairs: the accuracy on dev of a logistic regression on how many tokens the
two have in common; and for every head of a model the attention that a token gives to the same
token in the other sentence, mean over the tokens that are there (the commonest 200 apart).

    python -m benchmarks.matching MODEL mrpc train.tsv.gz dev.tsv
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gloze.checkpoint import load_parts
from gloze.data.collate import collate
from gloze.tasks.encoding import encode_examples
from gloze.tasks.examples import read_examples
from gloze.tasks.formats import find_format

if TYPE_CHECKING:
    from gloze.checkpoint import Parts
    from gloze.tasks.examples import Example

EXAMPLES, COMMONEST = 60, 200


def features(examples: list[Example], parts: Parts) -> np.ndarray:
    """Return the shares of common tokens and the lengths, [examples, 5]."""
    rows = []
    for example in examples:
        one, other = (
            parts.tokenizer.encode_with_specials(text) for text in (example.text_a, example.text_b)
        )
        first, second = set(one.tolist()), set(other.tolist())
        common = len(first & second)
        shares = [common / len(x) for x in (first, second, first | second)]
        rows.append([*shares, np.log(len(one)), np.log(len(other))])
    return np.array(rows)


@torch.no_grad()
def matching(examples: list[Example], parts: Parts) -> np.ndarray:
    """Return each head's attention to the same token in the other sentence, [layers, heads]."""
    encoder, heads = parts.encoder.eval(), parts.encoder.config.num_attention_heads
    encoded = encode_examples(
        "pairs", examples, parts.tokenizer, max_length=128, labels=np.zeros(len(examples), int)
    )
    found = []
    for number in range(len(examples)):
        batch = collate(encoded.samples(0, np.array([number])))
        ids, kinds = batch.input_ids, batch.token_type_ids
        same = (ids[:, None] == ids) & (kinds[:, None] != kinds)
        same &= (ids >= COMMONEST + len(parts.tokenizer.special_ids))[:, None]
        there = same.any(1)
        if not there.any():
            continue
        layers = []
        for layer, hidden in zip(encoder.layers, encoder(batch), strict=False):
            joined = layer.attention.query_key_value(hidden).unflatten(-1, (3, heads, -1))
            query, key, _ = joined.unbind(-3)
            scores = torch.einsum("qhd,khd->hqk", query, key) / query.shape[-1] ** 0.5
            layers.append((scores.softmax(-1) * same).sum(-1)[:, there].mean(-1))
        found.append(torch.stack(layers))
    return torch.stack(found).mean(0).numpy()


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a model folder; its tokenizer counts the tokens")
    parser.add_argument("format", help="of the files, like mrpc")
    parser.add_argument("train", type=Path)
    parser.add_argument("dev", type=Path)
    options = parser.parse_args()
    parts = load_parts(options.model)
    layout = find_format(options.format)
    train, dev = (read_examples(path, layout) for path in (options.train, options.dev))
    judge = make_pipeline(StandardScaler(), LogisticRegression())
    judge.fit(features(train, parts), [example.label for example in train])
    accuracy = judge.score(features(dev, parts), [example.label for example in dev])
    print(f"logistic regression on common tokens, dev: {accuracy:.4f}")
    print("attention to the same token in the other sentence, a line for each layer:")
    for layer in matching(dev[:EXAMPLES], parts):
        print("  " + "  ".join(f"{share:.3f}" for share in layer))


if __name__ == "__main__":
    main()
