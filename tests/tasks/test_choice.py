"""Choice: questions read from every layout, one sequence an option, a softmax of those."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.tasks.choice import Choice
from gloze.tasks.choice_files import Question
from gloze.tasks.learned import Learned
from gloze.tasks.model import read_task
from tests import small, tiny

HERE = Path("train.jsonl")


def read(path, format=None, columns=None, **how):
    return list(Choice().reader(format, columns).read(path, **how))


def parts(question):
    return question.context, question.question, question.options, question.gold


SWAG = (
    ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label\n"
    '0,v,1,"He sits, then. He",He sits.,He,gold,stands.,falls.,"runs, fast.",sings.,2\n'
)


def test_swag_is_read(tmp_path):
    [found] = read(tiny.write(tmp_path / "train.csv", SWAG), "swag")
    assert parts(found) == ("He sits.", "He", ("stands.", "falls.", "runs, fast.", "sings."), 2)


def test_story_cloze_counts_from_1(tmp_path):
    header = "InputStoryid\t" + "".join(f"InputSentence{n}\t" for n in "1234")
    header += "RandomFifthSentenceQuiz1\tRandomFifthSentenceQuiz2\tAnswerRightEnding\n"
    path = tiny.write(tmp_path / "a.tsv", header + "i\ta.\tb.\tc.\td.\te.\tf.\t2\n")
    [found] = read(path, "storycloze")
    assert parts(found) == ("a. b. c. d.", None, ("e.", "f."), 1)


@pytest.mark.parametrize("format", ["c3", "dream"])
def test_dialogues_have_options_that_differ_in_number(tmp_path, format):
    content = """[
 [["A: hi", "B: ho"], [
   {"question": "who?", "choice": ["A", "B", "C"], "answer": "B"},
   {"question": "what?", "choice": ["x", "y"], "answer": "y"}], "7-1"],
 [["A: eh"], [{"question": "how?", "choice": ["p", "q"], "answer": "p"}], "7-2"]
]"""
    one, two, three = read(tiny.write(tmp_path / "a.json", content), format, keep_rows=True)
    assert parts(one) == ("A: hi\nB: ho", "who?", ("A", "B", "C"), 1)
    assert parts(two) == ("A: hi\nB: ho", "what?", ("x", "y"), 1)
    assert (one.line, two.line, three.line) == (2, 2, 5)
    assert three.row["id"] == "7-2"
    assert three.row["choice"] == ["p", "q"]


def test_race_is_read_as_one_document_as_many_and_without_answers(tmp_path):
    document = {
        "article": "text",
        "questions": ["q1", "q2"],
        "options": [["a", "b"], ["c", "d", "e"]],
        "answers": ["B", "C"],
        "id": "high1.txt",
    }
    lines = json.dumps(document, indent=1) + "\n" + json.dumps(document)
    found = read(tiny.write(tmp_path / "race.txt", lines), "race")
    assert [question.gold for question in found] == [1, 2, 1, 2]
    assert parts(found[1]) == ("text", "q2", ("c", "d", "e"), 2)
    del document["answers"]
    bare = tiny.write(tmp_path / "test.txt", json.dumps(document))
    assert [q.gold for q in read(bare, "race", needs_labels=False)] == [None, None]
    with pytest.raises(DataError, match="'answer': no label in this row"):
        read(bare, "race")


def test_of_two_equal_options_the_first_is_right(tmp_path):
    document = {"article": "t", "questions": ["q"], "options": [["a", "b", " b", "c"]]}
    for answer, gold in (("B", 1), ("C", 1), ("D", 3)):
        path = tiny.write(tmp_path / "race.txt", json.dumps({**document, "answers": [answer]}))
        (question,) = read(path, "race")
        assert question.gold == gold


def test_tables_hold_options_in_a_list_or_in_columns_the_last_of_which_may_be_empty(tmp_path):
    lines = '{"context":"c","question":"q","options":["a","b","d"],"label":1}\n'
    assert parts(*read(tiny.write(tmp_path / "a.jsonl", lines))) == ("c", "q", ("a", "b", "d"), 1)
    table = "context,option_0,option_1,option_10,option_2,label\nc,a,b,,d,B\nc,a,b,x,d,3\n"
    found = read(tiny.write(tmp_path / "a.csv", table))
    assert [q.options for q in found] == [("a", "b", "d"), ("a", "b", "d", "x")]
    assert [q.gold for q in found] == [1, 3]
    own = tiny.write(tmp_path / "b.tsv", "c\ta\tb\tb\n")
    assert parts(*read(own, None, "context=0,options=1|2,label=3")) == ("c", None, ("a", "b"), 1)


def jsonl(tmp_path, **row):
    row = {"context": "c", "options": ["cat", "dog"], "label": 0, **row}
    first = {"context": "c", "options": ["cat", "dog"], "label": 0}
    return tiny.write(tmp_path / "a.jsonl", json.dumps(first) + "\n" + json.dumps(row) + "\n")


@pytest.mark.parametrize("label", [1, "1", "B", "b", "dog", " dog "])
def test_a_label_is_a_number_a_letter_or_the_text(tmp_path, label):
    assert read(jsonl(tmp_path, label=label))[1].gold == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": 2}, r"'label': 2 names none of the 2 options \(by number from 0, letter"),
        ({"label": -1}, "-1 names none"),
        ({"label": "C"}, "'C' names none"),
        ({"label": "9" * 5000}, "names none of the 2 options"),
        ({"label": "dgo"}, "'dgo' names none.*Did you mean 'dog'"),
        ({"label": None}, "no label in this row"),
        ({"label": 1.0}, "a label is a text or a whole number, found 1.0"),
        ({"label": True}, "found True"),
        ({"options": ["1", "2"], "label": "1"}, "the number or letter of one option and the text"),
        ({"options": ["cat"]}, "'options': 1 option: there is nothing to choose from"),
        ({"options": []}, "0 options: there is nothing to choose from"),
        ({"options": ["cat", "dog", "cat "]}, "an option is given twice: 'cat'"),
        ({"options": ["cat", ""]}, "'options': the text is empty"),
        ({"options": ["cat", 3]}, "'options': a text is expected, found int 3"),
        ({"options": "cat|dog"}, "a list of options is expected.*options=NAME"),
        ({"context": " "}, "'context': the text is empty"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused_with_their_line(tmp_path, row, message):
    with pytest.raises(DataError, match=rf"a\.jsonl:2.*{message}") as caught:
        read(jsonl(tmp_path, **row))
    assert caught.value.exit_code == 3


def test_where_columns_count_from_one_labels_do(tmp_path):
    table = "context,option_1,option_2,label\nc,a,b,1\nc,a,b,2\n"
    assert [q.gold for q in read(tiny.write(tmp_path / "a.csv", table))] == [0, 1]
    with pytest.raises(
        DataError, match=r"a\.csv:3 .*'0' names none of the 2 options \(by number from"
    ):
        read(tiny.write(tmp_path / "a.csv", table.replace("b,2", "b,0")))
    letters = tiny.write(tmp_path / "b.csv", table.replace("b,1", "b,A").replace("b,2", "b,b"))
    assert [q.gold for q in read(letters)] == [0, 1]
    named = read(tmp_path / "a.csv", columns="options=option_1|option_2")
    assert [q.gold for q in named] == [1, 0]


def test_an_empty_option_between_others_is_not_skipped(tmp_path):
    table = "context,option_0,option_1,option_2,label\nc,a,,d,0\n"
    with pytest.raises(DataError, match=r"a\.csv:2 column 'option_1': the text is empty"):
        read(tiny.write(tmp_path / "a.csv", table))


def test_a_number_in_json_is_never_taken_for_a_text(tmp_path):
    assert read(jsonl(tmp_path, options=["1", "0"], label=0))[1].gold == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("context,label\nc,0\n", "'options': no such column"),
        ("text,options\nc,a\n", "'context': no such column.*--columns context=NAME"),
        ("context,option_0,option_1\nc,a,b\n", "'label': no such column"),
        ("context,option_0,option_1,label\n", "a header and no rows"),
    ],
)
def test_missing_columns_are_named(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(tiny.write(tmp_path / "a.csv", content))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, r":1: a document like \[turns, "),
        ([["A: hi"], [{"question": "q"}], "id"], ":1: a document like"),
        (["hi", [{"question": "q", "choice": ["a", "b"], "answer": "a"}], "id"], ":1: a document"),
        ([5, [{"question": "q", "choice": ["a", "b"], "answer": "a"}], "id"], ":1: a document"),
        ([["A"], [{"question": "q", "choice": ["a", "b"], "answer": "c"}], "id"], "'c' names none"),
        ([["A"], [{"question": 5, "choice": ["a", "b"], "answer": "a"}], "id"], "'question': a"),
    ],
)
def test_documents_of_another_shape_are_refused(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        read(tiny.write(tmp_path / "a.json", json.dumps([value])), "c3")


def test_unknown_layouts_and_roles_name_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'codah'"):
        Choice().reader("coda")
    with pytest.raises(ConfigError, match="Did you mean 'options'"):
        Choice().reader(None, "option=a")
    with pytest.raises(ConfigError, match="is for tables"):
        Choice().reader("c3", "context=a")


@pytest.mark.parametrize(
    ("format", "file", "count", "sizes"),
    [
        ("codah", "codah/train.tsv", 1665, {4}),
        ("siqa", "social-iqa/socialiqa-v1.4-dev.jsonl.gz", 1954, {3}),
        ("c3", "c3/c3-d-dev.json.gz", 1825, {3, 4}),
        ("storycloze", "xstorycloze-zh/spring2016.val.zh.train.tsv", 360, {2}),
    ],
)
def test_published_files_are_read_as_they_are(shared_data, format, file, count, sizes):
    found = read(shared_data / file, format)
    assert len(found) == count
    assert {len(question.options) for question in found} == sizes


def test_a_published_set_keeps_its_doubled_options_and_says_so(shared_data, capsys):
    found = read(shared_data / "c3" / "c3-d-train.json.gz", "c3")
    assert "3 of 5,856 questions give an option twice" in capsys.readouterr().err
    [twice] = [q for q in found if q.options == ("六块", "五块", "五块", "六块五")]
    assert twice.gold == 1


def tokens_of(source, index):
    samples = source.samples(0, np.array([index]))
    tokenizer = small.tokenizer(143)
    ends = np.cumsum(samples.lengths)[:-1]
    return [tokenizer.tokens(ids) for ids in np.split(samples.input_ids, ends)]


def encode(*questions, max_length=32, path=HERE):
    task = Choice(max_length=max_length)
    return task.encode(questions, small.tokenizer(143), Learned(), path=path)


def test_each_option_is_a_sequence_with_the_question_before_it():
    source = encode(
        Question("the cat", ("a river", "warm bread"), "the house", 1),
        Question("a garden", ("the cat", "a river", "bread"), None, 0),
    )
    assert tokens_of(source, 0) == [
        ["[CLS]", "the", "cat", "[SEP]", "the", "house", "a", "river", "[SEP]"],
        ["[CLS]", "the", "cat", "[SEP]", "the", "house", "warm", "bread", "[SEP]"],
    ]
    assert [row[-2] for row in tokens_of(source, 1)] == ["cat", "river", "bread"]
    samples = source.samples(0, np.array([0]))
    assert samples.token_type_ids.tolist() == [0] * 4 + [1] * 5 + [0] * 4 + [1] * 5
    assert (source.sizes.tolist(), source.labels.tolist()) == ([2, 3], [1, 0])
    assert (len(source), source.truncated) == (2, 0)


WORDS = st.lists(st.sampled_from(["the", "cat", "river", "warm", "bread"]), max_size=20)


@settings(max_examples=100, deadline=None)
@given(WORDS, WORDS, st.lists(WORDS, min_size=2, max_size=4), st.integers(5, 20))
def test_options_are_kept_whole_and_the_rest_is_cut_longest_first(context, asked, options, most):
    texts = [" ".join(["cat", *option]) for option in options]
    question = Question(" ".join(["the", *context]), tuple(texts), " ".join(asked) or None, 0)
    source = encode(question, max_length=most)
    cut = False
    for row, text in zip(tokens_of(source, 0), texts, strict=True):
        assert len(row) <= most
        middle = row.index("[SEP]")
        option = text.split()
        kept = row[middle + 1 : -1]
        room = most - 3
        if len(option) < room:
            assert kept[len(kept) - len(option) :] == option
            shown = kept[: len(kept) - len(option)]
            assert shown == asked[: len(shown)]
        else:
            assert kept == option[: room - 1]
        assert middle >= 2
        cut |= len(row) - 3 < len(context) + 1 + len(asked) + len(option)
    assert source.truncated == int(cut)


def model(**values):
    return tiny.task_model(Choice(max_length=32, dropout=0.0, **values))


def test_the_loss_is_the_cross_entropy_of_each_questions_own_options():
    own = model()
    questions = [
        Question("the cat", ("a river", "warm bread"), None, 1),
        Question("a garden", ("the cat", "a river", "bread"), "who", 0),
    ]
    source = own.task.encode(questions, own.tokenizer, own.learned, path=HERE)
    batch = collate(source.samples(0, np.arange(2)))
    states = own.encoder(batch)
    scores = own.head.scores(states, batch)[:, 0]
    by_hand = F.cross_entropy(scores[None, :2], torch.tensor([1]))
    by_hand = by_hand + F.cross_entropy(scores[None, 2:], torch.tensor([0]))
    assert own.head(states, batch).loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_answers_name_the_option_and_do_not_depend_on_what_else_is_asked():
    own = model()
    asked = [
        ("the cat", ["a river", "warm bread"]),
        ("a garden", "the house", ["the cat", "a river", "bread"]),
        ("the dog", ["bread " * 20, "a cat", "x", "y"]),
    ]
    together = own.predict(asked)
    for question, answer in zip(asked, together, strict=True):
        [alone] = own.predict([question])
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-5)
        assert sum(answer.probabilities) == pytest.approx(1)
        assert answer.option == question[-1][answer.number]
        assert answer.probabilities[answer.number] == max(answer.probabilities)


def test_figures_tell_accuracy_by_number_of_options():
    own = model()
    questions = [Question("the cat", ("a river", "bread"), None, n % 2, None, n) for n in range(4)]
    figures = own.figures(questions, HERE)
    assert figures["accuracy"] == 0.5
    assert figures["by_options"] == {"2": {"examples": 4, "accuracy": 0.5}}
    assert figures["loss"] > 0


@pytest.mark.parametrize("asked", ["abc", ["abc"], [("a", ["b"])], [("a", "b")], [("a", [1, 2])]])
def test_what_is_no_question_is_refused(asked):
    with pytest.raises(ConfigError, match="predict takes"):
        model().predict(asked)


def test_an_encoder_of_one_segment_type_is_refused():
    config = tiny.encoder(type_vocab_size=1).config
    with pytest.raises(ConfigError, match="one segment type"):
        Choice(max_length=32).check(config, [], Learned())


def test_config_json_round_trips_and_hugging_faces_is_read(tmp_path):
    own = model()
    values = json.loads(json.dumps(own.to_config()))
    assert values["architectures"] == ["BertForMultipleChoice"]
    assert read_task(values, 32, tmp_path) == (own.task, own.learned, own.readout)
    task, learned, _ = read_task({"architectures": ["BertForMultipleChoice"]}, 32, tmp_path)
    assert (task, learned) == (Choice(max_length=32, pooling="pooler"), Learned())


def test_compressed_documents_are_read(tmp_path):
    content = json.dumps([[["A"], [{"question": "q", "choice": ["a", "b"], "answer": "a"}], "i"]])
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(content.encode()))
    assert read(tmp_path / "a.json.gz", "c3")[0].gold == 0
