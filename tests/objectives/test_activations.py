"""The penalties on states: worked out by hand, within sequences, and only beside a question."""

import pytest
import torch

from gloze.core.errors import ConfigError
from gloze.data.collate import collate
from gloze.objectives.activations import Activations, ActivationsConfig, ask_everywhere
from gloze.recipes import load_recipe
from tests.objectives.test_mlm import samples


def test_the_penalty_is_that_of_the_formula_and_knows_no_change_between_sequences():
    batch = collate(ask_everywhere(samples([2, 1])))
    states = torch.tensor([[1.0, 3.0], [2.0, 1.0], [10.0, 0.0]])
    size = (1 + 9) / 2 + (4 + 1) / 2 + 100 / 2
    change = (1 + 4) / 2
    mark = Activations(ActivationsConfig(size=2.0, change=3.0))([states], batch)
    assert mark.loss.item() == pytest.approx(2 * size + 3 * change)
    assert mark.correct == 0
    assert len(batch.labels["activations"]) == 3


def test_the_gradient_goes_to_the_states():
    batch = collate(ask_everywhere(samples([3, 2])))
    states = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    head = Activations(ActivationsConfig())
    torch.autograd.gradcheck(lambda x: head([x.float()], batch).loss, states, eps=1e-3, atol=1e-2)


def test_penalties_that_say_nothing_are_refused():
    with pytest.raises(ConfigError, match="must not be negative, and one of them over 0"):
        ActivationsConfig(size=0.0, change=0.0)
    with pytest.raises(ConfigError, match=r"No objective: add objectives\.mlm"):
        load_recipe("awd-lstm", ["objectives.lm=none"])
