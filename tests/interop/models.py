"""Small models whose every weight counts, and their outputs, for tests of layouts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import torch

from gloze.checkpoint import load_parts, save_model
from gloze.config.build import build_learner
from gloze.inference.batches import batches
from tests.small import recipe, tokenizer

PAIRS = [([2, 5, 6, 3, 7, 8, 3], [0, 0, 0, 0, 1, 1, 1]), ([2, 9, 10, 11, 3], [0, 0, 0, 0, 0])]


def learner_with_large_weights(*changes):
    """Random weights spread enough that a wrong wire would show."""
    torch.manual_seed(0)
    _, learner = build_learner(recipe("encoder.initializer_range=0.2", *changes), tokenizer())
    for parameter in learner.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return learner.eval()


def save_large(folder, *changes):
    """Save such a model; return the folder."""
    save_model(folder, learner_with_large_weights(*changes), tokenizer(), card="# A card\n")
    return folder


def batch_of_pair(ids, types):
    [(_, batch)] = batches([np.array(ids)], [np.array(types)])
    return batch


def same_tensors(one, other):
    """Whether two folders hold the same weights, bit for bit."""
    a, b = load_parts(one).tensors, load_parts(other).tensors
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def copy_with(folder, copy, file, **changes):
    """Copy a folder without its manifest, with some entries of a JSON file changed."""
    shutil.copytree(folder, copy)
    (copy / "manifest.json").unlink(missing_ok=True)
    values = json.loads((copy / file).read_text())
    values = {k: v for k, v in {**values, **changes}.items() if v is not None}
    (copy / file).write_text(json.dumps(values))
    return copy
