"""Classification: how examples are laid out, pooled, scored and answered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate, collate_parts
from gloze.encoders.transformer import TransformerConfig
from gloze.nn.readout import ReadoutConfig
from gloze.tasks.classification import Classification
from gloze.tasks.encoding import encode_examples, encode_windows, longest_first
from gloze.tasks.examples import Example
from gloze.tasks.labels import learn_labels, number_labels, sorted_labels
from gloze.tasks.learned import Learned
from gloze.tasks.model import TaskModel, build_head, read_task
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
        ({"label_smoothing": -0.1}, "at least 0 and under 1"),
        ({"max_windows": 0}, "at least 1"),
        ({"long_text": "windows", "stride": 127}, "from 1 to 126"),
        ({"stride": 8}, "task.stride does nothing here: set task.long_text=windows"),
        ({"long_text": "head_tail", "max_windows": 3}, "task.max_windows does nothing here"),
        ({"window_pooling": "max"}, "task.window_pooling does nothing here"),
        ({"class_weights": {"a": -1.0}}, "cannot be negative"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Classification(**settings)


def test_a_positive_label_is_of_two(tmp_path):
    examples = [Example("a", label=label) for label in "xyz"]
    with pytest.raises(ConfigError, match=r"task\.positive_label does nothing here: .* 3 labels"):
        Classification(positive_label="x").learn(examples, tmp_path)


def test_a_positive_label_may_be_written_as_a_number(tmp_path):
    examples = [Example("a", None, "0"), Example("b", None, "1")] * 2
    assert Classification(positive_label=0).learn(examples, tmp_path).labels == ("0", "1")
    with pytest.raises(ConfigError, match=r"task\.positive_label names '2'"):
        Classification(positive_label=2).learn(examples, tmp_path)


def test_the_pooler_goes_with_the_last_layer_alone():
    with pytest.raises(ConfigError, match="the last layer as it is"):
        Classification(pooling="pooler").resolve(is_plain=False)
    assert Classification().resolve(is_plain=False).pooling == "mean"
    assert Classification().resolve(is_plain=True).pooling == "pooler"


def test_sequences_over_the_position_table_are_refused():
    with pytest.raises(ConfigError, match="positions for 32 tokens"):
        Classification(max_length=33).check(tiny().config, [], Learned())


def batch_of(source) -> Batch:
    return collate(source.samples(0, np.arange(len(source))))


def head_of(encoder, labels=("a", "b"), readout=None, values=None, **settings):
    task = Classification(**{"pooling": "cls", **settings})
    learned = Learned(labels=tuple(labels), values=values or {})
    return build_head(encoder, task, learned, readout or ReadoutConfig()).head.eval()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_of_chosen_layers_is_what_each_sequence_gives_by_hand(pooling):
    encoder = tiny().eval()
    head = head_of(encoder, "abc", ReadoutConfig(layers=(0, -1)), pooling=pooling)
    source = encode("the cat", "a long river")
    batch = batch_of(source)
    states = encoder(batch)
    expected = []
    for start, end in ((0, 4), (4, 9)):
        rows = [states[layer][start:end] for layer in (0, -1)]
        vector = torch.cat([r[0] if pooling == "cls" else r.mean(0) for r in rows])
        expected.append(head.output(vector))
    assert torch.allclose(head.scores(states, batch), torch.stack(expected), atol=1e-6)


def test_a_layer_the_model_lacks_is_named():
    with pytest.raises(ConfigError, match=r"readout\.layers names 5.*to 2"):
        head_of(tiny(), readout=ReadoutConfig(layers=(5,)))


def test_spelt_out_answers_give_a_loss_near_zero():
    head = head_of(tiny())
    source = encode("the cat", "a long river", labels=np.array([0, 1]))
    batch = batch_of(source)
    states = [torch.zeros(batch.num_tokens, 32) for _ in range(3)]
    states[-1][batch.cu_seqlens[1].item()] = 1.0
    with torch.no_grad():
        head.output.weight.copy_(torch.tensor([[-1.0] * 32, [1.0] * 32]))
        head.output.bias.copy_(torch.tensor([20.0, -20.0]))
    mark = head(states, batch)
    assert mark.loss.item() < 1e-6
    assert mark.correct.item() == 2


def test_weights_and_smoothing_enter_the_loss_as_worked_by_hand():
    source = encode("the cat", "a long river", labels=np.array([0, 1]))
    batch = batch_of(source)
    encoder = tiny().eval()
    head = head_of(encoder, values={"class_weights": [0.5, 1.5]}, label_smoothing=0.2)
    states = encoder(batch)
    logs = head.scores(states, batch).log_softmax(-1)
    by_hand = 0.0
    for row, (label, weights) in enumerate([(0, (0.9, 0.1)), (1, (0.1, 0.9))]):
        assert weights[label] == 0.9
        each = [
            w * c * logs[row, k] for k, (w, c) in enumerate(zip(weights, (0.5, 1.5), strict=True))
        ]
        by_hand -= sum(each)
    assert head(states, batch).loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def learned_from(labels, **settings):
    examples = [Example("the cat", None, label) for label in labels]
    return Classification(**settings).learn(examples, Path("train.tsv"))


def test_balanced_weights_make_every_label_count_alike_and_keep_the_mean():
    weights = learned_from("aaab", class_weights="balanced").values["class_weights"]
    assert weights == pytest.approx([2 / 3, 2.0])
    assert sum(w * n for w, n in zip(weights, (3, 1), strict=True)) / 4 == pytest.approx(1)


def test_given_weights_are_scaled_and_unknown_labels_named():
    weights = learned_from("aab", class_weights={"b": 4.0}).values["class_weights"]
    assert weights == pytest.approx([0.5, 2.0])
    with pytest.raises(ConfigError, match=r"class_weights names 'c'.*labels are a, b"):
        learned_from("aab", class_weights={"c": 4.0})
    with pytest.raises(ConfigError, match="no example with a weight"):
        learned_from("aab", class_weights={"a": 0.0, "b": 0.0})


def test_labels_with_one_example_are_said(capsys):
    learned_from("aab")
    assert "1 of 2 labels have one example: 'b'" in capsys.readouterr().err


LONG = "the cat a long river the red house warm bread an open window"


def test_head_and_tail_keep_both_ends_of_a_long_text():
    examples = [Example(LONG), Example("the cat")]
    source = encode_examples("x", examples, small.tokenizer(143), max_length=10, keep="head_tail")
    words, _ = shown(source, 0)
    whole, _ = shown(encode(LONG), 0)
    # 128 of 510, of 8 tokens that is 2.
    assert words == ["[CLS]", *whole[1:3], *whole[-7:-1], "[SEP]"]
    assert shown(source, 1)[0] == ["[CLS]", "the", "cat", "[SEP]"]
    assert source.truncated == 1


def test_windows_of_a_text_are_one_sample_and_cover_it():
    tokenizer = small.tokenizer(143)
    whole = shown(encode(LONG), 0)[0][1:-1]
    source = encode_windows(
        "x", [LONG, "the cat"], tokenizer, max_length=8, stride=3, most=16, labels=np.array([1, 0])
    )
    assert len(source) == 2
    samples = source.samples(0, np.array([1, 0]))
    assert samples.sizes.tolist() == [1, source.sizes[0]]
    assert samples.labels["x"].tolist() == [0, 1]
    ends = np.cumsum(samples.lengths)
    found = [tokenizer.tokens(p)[1:-1] for p in np.split(samples.input_ids, ends[:-1])]
    assert found[0] == ["the", "cat"]
    for number, window in enumerate(found[1:]):
        assert window == whole[3 * number : 3 * number + 6]
    assert found[-1][-1] == whole[-1]
    assert source.truncated == 0
    few = encode_windows("x", [LONG], tokenizer, max_length=8, stride=3, most=2)
    assert (few.sizes.tolist(), few.truncated) == ([2], 1)


@pytest.mark.parametrize("way", ["mean", "max"])
def test_a_long_text_is_judged_by_the_pooled_scores_of_its_windows(way):
    encoder = tiny().eval()
    head = head_of(encoder, long_text="windows", window_pooling=way)
    tokenizer = small.tokenizer(143)
    source = encode_windows("x", [LONG, "the cat"], tokenizer, max_length=8, stride=3, most=16)
    batch = batch_of(source)
    alone = replace(batch, sizes=None)
    each = head.scores(encoder(alone), alone)
    pool = torch.mean if way == "mean" else torch.amax
    expected = torch.stack([pool(each[:-1], 0), each[-1]])
    assert torch.allclose(head.scores(encoder(batch), batch), expected, atol=1e-6)


def test_windows_of_a_sample_stay_in_one_batch():
    source = encode_windows(
        "x", [LONG, "the cat", LONG], small.tokenizer(143), max_length=8, stride=3, most=16
    )
    samples = source.samples(0, np.arange(3))
    parts = list(collate_parts(samples, 10))
    assert [part.sizes.tolist() for part in parts] == [[n] for n in source.sizes.tolist()]
    assert [part.indices.tolist() for part in parts] == [[0], [1], [2]]
    whole = list(collate_parts(samples, 1000))
    assert [part.sizes.tolist() for part in whole] == [source.sizes.tolist()]


def test_windows_are_for_single_texts():
    task = Classification(long_text="windows", max_length=32)
    with pytest.raises(ConfigError, match="windows is for single texts"):
        task.check(tiny().config, [Example("a", "b")], Learned(pairs=True))


def classifier(labels=("a", "b", "c")):
    encoder = tiny()
    task = Classification(max_length=32, pooling="pooler", metric="accuracy")
    learned = Learned(labels=tuple(labels))
    head = build_head(encoder, task, learned, ReadoutConfig()).head
    return TaskModel(encoder, head, small.tokenizer(143), task, learned, ReadoutConfig())


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


def test_nothing_asked_is_nothing_answered():
    assert classifier().predict([]) == []


def test_one_string_is_not_taken_for_a_list_of_letters():
    with pytest.raises(ConfigError, match="put the text into a list"):
        classifier().predict("the cat")


def test_config_json_round_trips(tmp_path):
    model = classifier()
    values = json.loads(json.dumps(model.to_config()))
    assert read_task(values, 32, tmp_path) == (model.task, model.learned, model.readout)


def test_labels_renamed_for_transformers_are_renamed_for_us(tmp_path):
    values = classifier().to_config()
    values["id2label"]["0"] = "new"
    assert read_task(values, 32, tmp_path)[1].labels == ("new", "b", "c")


def test_a_classifier_of_hugging_face_is_one_of_ours(tmp_path):
    values = {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "no", "1": "yes"},
    }
    task, learned, readout = read_task(values, 32, tmp_path)
    assert task == Classification(max_length=32, pooling="pooler", metric="accuracy")
    assert learned.labels == ("no", "yes")
    assert readout.is_plain


OWN = {"task": "classification"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "not a model of a task"),
        ({"gloze": 7}, "not a model of a task"),
        ({"gloze": {"task": "clasification"}}, "which is not known"),
        ({"architectures": ["BertForSequenceClassification"]}, "id2label does not name"),
        ({"id2label": {"0": "a"}, "gloze": OWN}, "id2label does not name"),
        ({"id2label": {"0": "a", "2": "b"}, "gloze": OWN}, "id2label does not name"),
        ({"id2label": [1, 2], "gloze": OWN}, "id2label does not name"),
        ({"id2label": {"0": "a", "1": "a"}, "gloze": OWN}, "names the label 'a' twice"),
        ({"gloze": {**OWN, "max_length": -1}}, "at least 5"),
        ({"gloze": {**OWN, "max_length": "many"}}, "valid integer"),
        ({"gloze": {**OWN, "no_such": 1}}, "no_such"),
        ({"gloze": {**OWN, "learned": 7}}, "no usable description"),
        ({"gloze": {**OWN, "readout": {"layers": []}}}, "readout.layers is empty"),
    ],
)
def test_a_broken_config_json_is_refused(tmp_path, values, message):
    with pytest.raises(DataError, match=message):
        read_task(values, 32, tmp_path / "config.json")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_laid_out_for_answering_give_the_same_answers(precision):
    plain, laid = classifier(), classifier()
    texts = ["the cat", "a long river the red house", "warm bread"]
    expected = plain.predict(texts)
    found = laid.laid_out(torch.device("cpu"), precision).predict(texts)
    near = 1e-5 if precision == "float32" else 0.02
    for one, other in zip(expected, found, strict=True):
        assert list(other.probabilities.values()) == pytest.approx(
            list(one.probabilities.values()), abs=near
        )
    kept = next(laid.encoder.embeddings.parameters()).dtype
    assert kept == (torch.float32 if precision == "float32" else torch.bfloat16)
