"""Examples dealt out for cross-validation."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.tasks.folds import deal


@given(st.lists(st.sampled_from("abc"), min_size=7, max_size=60), st.integers(2, 7))
def test_every_fold_has_its_share_of_examples_and_of_each_label(labels, folds):
    fold = deal(labels, folds, seed=0)
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels):
        counts = Counter(int(at) for at, other in zip(fold, labels, strict=True) if other == label)
        assert max(counts.values()) - min(counts.get(each, 0) for each in range(folds)) <= 1


def test_folds_follow_from_the_seed_and_not_from_the_order_of_the_file():
    labels = list("ab" * 20)
    assert deal(labels, 4, seed=0).tolist() == deal(labels, 4, seed=0).tolist()
    assert deal(labels, 4, seed=0).tolist() != deal(labels, 4, seed=1).tolist()
    assert deal([None] * 8, 2, seed=0).tolist() != [0, 1] * 4


def test_too_few_examples_are_refused_and_rare_labels_are_said(capsys):
    with pytest.raises(ConfigError, match="--folds 5: there are 3 examples to deal out"):
        deal(["a", "b", "c"], 5, seed=0)
    deal(["a"] * 20 + ["rare"] * 2, 5, seed=0)
    assert (
        "1 of 2 labels have fewer examples than there are folds, 'rare'" in capsys.readouterr().err
    )
