"""Classification: how examples are laid out, pooled, scored and answered."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.encoders.transformer import TransformerConfig
from gloze.tasks.classification import (
    ClassificationConfig,
    Classifier,
    learn_labels,
    number_labels,
    sorted_labels,
)
from gloze.tasks.classifier import TextClassifier
from gloze.tasks.encoding import encode_examples, longest_first
from gloze.tasks.examples import Example
from tests import small


def tiny(layers=2):
    torch.manual_seed(0)
    return TransformerConfig(
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    ).build(small.tokenizer(143).vocab_size)


def encode(*texts, max_length=32, labels=None):
    examples = [Example(t) if isinstance(t, str) else Example(*t) for t in texts]
    return encode_examples(
        "classification", examples, small.tokenizer(143), max_length=max_length, labels=labels
    )


def shown(source, index):
    samples = source.samples(0, np.array([index]))
    return small.tokenizer(143).tokens(samples.input_ids), samples.token_type_ids.tolist()


def test_single_texts_and_pairs_are_laid_out_as_in_bert():
    source = encode("the cat", ("the cat", "a long river"))
    assert shown(source, 0) == (["[CLS]", "the", "cat", "[SEP]"], [0, 0, 0, 0])
    assert shown(source, 1) == (
        ["[CLS]", "the", "cat", "[SEP]", "a", "long", "river", "[SEP]"],
        [0, 0, 0, 0, 1, 1, 1, 1],
    )
    assert source.lengths(0).tolist() == [4, 8]


def test_the_longer_segment_is_cut_and_counted():
    source = encode(("the cat", "a long river the red house"), ("the cat", "a cat"), max_length=8)
    assert shown(source, 0)[0] == ["[CLS]", "the", "cat", "[SEP]", "a", "long", "river", "[SEP]"]
    assert source.truncated == 1
    assert source.summary()["truncated_share"] == 0.5


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 30))
def test_longest_first_is_what_taking_tokens_off_one_by_one_gives(a, b, room):
    x, y = a, b
    while x + y > room:
        x, y = (x - 1, y) if x > y else (x, y - 1)
    kept = longest_first(np.array([a]), np.array([b]), np.array([room]))
    assert [int(part[0]) for part in kept] == [x, y]


def test_samples_depend_on_seed_and_index_alone():
    source = encode("the cat", "a long river", "warm bread", labels=np.array([0, 1, 0]))
    every, one = source.samples(1, np.array([2, 0, 1])), source.samples(1, np.array([1]))
    assert every.labels["classification"].tolist() == [0, 0, 1]
    assert every.keys[2] == one.keys[0]
    assert (every.input_ids[-len(one.input_ids) :] == one.input_ids).all()


def test_labels_are_numbered_by_value_if_they_are_numbers():
    assert sorted_labels(["10", "2", "-1", None]) == ["-1", "2", "10"]
    assert sorted_labels(["b", "10", "a"]) == ["10", "a", "b"]


def test_an_unknown_label_is_named_with_its_place_and_the_known_ones(tmp_path):
    examples = [Example("a", None, "good", None, 2), Example("b", None, "goood", None, 3)]
    with pytest.raises(DataError, match=r"f\.tsv:3 column 'label'.*Did you mean 'good'\?.*bad"):
        number_labels(examples, ["bad", "good"], tmp_path / "f.tsv")


def test_one_label_only_is_nothing_to_learn(tmp_path):
    with pytest.raises(DataError, match="every example has the label '1'"):
        learn_labels([Example("a", None, "1"), Example("b", None, "1")], tmp_path / "f.tsv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 4}, "at least 5"),
        ({"dropout": 1.0}, "under 1"),
        ({"layers": ()}, "empty"),
        ({"layers": (-2,), "pooling": "pooler"}, "the last layer alone"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ClassificationConfig(**settings)


def test_sequences_over_the_position_table_are_refused():
    with pytest.raises(ConfigError, match="positions for 32 tokens"):
        ClassificationConfig(max_length=33).check(tiny(), [])


def batch_of(source) -> Batch:
    return collate(source.samples(0, np.arange(len(source.all_lengths))))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_of_chosen_layers_is_what_each_sequence_gives_by_hand(pooling):
    encoder = tiny().eval()
    config = ClassificationConfig(pooling=pooling, layers=(0, -1), dropout=0.0)
    head = Classifier(encoder, config, 3).eval()
    source = encode("the cat", "a long river")
    batch = batch_of(source)
    states = encoder(batch)
    expected = []
    for start, end in ((0, 4), (4, 9)):
        rows = [states[layer][start:end] for layer in (0, -1)]
        vector = torch.cat([r[0] if pooling == "cls" else r.mean(0) for r in rows])
        expected.append(head.output(vector))
    assert torch.allclose(head.logits(states, batch), torch.stack(expected), atol=1e-6)


def test_a_layer_the_model_lacks_is_named():
    encoder = tiny()
    head = Classifier(encoder, ClassificationConfig(pooling="mean", layers=(5,)), 2)
    batch = batch_of(encode("the cat"))
    with pytest.raises(ConfigError, match=r"task\.layers names 5.*to 2"):
        head.logits(encoder(batch), batch)


def test_spelt_out_answers_give_a_loss_near_zero():
    encoder = tiny().eval()
    head = Classifier(encoder, ClassificationConfig(pooling="cls"), 2).eval()
    source = encode("the cat", "a long river", labels=np.array([0, 1]))
    batch = batch_of(source)
    states = [torch.zeros(batch.num_tokens, 32)]
    states[0][batch.cu_seqlens[1].item()] = 1.0
    with torch.no_grad():
        head.output.weight.copy_(torch.tensor([[-1.0] * 32, [1.0] * 32]))
        head.output.bias.copy_(torch.tensor([20.0, -20.0]))
    mark = head(states, batch)
    assert mark.loss.item() < 1e-6
    assert mark.correct.item() == 2


def classifier(labels=("a", "b", "c")):
    encoder = tiny()
    config = ClassificationConfig(max_length=32, pooling="pooler")
    head = Classifier(encoder, config, len(labels))
    return TextClassifier(encoder, head, small.tokenizer(143), labels, config)


def test_an_answer_does_not_depend_on_what_else_is_asked():
    model = classifier()
    texts = ["the cat", "a long river the red house", "warm bread", "an open window the cat"]
    together = model.predict(texts)
    for text, answer in zip(texts, together, strict=True):
        [alone] = model.predict([text])
        assert alone.label == answer.label
        assert list(alone.probabilities.values()) == pytest.approx(
            list(answer.probabilities.values()), abs=1e-5
        )
        assert sum(alone.probabilities.values()) == pytest.approx(1)


def test_one_string_is_not_taken_for_a_list_of_letters():
    with pytest.raises(ConfigError, match="put the text into a list"):
        classifier().predict("the cat")


def test_config_json_round_trips(tmp_path):
    model = classifier()
    other = TextClassifier.from_config(model.encoder, model.tokenizer, model.to_config(), tmp_path)
    assert (other.labels, other.config, other.pairs) == (model.labels, model.config, None)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"id2label": {"0": "a"}},
        {"id2label": {"0": "a", "2": "b"}},
        {"id2label": [1, 2]},
        {"id2label": {"0": "a", "1": "b"}, "gloze": {"max_length": -1}},
        {"id2label": {"0": "a", "1": "b"}, "gloze": {"no_such": 1}},
        {"id2label": {"0": "a", "1": "b"}, "gloze": 7},
    ],
)
def test_a_broken_config_json_is_refused(tmp_path, values):
    model = classifier()
    with pytest.raises(DataError):
        TextClassifier.from_config(model.encoder, model.tokenizer, values, tmp_path / "config.json")
