"""Operations of a training step: by formulas worked by hand, and as PyTorch counts them."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gloze.config.build import build_learner, training_stream
from gloze.config.flops import Load, encoder_flops, flops_per_token, parameters_of, training_flops
from gloze.core.batch import Step
from gloze.recipes import load_recipe
from tests import small

# Tokens and labels that no kernel rounds up.
SEQUENCES, LENGTH = 8, 32
TINY_NNLM = ["encoder.embedding_size=16", "encoder.context_size=3", "encoder.hidden_size=24"]


def batch_with(**labels):
    """Return a batch of equal lengths that asks each objective something, as a step."""
    draw = np.random.default_rng(0)
    sequences = [draw.integers(5, 80, LENGTH).tolist() for _ in range(SEQUENCES)]
    batch = small.batch_of(*sequences)
    for name, places in labels.items():
        count = SEQUENCES if places is None else len(places)
        batch.labels[name] = torch.from_numpy(draw.integers(0, 2, count))
        if places is not None:
            batch.label_positions[name] = torch.tensor(places)
    counts = {name: len(x) for name, x in batch.labels.items()}
    return Step(0, 0, [batch], counts, SEQUENCES * LENGTH)


def counted(learner, step):
    """Return what PyTorch counts of the products of a step, forward and backward."""
    learner.train()
    # PyTorch passes over products that are added in place.
    in_place = {torch.ops.aten.addmm_: lambda _, a, b, **__: 2 * a[0] * a[1] * b[1]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        marks = learner(step.micro_batches[0])
        sum(mark.loss for mark in marks.values()).backward()
    return counter.get_total_flops()


def bert(*changes):
    dropout = ["encoder.hidden_dropout_prob=0.0", "encoder.attention_probs_dropout_prob=0.0"]
    return small.recipe(*dropout, *changes)


def test_masked_words_and_next_sentences_are_counted_as_pytorch_counts_them():
    _, learner = build_learner(bert(), small.tokenizer())
    step = batch_with(mlm=range(0, SEQUENCES * LENGTH, 4), nsp=None)
    assert training_flops(learner, Load.of_steps([step])) == counted(learner, step)


def test_a_feed_forward_language_model_is_counted_as_pytorch_counts_it():
    config = load_recipe("nnlm", TINY_NNLM)
    _, learner = build_learner(config, small.tokenizer())
    step = batch_with(lm=range(0, SEQUENCES * LENGTH, 4))
    assert training_flops(learner, Load.of_steps([step])) == counted(learner, step)


LSTM = ["encoder.embedding_size=16", "encoder.hidden_size=32", "sampler.order=shuffled"]


def test_the_formula_of_lstms_that_read_both_ways():
    """By hand alone: PyTorch does not see products with weights that are laid out beforehand."""
    config = load_recipe("lstm-lm", [*LSTM, "encoder.direction=two_way"])
    _, learner = build_learner(config, small.tokenizer())
    load = Load(tokens=100, pairs=0, labels={"lm": 40, "lm_backward": 30})
    assert set(load.labels) == set(learner.heads)
    weights = 2 * (4 * 32 * (16 + 32) + 4 * 32 * (32 + 32))
    scores = 32 * small.tokenizer().vocab_size
    assert training_flops(learner, load) == 6 * (100 * weights + (40 + 30) * scores)


def test_the_formula_of_a_transformer():
    hidden, inner, layers, vocab = 32, 64, 2, small.tokenizer().vocab_size
    _, learner = build_learner(bert(), small.tokenizer())
    load = Load(tokens=1000, pairs=16_000, labels={"mlm": 150, "nsp": 40})
    weights = layers * (4 * hidden**2 + 2 * hidden * inner)
    encoder = 6 * 1000 * weights + 12 * layers * hidden * 16_000
    assert encoder_flops(learner.encoder, load) == encoder
    heads = 6 * 150 * (hidden**2 + hidden * vocab) + 6 * 40 * (hidden**2 + 2 * hidden)
    assert training_flops(learner, load) == encoder + heads


def test_pairs_are_of_positions_that_see_each_other():
    lengths = np.array([3, 5])
    assert Load.of_lengths(lengths) == Load(8, 9 + 25)
    assert Load.of_lengths(lengths, "left_to_right") == Load(8, 6 + 15)


def test_a_token_costs_what_the_steps_of_its_recipe_cost(tmp_path):
    shards, config = small.train_shards(tmp_path), bert()
    objectives, learner = build_learner(config, small.tokenizer(), shards)
    sampler = config.sampler.build(shards, small.tokenizer(), config.seed)
    steps = list(training_stream(sampler, objectives, config).read_epoch())
    load = Load.of_steps(steps)
    assert load.tokens == sum(step.num_tokens for step in steps)
    expected = training_flops(learner, load) / load.tokens
    assert flops_per_token(config, shards, small.tokenizer()) == pytest.approx(expected)
    count = sum(weight.numel() for weight in learner.parameters())
    assert parameters_of(config, small.tokenizer(), shards) == count


def test_phases_count_by_their_share_of_the_budget(tmp_path):
    shards = small.train_shards(tmp_path)
    long, short = bert(), bert("sampler.max_length=16")
    both = bert("sampler.max_length=16", "phases=[{start=0.75, max_length=32}]")
    each = [flops_per_token(x, shards, small.tokenizer()) for x in (short, long, both)]
    assert each[0] < each[1]
    assert each[2] == pytest.approx(0.75 * each[0] + 0.25 * each[1])
