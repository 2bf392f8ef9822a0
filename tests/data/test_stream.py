"""Steps: every sample once an epoch, in a shuffled order that nothing but the seed decides."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.config.build import build_learner, training_stream
from gloze.core.batch import Samples
from gloze.core.contracts import Objective
from gloze.core.errors import ConfigError, DataError
from gloze.core.ranks import Ranks
from gloze.core.rng import shuffled
from gloze.data.stream import StepSize, Stream
from gloze.recipes import load_recipe
from tests.small import recipe, tokenizer, train_shards


class Numbers:
    """A source whose sample i is i + 1 tokens of value i, with i as its label."""

    def __init__(self, lengths):
        self._lengths = np.array(lengths, dtype=np.int64)

    def lengths(self, epoch):
        return self._lengths

    def samples(self, epoch, indices):
        lengths = self._lengths[indices]
        ids = np.repeat(indices, lengths)
        flags = np.zeros(len(ids), dtype=bool)
        return Samples(
            ids, ids * 0, lengths, flags, flags, indices.astype(np.uint64), indices
        ).with_labels("which", indices)


def stream(lengths, *, seed=0, workers=0, ranks=None, **size):
    which = Objective("which", 1.0, lambda samples: samples, torch.nn.Identity())
    sizes = StepSize(**size)
    return Stream(Numbers(lengths), [which], size=sizes, seed=seed, workers=workers, ranks=ranks)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=60),
    tokens=st.integers(1, 100),
    micro=st.integers(1, 60),
)
def test_every_sample_comes_once_within_the_token_budget(lengths, tokens, micro):
    steps = list(stream(lengths, tokens=tokens, micro_batch_tokens=micro).read_epoch())
    seen = np.concatenate([step.indices for step in steps])
    assert sorted(seen) == list(range(len(lengths)))
    for step in steps:
        assert step.num_tokens <= tokens or len(step.indices) == 1
        assert step.num_labels == {"which": len(step.indices)}
        for batch in step.micro_batches:
            assert batch.num_tokens <= micro or batch.num_sequences == 1
            ends = batch.cu_seqlens.tolist()
            assert batch.max_seqlen == max(np.diff(ends))
            for i, (first, last) in enumerate(itertools.pairwise(ends)):
                which = batch.labels["which"][i].item()
                assert set(batch.input_ids[first:last].tolist()) == {which}
                assert batch.position_ids[first:last].tolist() == list(range(last - first))


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=40),
    tokens=st.integers(1, 200),
    micro=st.integers(1, 60),
    size=st.integers(2, 5),
)
def test_processes_share_out_each_step_and_have_as_many_micro_batches(lengths, tokens, micro, size):
    sizes = {"tokens": tokens, "micro_batch_tokens": micro}
    together = stream(lengths, **sizes).read_epoch()
    apart = [stream(lengths, ranks=Ranks(r, size), **sizes).read_epoch() for r in range(size)]
    for whole, *shares in zip(together, *apart, strict=True):
        seen = np.concatenate([share.indices for share in shares])
        assert sorted(seen) == sorted(whole.indices)
        assert {share.num_tokens for share in shares} == {whole.num_tokens}
        assert len({len(share.micro_batches) + len(share.idle) for share in shares}) == 1
        own = [sum(b.num_tokens for b in share.micro_batches) for share in shares]
        assert sum(own) == whole.num_tokens
        # Dealt out by length in turn, shares differ by no more than the longest sequence.
        assert max(own) - min(own) <= max(lengths)
        assert sum(share.num_labels.get("which", 0) for share in shares) == len(whole.indices)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 300), seed=st.integers(0, 5))
def test_the_shuffle_is_a_permutation(size, seed):
    order = shuffled(np.arange(size), size, seed, 0)
    assert sorted(order) == list(range(size))


def test_the_shuffle_moves_samples_over_the_whole_epoch():
    order = shuffled(np.arange(10_000), 10_000, 0, 0)
    assert abs(np.abs(order - np.arange(10_000)).mean() - 10_000 / 3) < 150
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.03
    assert np.count_nonzero(order == shuffled(np.arange(10_000), 10_000, 0, 1)) < 10


def test_a_step_holds_so_many_sequences_where_asked():
    steps = list(stream([3] * 25, sequences=10).read_epoch())
    assert [len(step.indices) for step in steps] == [10, 10, 5]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_change_neither_order_nor_content(workers):
    lengths = [1 + i % 7 for i in range(60)]
    alone = stream(lengths, tokens=20, workers=0)
    many = stream(lengths, tokens=20, workers=workers)
    for one, other in itertools.islice(zip(alone.read(), many.read(), strict=False), 40):
        assert (one.epoch, one.number) == (other.epoch, other.number)
        assert [b.input_ids.tolist() for b in one.micro_batches] == [
            b.input_ids.tolist() for b in other.micro_batches
        ]


def test_reading_from_the_middle_gives_what_an_unbroken_reading_gives_there():
    made = stream([1 + i % 7 for i in range(60)], tokens=20)
    whole = list(itertools.islice(made.read(), 40))
    middle = whole[17]
    for step, expected in zip(made.read(middle.epoch, middle.number), whole[17:], strict=False):
        assert step.indices.tolist() == expected.indices.tolist()


def test_epochs_are_shuffled_differently():
    made = stream([2] * 50, sequences=50)
    first, second = itertools.islice(made.read(), 2)
    order = [made._order(epoch, np.arange(50)).tolist() for epoch in (0, 1)]
    assert order[0] != order[1]
    assert sorted(first.indices) == sorted(second.indices)


def test_a_real_stream_gives_the_same_batches_for_any_number_of_workers(tmp_path):
    shards = train_shards(tmp_path)
    made = []
    for workers in (0, 2):
        config = load_recipe(recipe(), [f"training.loader_workers={workers}"])
        objectives, _ = build_learner(config, tokenizer())
        source = config.sampler.build(shards, tokenizer(), config.seed)
        made.append(training_stream(source, objectives, config))
    for one, other in itertools.islice(zip(made[0].read(), made[1].read(), strict=True), 30):
        for a, b in zip(one.micro_batches, other.micro_batches, strict=True):
            assert a.input_ids.tolist() == b.input_ids.tolist()
            assert a.labels["mlm"].tolist() == b.labels["mlm"].tolist()
            assert a.label_positions["mlm"].tolist() == b.label_positions["mlm"].tolist()


def test_nothing_to_train_on_is_said():
    with pytest.raises(DataError, match="not a single sequence"):
        next(stream([], tokens=10).read())


def test_a_step_size_in_both_units_or_none_is_refused():
    with pytest.raises(ConfigError, match=r"Set one of training\.batch_tokens"):
        StepSize()
    with pytest.raises(ConfigError, match=r"Set one of training\.batch_tokens"):
        StepSize(tokens=5, sequences=5)


def test_answers_that_no_objective_asks_for_do_not_travel():
    made = Stream(Numbers([3, 4]), [], size=StepSize(tokens=10), seed=0, workers=0)
    step = next(made.read())
    assert step.num_labels == {}
    assert step.micro_batches[0].labels == {}
