"""One blank a sequence: what is left out, that it has no say, the loss by hand, bad recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.objectives.one_blank import OneBlankConfig, leave_one_out
from gloze.recipes import load_recipe
from gloze.verbs.pretrain import pretrain
from tests.objectives.test_mlm import samples
from tests.small import recipe, tokenizer, write_shards

ONLY = ["objectives.mlm=none", "objectives.nsp=none", "objectives.one_blank={}"]


def by_sequence(values, lengths):
    return np.split(values, np.cumsum(lengths)[:-1])


def test_one_ordinary_token_of_each_sequence_is_taken_out_and_its_place_skipped():
    given = samples([6, 3, 9])
    asked = leave_one_out(given)
    assert asked.lengths.tolist() == [5, 2, 8]
    before = by_sequence(given.input_ids, given.lengths)
    special = by_sequence(given.is_special, given.lengths)
    after = by_sequence(asked.input_ids, asked.lengths)
    where = by_sequence(asked.places, asked.lengths)
    for old, ends, new, places, label in zip(
        before, special, after, where, asked.labels["one_blank"], strict=True
    ):
        [gone] = set(range(len(old))) - set(places.tolist())
        assert not ends[gone]
        assert old[gone] == label
        assert np.array_equal(old[places], new)
    assert asked.is_special.sum() == given.is_special.sum()


def test_the_choice_depends_on_the_key_alone_and_every_token_has_its_turn():
    given = samples([6, 3, 9])
    parts = [leave_one_out(given.part(number, number + 1)) for number in range(3)]
    whole = leave_one_out(given)
    assert np.array_equal(whole.input_ids, np.concatenate([part.input_ids for part in parts]))
    gone = [
        set(range(6)) - set(leave_one_out(replace(given.part(0, 1), keys=np.array([key]))).places)
        for key in np.arange(200, dtype=np.uint64)
    ]
    counts = np.bincount([place for [place] in gone], minlength=6)
    assert counts.tolist()[0] == counts.tolist()[5] == 0
    assert (counts[1:5] > 25).all()


def test_a_sequence_of_special_tokens_alone_is_refused():
    given = samples([2])
    with pytest.raises(DataError, match="special tokens alone"):
        leave_one_out(replace(given, is_special=np.ones(2, dtype=bool)))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_the_loss_is_that_of_pooled_states_at_the_places_that_are_left(pooling):
    torch.manual_seed(0)
    model = recipe().encoder.build(90).eval()
    objective = OneBlankConfig(pooling=pooling).build(model, tokenizer(), 0.3)
    asked = leave_one_out(samples([7, 12]))
    batch = collate(asked)
    found = objective.head(model(batch), batch)
    total = 0.0
    for number in range(2):
        alone = collate(asked.part(number, number + 1))
        states = model(replace(alone, places=None, position_ids=alone.places))[-1]
        pooled = states.mean(0) if pooling == "mean" else states.amax(0)
        hidden = objective.head.transform(pooled)
        scores = F.linear(hidden, model.token_embeddings.weight, objective.head.output.bias)
        total += F.cross_entropy(scores, batch.labels["one_blank"][number]).item()
    assert found.loss.item() == pytest.approx(total, rel=1e-4)


def test_what_is_left_out_has_no_say():
    model = recipe().encoder.build(90).eval()
    given = samples([9])
    gone = (set(range(9)) - set(leave_one_out(given).places)).pop()
    ids = given.input_ids.copy()
    ids[gone] = 80
    one, other = (collate(leave_one_out(each)) for each in (given, replace(given, input_ids=ids)))
    assert torch.equal(model(one)[-1], model(other)[-1])
    assert one.labels["one_blank"] != other.labels["one_blank"]


def test_it_learns_more_than_frequencies(tmp_path):
    shards = write_shards(tmp_path / "shards", count=120)
    changes = [
        *ONLY, "sampler.kind=text_block", "sampler.short_rate=0", "sampler.within=sentence",
        "training.steps=300", "training.learning_rate=5e-3",
    ]  # fmt: skip
    done = pretrain(recipe(*changes), shards=shards, output=tmp_path / "run")
    assert done.figures["one_blank_loss"] < done.unigram_loss - 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["objectives.one_blank={}"], r"mlm asks about tokens by their place"),
        ([*ONLY, "encoder.direction=left_to_right"], "fills a blank from both sides"),
    ],
)
def test_recipes_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("bert-tiny", changes)
