"""What ``--search`` stands for."""

import pytest

from gloze.core.errors import ConfigError
from gloze.recipes.search import read_space


def test_the_grid_of_a_large_encoder_is_that_of_the_paper():
    """Devlin et al. 2019, A.3: 2 batch sizes, 3 rates, 3 numbers of epochs."""
    grid = read_space("grid", "full", 768).grid()
    assert len(grid) == 18
    changes = ("training.batch_size=16", "training.learning_rate=5e-5", "training.epochs=2")
    assert grid[0] == changes


def test_small_encoders_have_the_grid_of_their_own_paper():
    """Turc et al. 2019: 5 batch sizes, 4 rates, 4 epochs."""
    space = read_space("grid", "none", 384)
    assert len(space.grid()) == 20
    assert space.choices["training.epochs"] == ("4",)


def test_settings_are_named_with_their_values():
    space = read_space("readout.layers=[-1],[-2,-1] training.epochs=2,3", "mix", 8)
    assert space.choices == {
        "readout.layers": ("[-1]", "[-2,-1]"),
        "training.epochs": ("2", "3"),
    }
    assert space.method == "grid"
    weights = read_space("task.class_weights={a = 1.0, b = 2.0},'none' training.steps=2", "mix", 8)
    assert weights.choices["task.class_weights"] == ("{a = 1.0, b = 2.0}", "'none'")
    assert read_space("grid task.dropout=0.1", "mix", 8).grid() == [("task.dropout=0.1",)]


def test_optuna_draws_rates_between_those_of_the_grid_unless_told_otherwise():
    space = read_space("optuna", "full", 768)
    assert space.ranges == {"training.learning_rate": (2e-5, 5e-5)}
    assert space.choices["training.batch_size"] == ("16", "32")
    space = read_space("optuna training.learning_rate=1e-5..1e-3 training.epochs=1,2", "mix", 8)
    assert space.ranges == {"training.learning_rate": (1e-5, 1e-3)}
    assert space.choices == {"training.epochs": ("1", "2")}


def test_between_whole_numbers_lie_whole_numbers():
    space = read_space("optuna training.batch_size=8..64 task.dropout=0.1..0.5", "full", 256)
    assert space.ranges == {"training.batch_size": (8, 64), "task.dropout": (0.1, 0.5)}
    assert isinstance(space.ranges["training.batch_size"][0], int)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid", "the published grid is for --transfer full. Name what to try"),
        (" ", "--search is empty"),
        ("transfer=full,frozen", "the settings that suit one way do not suit another"),
        ("gird training.epochs=1", "'gird': expected path=value,value, each path once"),
        ("training.epochs", "expected path=value,value"),
        ("training.epochs=", "expected path=value,value"),
        ("training.epochs=1 training.epochs=2", "'training.epochs=2': expected .*each path once"),
        ("training.learning_rate=1e-5..1e-4", "a grid has no ranges. Write --search 'optuna train"),
        ("optuna training.learning_rate=0..1", "expected lowest..highest, both finite and over 0"),
        ("optuna training.learning_rate=1e-5..inf", "expected lowest..highest, both finite and"),
        ("optuna training.batch_size=8..1" + "0" * 400, "expected lowest..highest, both finite"),
        ("optuna training.learning_rate=nan..1", "expected lowest..highest, both finite and"),
        ("task.positive_label=a,b", "trials are compared by it"),
        ("task.judged=raw,clean", "trials are compared by it"),
        ("task.scoring=squad,cmrc", "trials are compared by it"),
        ("task.cutoffs=[1],[5]", "trials are compared by it"),
        ("optuna training.learning_rate=a..b", "expected lowest..highest, both finite and over 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        read_space(text, "frozen", 768)
