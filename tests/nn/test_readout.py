"""What a head reads: the layers asked for, put together as asked, and a BiLSTM over them."""

import pytest
import torch

from gloze.config.toml import from_dict, override, to_dict
from gloze.core.errors import ConfigError
from gloze.nn.lstm import BiLSTM, by_steps
from gloze.nn.readout import Readout, ReadoutConfig
from gloze.nn.scalar_mix import ScalarMix
from tests.small import batch_of

LENGTHS = ([3, 7, 1, 7], [5], [2, 2, 2], [1, 30, 4])


def batch_with(lengths):
    return batch_of(*[[5] * length for length in lengths])


def states(tokens=4, size=6, count=5):
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(tokens, size, generator=draw) for _ in range(count)]


def read(hidden_states, **settings):
    readout = Readout([hidden_states[0].shape[1]] * len(hidden_states), ReadoutConfig(**settings))
    features = readout(hidden_states, batch_with([len(hidden_states[0])]))
    assert features.shape == (len(hidden_states[0]), readout.output_size)
    return features


def test_a_plain_readout_is_the_last_layer_itself_and_has_no_weights():
    found = states()
    readout = Readout([6] * 5, ReadoutConfig())
    assert ReadoutConfig().is_plain
    assert readout(found, batch_with([4])) is found[-1]
    assert readout.state_dict() == {}


def test_layers_are_put_together_as_in_the_feature_table_of_the_paper():
    found = states()
    last_four = {"layers": (-4, -3, -2, -1)}
    assert torch.equal(read(found, layers=(-2,)), found[3])
    assert torch.equal(read(found, **last_four), torch.cat(found[1:], -1))
    exact = sum(x.double() for x in found[1:])
    assert torch.allclose(read(found, **last_four, combine="sum").double(), exact)
    assert torch.allclose(read(found, **last_four, combine="mean").double(), exact / 4)
    assert torch.allclose(read(found, layers="all", combine="mix"), sum(found) / 5, atol=1e-6)


def test_a_mix_is_gamma_times_the_softmax_weighted_sum():
    found = states(count=3)
    mix = ScalarMix(3)
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([1.0, 2.0, 5.0]).log())
        mix.gamma.fill_(3.0)
    assert torch.allclose(mix.shares, torch.tensor([1 / 8, 2 / 8, 5 / 8]))
    exact = 3 * (found[0] / 8 + found[1] / 4 + found[2] * 5 / 8)
    assert torch.allclose(mix(found), exact, atol=1e-6)
    assert mix([x.bfloat16() for x in found]).dtype == torch.bfloat16


def test_a_normed_mix_does_not_see_how_large_a_layer_is():
    found = states(count=2)
    mix = ScalarMix(2, norm=True)
    mixed = mix(found)
    assert torch.allclose(mixed, mix([100 * found[0] + 7, found[1]]), atol=1e-4)
    assert torch.allclose(
        mix([found[0], found[0]]).var(-1, unbiased=False), torch.ones(4), atol=1e-4
    )


def test_a_mix_learns_which_layer_counts():
    found = states(tokens=64, count=3)
    mix = ScalarMix(3)
    optimizer = torch.optim.Adam(mix.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (mix(found) - 2 * found[1]).square().mean().backward()
        optimizer.step()
    assert mix.shares[1] > 0.97
    assert mix.gamma.item() == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_bilstm_gives_each_sequence_what_it_gives_it_alone(lengths):
    torch.manual_seed(0)
    batch = batch_with(lengths)
    net = BiLSTM(input_size=6, size=4, num_layers=2, dropout=0.5).eval()
    x = torch.randn(batch.num_tokens, 6)
    together = net(x, batch)
    pieces = x.split(lengths)
    for piece, found in zip(pieces, together.split(lengths), strict=True):
        alone = piece
        for layer in net.layers:
            alone = layer.cells(alone)[0]
        assert torch.allclose(found, alone, atol=1e-6)


def test_a_bilstm_sees_both_sides_and_no_other_sequence():
    torch.manual_seed(0)
    batch = batch_with([4, 3])
    net = BiLSTM(input_size=6, size=4, num_layers=2, dropout=0.0)
    x = torch.randn(7, 6, requires_grad=True)
    net(x, batch)[1].sum().backward()
    assert x.grad.abs().sum(-1).gt(0).tolist() == [True] * 4 + [False] * 3


def test_tokens_are_read_step_by_step_without_padding():
    order, sizes = by_steps(batch_with([2, 3, 1]))
    assert order.tolist() == [2, 0, 5, 3, 1, 4]
    assert sizes.tolist() == [3, 2, 1]


def test_a_bilstm_computes_in_float32_whatever_the_products_are():
    torch.manual_seed(0)
    batch, x = batch_with([4, 3]), torch.randn(7, 6)
    net = BiLSTM(input_size=6, size=4, num_layers=1, dropout=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(x.bfloat16(), batch)
    assert torch.equal(found, net(x.bfloat16().float(), batch))


def test_dropout_of_a_bilstm_follows_from_the_seed():
    batch, x = batch_with([4, 3]), torch.randn(7, 6)
    readout = Readout([6] * 5, ReadoutConfig(lstm_layers=2, lstm_size=4, lstm_dropout=0.5))
    torch.manual_seed(1)
    first = readout([x] * 5, batch)
    torch.manual_seed(1)
    assert torch.equal(first, readout([x] * 5, batch))
    assert not torch.equal(first, readout([x] * 5, batch))
    assert first.shape == (7, readout.output_size) == (7, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ()}, r"readout.layers is empty; name at least one, like \[-1\]"),
        ({"mix_norm": True}, "readout.mix_norm does nothing here: set readout.combine=mix"),
        ({"lstm_layers": -1}, "readout.lstm_layers is -1; it must not be negative"),
        ({"lstm_size": 0}, "readout.lstm_size is 0; it must be at least 1"),
        ({"lstm_size": 10}, "readout.lstm_size does nothing here: set readout.lstm_layers"),
        ({"lstm_dropout": 0.5}, "readout.lstm_dropout does nothing here"),
        ({"lstm_dropout": 1.0}, "readout.lstm_dropout is 1.0; it must be at least 0 and under 1"),
    ],
)
def test_impossible_readouts_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ReadoutConfig(**settings)


def test_layers_the_encoder_has_not_are_refused():
    with pytest.raises(ConfigError, match=r"names 5; the model has hidden states 0 .* to 4, or -5"):
        Readout([6] * 5, ReadoutConfig(layers=(5,)))
    with pytest.raises(ConfigError, match=r"readout.layers \[-1, 4\] names a layer twice"):
        Readout([6] * 5, ReadoutConfig(layers=(-1, 4)))


@pytest.mark.parametrize("layers", ["[-2, -1]", "all"])
def test_layers_are_set_as_a_list_or_by_one_word(layers):
    values = override(to_dict(ReadoutConfig()), [f"layers={layers}"])
    config = from_dict(ReadoutConfig, values)
    assert config.layers == ("all" if layers == "all" else (-2, -1))
    assert from_dict(ReadoutConfig, to_dict(config)) == config
