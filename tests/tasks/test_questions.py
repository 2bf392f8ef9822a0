"""Files of questions: SQuAD, CMRC 2018 and tables, and what of them is refused or counted."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError
from gloze.tasks.question_tables import find_reader
from gloze.tasks.questions import (
    MAX_CONTEXT_CHARACTERS,
    Gold,
    Question,
    find_answer,
    is_placed,
)

TEXT = "Ann Lee wrote it. Bob Lee read it."


def asked(**changes):
    answers = [{"text": "Ann Lee", "answer_start": 0}]
    return {"id": "q1", "question": "Who wrote it?", "answers": answers, **changes}


def squad(*questions, context=TEXT):
    return {"version": "1.1", "data": [{"paragraphs": [{"context": context, "qas": [*questions]}]}]}


def read(path, value, *, format=None, columns=None, **options):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return list(find_reader(format, columns).read(path, **options))


def test_squad_is_read_as_published(tmp_path):
    none = asked(id="q2", answers=[], is_impossible=True, plausible_answers=[])
    found = read(tmp_path / "dev.json", squad(asked(is_impossible=False), none))
    assert found == [
        Question(
            "Who wrote it?", TEXT, "q1", (Gold("Ann Lee", 0),), place="data[0].paragraphs[0].qas[0]"
        ),
        Question("Who wrote it?", TEXT, "q2", (), place="data[0].paragraphs[0].qas[1]"),
    ]


def test_compressed_files_are_read_and_rows_kept(tmp_path):
    path = tmp_path / "dev.json.gz"
    path.write_bytes(gzip.compress(json.dumps(squad(asked())).encode()))
    (found,) = find_reader(None, None).read(path, needs_labels=False, keep_rows=True)
    assert found.answers is None
    assert found.row == {"id": "q1", "question": "Who wrote it?"}


def test_squad_is_read_from_standard_input(pipe):
    pipe(json.dumps(squad(asked())).encode())
    (found,) = find_reader("squad", None).read(Path("-"))
    assert found.answers == (Gold("Ann Lee", 0),)


def test_cmrc_is_read_in_its_own_layout_too(tmp_path):
    question = {"query_id": "Q0", "query_text": "Who?", "answers": ["Ann", "Ann Lee"]}
    paragraph = {"context_id": "C0", "context_text": TEXT, "qas": [question], "title": "Ann"}
    (found,) = read(tmp_path / "cmrc.json", [paragraph])
    assert (found.id, found.answers) == ("Q0", (Gold("Ann"), Gold("Ann Lee")))
    assert found.place == "[0].qas[0]"


@pytest.mark.parametrize(
    ("file", "questions", "misplaced", "elsewhere"),
    [
        ("squad-v2/train-v2.0.json.gz", 4449, 0, 0),
        ("cmrc2018/cmrc2018-dev.json.gz", 3219, 200, 7),
        ("cmrc2018/cmrc2018-trial.json.gz", 1002, 5, 5),
        ("tydiqa-goldp/tydiqa.goldp.en.train.json.gz", 3256, 0, 0),
        ("xquad/xquad.zh.json.gz", 1190, 0, 0),
    ],
)
def test_real_files_are_read_whole(shared_data, file, questions, misplaced, elsewhere, capfd):
    found = list(find_reader(None, None).read(shared_data / file))
    assert len(found) == questions
    off = [(q, a) for q in found for a in q.answers if not is_placed(q.context, a)]
    assert len(off) == misplaced
    assert sum(find_answer(q.context, a) is not None for q, a in off) == elsewhere
    empty = "2 questions are empty (the first: data[188].paragraphs[0].qas[4])"
    assert (empty in capfd.readouterr().err) == ("trial" in file)


QA = r"data\[0\]\.paragraphs\[0\]\.qas\[0\]"
GOLD = {"text": "Ann Lee", "answer_start": 0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "bad.json:1: not valid JSON"),
        ('{"data": [], "data": []}', "a name is given twice"),
        ({"data": []}, "bad.json: there is no question in it"),
        ({"rows": []}, "bad.json:1: not SQuAD's layout: .*--format jsonl"),
        ({"data": {}}, "bad.json: data: an array is expected, found dict"),
        ({"data": [3]}, r"data\[0\]: an object is expected, found int 3"),
        ({"data": [{}]}, r"data\[0\]\.paragraphs: an array is expected, found nothing"),
        (squad(context=3), r"paragraphs\[0\]\.context: a text is expected, found int 3"),
        (squad(context=" "), r"paragraphs\[0\]\.context: the text is empty"),
        (squad(asked(id=7)), QA + r"\.id: a text is expected, found int 7"),
        (squad(asked(question=None)), QA + r"\.question: a text is expected, found nothing"),
        (squad(asked(), asked()), r"qas\[1\]: the id 'q1' is that of data\[0\].*qas\[0\] too"),
        (squad(asked(answers={})), QA + r"\.answers: an array is expected, found dict"),
        (squad(asked(answers=[])), QA + ": there is no gold answer, and no is_impossible"),
        (
            squad(asked(answers=[{"text": "", "answer_start": 0}])),
            QA + r"\.answers\[0\]\.text: the text is empty",
        ),
        (
            squad(asked(answers=[{"text": "Ann", "answer_start": "0"}])),
            r"answers\[0\]\.answer_start: a whole number is expected, found str '0'",
        ),
        (
            squad(asked(answers=[{"text": "Ann", "answer_start": True}])),
            "answer_start: a whole number is expected, found bool True",
        ),
        (squad(asked(is_impossible=1)), r"is_impossible: true or false is expected, found int 1"),
        (
            squad(asked(is_impossible=True)),
            QA + ": is_impossible is true, and there is a gold answer: 'Ann Lee'",
        ),
        (squad(asked(answers=["Ann", " "])), QA + r"\.answers: the text of an answer is empty"),
        (
            squad(asked(answers=["Ann"], is_impossible=True)),
            QA + ": is_impossible is true, and there is a gold answer: 'Ann'",
        ),
        (
            squad(asked(is_impossible=False, answers=[])),
            QA + ": is_impossible is false, and there is no gold answer",
        ),
    ],
)
def test_what_is_wrong_in_squads_layout_is_named_with_its_place(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "bad.json", value)


def test_a_context_of_a_million_characters_is_refused_with_the_cure(tmp_path):
    message = r"paragraphs\[0\]: the context has 1,000,000 characters.* Cut it into passages"
    with pytest.raises(DataError, match=message):
        read(tmp_path / "long.json", squad(asked(), context="a " * 500_000))
    assert len(read(tmp_path / "most.json", squad(asked(), context="a" * MAX_CONTEXT_CHARACTERS)))


def test_tables_have_a_row_for_each_question(tmp_path):
    text = "question\tcontext\tanswer\tanswer_start\nWho?\tAnn did.\tAnn\t0\nWhy?\tAnn did.\t\t\n"
    first, second = read(tmp_path / "dev.tsv", text)
    assert first == Question("Who?", "Ann did.", "1", (Gold("Ann", 0),), line=2, place="line 2")
    assert (second.id, second.answers, second.line) == ("2", (), 3)


def test_tables_of_several_gold_answers_and_other_names(tmp_path):
    answers = {"text": ["Ann", "Ann Lee"], "answer_start": [0, 0]}
    row = {"key": 4, "query": "Who?", "text": TEXT, "answers": answers}
    columns = {"id": "key", "question": "query", "context": "text"}
    (found,) = read(tmp_path / "a.jsonl", row, columns=columns, keep_rows=True)
    assert (found.id, found.answers) == ("4", (Gold("Ann", 0), Gold("Ann Lee", 0)))
    assert found.row == row
    (bare,) = read(tmp_path / "b.jsonl", {"question": "Who?", "context": TEXT}, needs_labels=False)
    assert bare.answers is None


ROW = {"question": "Who?", "context": TEXT, "answer": "Ann", "answer_start": 0}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "Who?", "context": TEXT}], r"column 'answer': no such column.*answer=NAME"),
        ([{**ROW, "contex": "", "context": ""}], r":1 column 'context': the text is empty"),
        ([{**ROW, "question": 3}], r":1 column 'question': a text is expected, found int 3"),
        ([{**ROW, "id": "a"}, {**ROW, "id": "a"}], r":2 column 'id': the id 'a' is that of line 1"),
        ([{**ROW, "id": [1]}], r"column 'id': a text or a whole number is expected"),
        ([{**ROW, "answer": ""}], r"column 'answer': there is none, and answer_start says 0"),
        ([{**ROW, "id": ""}], r"column 'id': a text or a whole number is expected, found ''"),
        ([{**ROW, "id": True}], r"column 'id': a text or a whole number is expected, found True"),
        ([{**ROW, "answer_start": "x"}], r"column 'answer_start': a whole number is expected"),
        ([{**ROW, "answer_start": "9" * 5000}], r"column 'answer_start': a whole number is expec"),
        ([{**ROW, "answer": 3}], r"column 'answer': a text is expected, found int 3"),
        ([{**ROW, "answers": {"text": ["a"]}}], r"column 'answers': an object with as many texts"),
        ([{**ROW, "is_impossible": True}], r"column 'is_impossible': is_impossible is true, and"),
        ([{**ROW, "context": "a" * 200_001}], r"column 'context': the context has 200,001"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_line_and_column(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "bad.jsonl", "\n".join(json.dumps(row) for row in rows))


def test_layouts_and_roles_that_are_not_known_are_refused():
    with pytest.raises(ConfigError, match=r"Unknown format 'squat'. Did you mean 'squad'\?"):
        find_reader("squat", None)
    with pytest.raises(ConfigError, match=r"unknown role 'contexts'. Did you mean 'context'\?"):
        find_reader(None, "contexts=text")
    with pytest.raises(ConfigError, match="--columns names columns, of which SQuAD's JSON"):
        list(find_reader(None, "question=q").read(Path("dev.json")))


def test_the_nearest_occurrence_is_found():
    text = "Lee saw Lee and Lee"
    assert find_answer(text, Gold("Lee", 8)) == 8
    assert find_answer(text, Gold("Lee", 7)) == 8
    assert find_answer(text, Gold("Lee", 12)) == 8  # 4 from either: the earlier one
    assert find_answer(text, Gold("Lee", 13)) == 16
    assert find_answer(text, Gold("Lee", -1)) == find_answer(text, Gold("Lee")) == 0
    assert find_answer(text, Gold("Lee", 99)) == 16
    assert find_answer(text, Gold("Ann", 0)) is None


@given(st.text("ab", max_size=12), st.text("ab", min_size=1, max_size=3), st.integers(0, 14))
def test_no_other_occurrence_is_nearer(text, answer, start):
    places = [i for i in range(len(text)) if text.startswith(answer, i)]
    nearest = min(places, key=lambda i: (abs(i - start), i), default=None)
    assert find_answer(text, Gold(answer, start)) == nearest
