"""The recurrence: PyTorch's LSTM number for number, its gradients, what is clipped."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from gloze.nn.lstm import Reading
from gloze.nn.lstm_stack import LSTMSizes, LSTMStack, drop_alike
from gloze.nn.recurrence import recur
from tests.small import batch_of

LENGTHS = [7, 5, 5, 2]


def given(projection):
    torch.manual_seed(0)
    theirs = nn.LSTM(6, 8, proj_size=projection).double()
    packed = pack_padded_sequence(torch.randn(7, 4, 6).double(), torch.tensor(LENGTHS))
    start = torch.randn(4, projection or 8).double(), torch.randn(4, 8).double()
    return theirs, packed.data, packed.batch_sizes, start


@pytest.mark.parametrize("projection", [0, 5])
def test_states_and_all_gradients_are_those_of_pytorch(projection):
    theirs, x, sizes, start = given(projection)
    leaves = [each.requires_grad_() for each in (x, *start)]
    output, last = theirs(PackedSequence(x, sizes), tuple(each[None] for each in start))
    expected = [output.data, *(each[0] for each in last)]
    inputs = x @ theirs.weight_ih_l0.t() + theirs.bias_ih_l0 + theirs.bias_hh_l0
    down = theirs.weight_hr_l0 if projection else None
    found = recur(inputs, sizes.tolist(), start, theirs.weight_hh_l0, down)
    # Every output has its own say, so that no gradient goes missing.
    weights = [torch.randn_like(each) for each in expected]
    gradients = [
        torch.autograd.grad(
            sum((w * each).sum() for w, each in zip(weights, some, strict=True)),
            [*leaves, *theirs.parameters()],
        )
        for some in (found, expected)
    ]
    for one, other in zip([*found, *gradients[0]], [*expected, *gradients[1]], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("projection", [0, 5])
def test_what_is_over_the_limit_is_set_to_it_and_gives_no_gradient(projection):
    theirs, x, sizes, start = given(projection)
    inputs = (x @ theirs.weight_ih_l0.t()).detach().requires_grad_()
    down = [theirs.weight_hr_l0] if projection else []

    def clipped(inputs, recurrent, state, cells, *down):
        return recur(
            inputs, sizes.tolist(), (state, cells), recurrent, *down, cell_clip=0.3, state_clip=0.15
        )

    arguments = [inputs, theirs.weight_hh_l0, *(each.requires_grad_() for each in start), *down]
    outputs, _, cells = clipped(*arguments)
    assert outputs.abs().max() == 0.15
    assert cells.abs().max() == 0.3
    assert torch.autograd.gradcheck(clipped, arguments)


def test_half_precision_follows_float32():
    theirs, x, sizes, start = given(0)
    inputs = (x @ theirs.weight_ih_l0.t()).float()
    start = tuple(each.float() for each in start)
    whole = recur(inputs, sizes.tolist(), start, theirs.weight_hh_l0.float())
    half = recur(inputs.bfloat16(), sizes.tolist(), start, theirs.weight_hh_l0.bfloat16())
    assert half[0].dtype == torch.bfloat16
    # Cells add up over many steps and stay wide.
    assert half[2].dtype == torch.float32
    for one, other in zip(whole, half, strict=True):
        torch.testing.assert_close(one, other.float(), rtol=0.05, atol=0.02)


def test_a_batch_is_read_step_after_step_from_either_end():
    batch = batch_of([1, 2], [3, 4, 5], [6])
    left, right = (Reading.of(batch, way) for way in ("left_to_right", "right_to_left"))
    assert batch.input_ids[left.order].tolist() == [3, 1, 6, 4, 2, 5]
    assert batch.input_ids[right.order].tolist() == [5, 2, 6, 4, 1, 3]
    for reading in (left, right):
        assert reading.sizes == [3, 2, 1]
        assert reading.sequences.tolist() == [1, 0, 2]
        assert reading.rows.tolist() == [0, 1, 2, 0, 1, 0]


def test_a_residual_layer_adds_to_what_it_reads():
    torch.manual_seed(0)
    sizes = [LSTMSizes(input_size=4, cell_size=6, size=4, has_projection=True)] * 2
    plain, residual = LSTMStack(sizes), LSTMStack(sizes, residual=True)
    residual.load_state_dict(plain.state_dict())
    batch, x = batch_of([1, 2], [3, 4, 5]), torch.randn(5, 4)
    start = torch.zeros(2, plain.carried_size)
    reading = Reading.of(batch)
    (low, high), ends = plain(x, reading, start)
    (same, more), residual_ends = residual(x, reading, start)
    torch.testing.assert_close(same, low)
    torch.testing.assert_close(more, low + high)
    # What goes on to the next step is the state before anything is added.
    torch.testing.assert_close(residual_ends, ends)


def test_dropout_is_alike_at_all_rows_of_a_group():
    torch.manual_seed(0)
    dropped = drop_alike(torch.ones(600, 50), torch.arange(600) % 3, 3, 0.4)
    assert torch.equal(dropped[:3].repeat(200, 1), dropped)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert 0.2 < (dropped[:3] == 0).float().mean() < 0.6
