"""The feed-forward encoder: the paper's sums, at starts of sequences too; how far it sees."""

import numpy as np
import pytest
import torch

from gloze.core.errors import ConfigError
from gloze.encoders.feed_forward import FeedForwardConfig
from tests.small import batch_of

VOCAB, SEQUENCES = 90, ([5, 6, 7, 8, 9, 10, 11], [12], [13, 14], [15, 16, 17, 18])


def encoder(**changes):
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "context_size": 3, "hidden_size": 4, "initializer_range": 0.5}
    model = FeedForwardConfig(**{**sizes, **changes}).build(VOCAB).eval()
    torch.nn.init.normal_(model.hidden.bias)
    return model


def reference(model, sequences):
    """States by the paper's formula in NumPy, one position after the other."""
    config = model.config
    table, weight, bias = (
        x.detach().double().numpy()
        for x in (model.embeddings.weight, model.hidden.weight, model.hidden.bias)
    )
    states = []
    for sequence in sequences:
        for place in range(len(sequence)):
            seen = np.zeros((config.context_size, config.embedding_size))
            for back in range(config.context_size):
                if back <= place:
                    seen[back] = table[sequence[place - back]]
            hidden = np.tanh(bias + weight @ seen.ravel())
            states.append(np.r_[hidden, seen.ravel()] if config.direct_connections else hidden)
    return np.array(states)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("context", [1, 2, 3, 12])
def test_states_are_those_of_the_formula_position_by_position(direct, context):
    model = encoder(direct_connections=direct, context_size=context)
    vectors, states = model(batch_of(*SEQUENCES))
    assert states.shape == (14, model.output_size)
    assert model.output_size == 4 + direct * context * 6
    np.testing.assert_allclose(states.detach(), reference(model, SEQUENCES), atol=1e-6)
    ids = torch.tensor([token for sequence in SEQUENCES for token in sequence])
    assert torch.equal(vectors, model.embeddings.weight[ids])


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("context", [1, 3])
def test_a_token_has_a_say_in_its_own_state_and_in_those_just_after_it_alone(direct, context):
    model = encoder(direct_connections=direct, context_size=context)
    for at in range(8):
        before = [[5, 6, 7, 8, 9, 10], [11, 12]]
        after = [[*each] for each in before]
        after[at // 6][at % 6] = 50
        change = model(batch_of(*before))[-1] - model(batch_of(*after))[-1]
        moved = set(torch.nonzero(change.abs().amax(-1) > 1e-6).flatten().tolist())
        end = 6 if at < 6 else 8
        assert moved == set(range(at, min(at + context, end)))


def test_gradients_are_those_of_the_formula():
    model = encoder(direct_connections=True).double()
    batch = batch_of([5, 6, 7], [6, 8])
    weights = [model.embeddings.weight, model.hidden.weight, model.hidden.bias]

    def states(*values):
        for weight, value in zip(weights, values, strict=True):
            weight.data = value
        return reference(model, ([5, 6, 7], [6, 8])).sum()

    found = torch.autograd.grad(model(batch)[-1].sum(), weights)
    draw = np.random.default_rng(0)
    originals = [weight.detach().clone() for weight in weights]
    for number, weight in enumerate(originals):
        direction = torch.from_numpy(draw.normal(size=weight.shape))
        sides = []
        for step in (1e-5, -1e-5):
            moved = [*originals]
            moved[number] = weight + step * direction
            sides.append(states(*moved))
        slope = (sides[0] - sides[1]) / 2e-5
        assert (found[number] * direction).sum().item() == pytest.approx(slope, rel=1e-6)


def test_dropout_is_for_training_alone():
    model, batch = encoder(hidden_dropout_prob=0.5), batch_of(*SEQUENCES)
    assert torch.equal(model(batch)[-1], model(batch)[-1])
    model.train()
    assert (model(batch)[-1] == 0).float().mean() > 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context_size": 0}, r"encoder\.context_size is 0; it must be from 1 to 1024"),
        ({"embedding_size": 0}, r"encoder\.embedding_size is 0"),
        ({"hidden_size": -1}, r"encoder\.hidden_size is -1"),
        ({"initializer_range": 0.0}, r"encoder\.initializer_range is 0.0; it must be over 0"),
        ({"hidden_dropout_prob": 1.0}, r"encoder\.hidden_dropout_prob is 1.0"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        FeedForwardConfig(**change)
