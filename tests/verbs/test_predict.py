"""Predicting and evaluating: columns and order kept, whole files or none, every seed judged."""

import csv
import json

import pyarrow.parquet as pq
import pytest

from gloze import cli
from gloze.checkpoint import find_model
from gloze.core.errors import ConfigError, DataError
from gloze.verbs.evaluate import evaluate
from gloze.verbs.finetune import finetune
from gloze.verbs.predict import predict
from tests.verbs import labelled


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    return finetune(
        "classification",
        model=labelled.model_folder(folder / "model"),
        train=labelled.write_tsv(folder / "train.tsv", 48, seed=1),
        dev=labelled.write_tsv(folder / "dev.tsv", 16, seed=2),
        output=folder / "run",
        seeds=2,
        settings=labelled.FAST,
    )


@pytest.fixture
def texts(tmp_path):
    content = [(f"{i}", text) for i, (text, _) in enumerate(labelled.rows(40, seed=7))]
    content[3] = ("3", "the cat")
    path = tmp_path / "new.tsv"
    path.write_text("id\ttext\n" + "".join(f"{i}\t{text}\n" for i, text in content))
    return path, content


def test_columns_and_order_are_kept_and_answers_added(tuned, texts, tmp_path):
    path, content = texts
    summary = predict(tuned.path, path, output=tmp_path / "out.tsv")
    with (tmp_path / "out.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert list(rows[0]) == [
        "id",
        "text",
        "predicted_label",
        "probability_animal",
        "probability_person",
    ]
    assert [(row["id"], row["text"]) for row in rows] == content
    answers = tuned.predict([text for _, text in content])
    assert [row["predicted_label"] for row in rows] == [answer.label for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        assert float(row["probability_animal"]) == pytest.approx(answer.probabilities["animal"])
    assert summary.examples == sum(summary.answers.values()) == 40
    assert summary.model == tuned.model


def test_a_submission_to_glue_numbers_the_answers_from_0(tuned, texts, tmp_path, monkeypatch):
    path, content = texts
    # Blocks are smaller than the file: the numbers go on.
    monkeypatch.setattr("gloze.tasks.task.Task.AT_ONCE", 16)
    predict(tuned.path, path, output=tmp_path / "out.tsv", to="glue")
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    answers = tuned.predict([text for _, text in content])
    assert lines == [
        "index\tprediction",
        *(f"{number}\t{answer.label}" for number, answer in enumerate(answers)),
    ]


def test_a_layout_no_task_writes_is_refused(tuned, texts, tmp_path):
    with pytest.raises(ConfigError, match=r"--to gleu: Did you mean 'glue'\?.*writes table, glue"):
        predict(tuned.path, texts[0], output=tmp_path / "out.tsv", to="gleu")
    with pytest.raises(ConfigError, match=r"a submission to GLUE is a \.tsv file"):
        predict(tuned.path, texts[0], output=tmp_path / "out.csv", to="glue")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_suffix_chooses_the_kind_of_file(tuned, texts, tmp_path, suffix):
    output = tmp_path / f"out{suffix}"
    predict(tuned.path, texts[0], output=output)
    if suffix == ".csv":
        with output.open(encoding="utf-8", newline="") as file:
            found = [row["text"] for row in csv.DictReader(file)]
    elif suffix == ".jsonl":
        found = [json.loads(line)["text"] for line in output.read_text().splitlines()]
    else:
        found = pq.read_table(output).column("text").to_pylist()
    assert found == [text for _, text in texts[1]]


def test_a_column_of_parquet_may_be_empty_in_the_first_rows(tuned, tmp_path, monkeypatch):
    monkeypatch.setattr("gloze.tasks.task.Task.AT_ONCE", 2)
    notes = [None, None, None, "x", None]
    rows = [json.dumps({"text": "the cat", "note": note}) for note in notes]
    (tmp_path / "new.jsonl").write_text("\n".join(rows))
    predict(tuned.path, tmp_path / "new.jsonl", output=tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column("note").to_pylist() == notes


def test_a_fault_far_down_leaves_no_file(tuned, texts, tmp_path):
    path, _ = texts
    path.write_text(path.read_text() + "40\n")
    with pytest.raises(DataError, match=r"new\.tsv:42 column 'text': too few fields"):
        predict(tuned.path, path, output=tmp_path / "out.tsv")
    assert {found.name for found in tmp_path.iterdir()} == {"new.tsv"}


def test_what_cannot_be_written_is_refused_before_work(tuned, texts, tmp_path):
    with pytest.raises(ConfigError, match="must end in"):
        predict(tuned.path, texts[0], output=tmp_path / "out.xlsx")
    (tmp_path / "out.tsv").touch()
    with pytest.raises(ConfigError, match="--force"):
        predict(tuned.path, texts[0], output=tmp_path / "out.tsv")
    predict(tuned.path, texts[0], output=tmp_path / "out.tsv", force=True)
    with pytest.raises(DataError, match=r"column 'predicted_label': .*already"):
        predict(tuned.path, tmp_path / "out.tsv", output=tmp_path / "again.tsv")


def test_the_file_that_is_answered_is_never_replaced(tuned, texts):
    before = texts[0].read_bytes()
    with pytest.raises(ConfigError, match=r"reads .*new\.tsv, and would write over it"):
        predict(tuned.path, texts[0], output=texts[0], force=True)
    assert texts[0].read_bytes() == before


def test_a_folder_without_a_classifier_is_refused(tuned, texts, tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        predict(tmp_path / "none", texts[0], output=tmp_path / "out.tsv")
    base = tuned.path.parent / "model"
    with pytest.raises(DataError, match="not a model of a task"):
        predict(base, texts[0], output=tmp_path / "out.tsv")


def test_what_is_cut_or_unknown_is_reported(tuned, tmp_path):
    rows = ["the cat " * 200 + "\tanimal", "\u8b1d\u8b1d \u8b1d\tperson"]
    path = tmp_path / "odd.tsv"
    path.write_text("\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8")
    answered = predict(tuned.path, path, output=tmp_path / "out.tsv")
    judged = evaluate(tuned.path, path)
    for result in (answered, judged):
        assert "examples were cut (50.00%)" in str(result)
        assert "of tokens are unknown" in str(result)
        assert "1 examples have unknown tokens alone" in str(result)
        assert result.to_dict()["encoding"]["truncated_share"] == 0.5
        assert result.to_dict()["encoding"]["unknown_share"] == pytest.approx(3 / 37)


def test_python_takes_texts_and_pairs_and_nothing_else(tuned):
    for wrong in (None, 3, ("a", "b", "c"), ("a", None), ()):
        with pytest.raises(ConfigError, match="texts, or pairs of texts"):
            tuned.predict([wrong])


def test_a_model_of_several_seeds_is_its_best(tuned):
    assert find_model(tuned.path) == tuned.model


def test_evaluate_judges_every_seed(tuned):
    result = evaluate(tuned.path, tuned.path.parent / "dev.tsv")
    assert list(result.figures) == ["0", "1"]
    for seed in tuned.seeds:
        assert result.figures[str(seed.seed)] == seed.figures["dev"]
    assert result.to_dict()["accuracy"] == tuned.to_dict()["dev"]["accuracy"]
    assert "std" in str(result)


def test_evaluate_and_predict_on_the_command_line(tuned, texts, tmp_path, capsys):
    dev = tuned.path.parent / "dev.tsv"
    assert cli.main(["evaluate", str(tuned.path), "--data", str(dev), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["accuracy"] == tuned.to_dict()["dev"]["accuracy"]
    words = ["predict", str(tuned.path), "--data", str(texts[0]), "-o", str(tmp_path / "o.csv")]
    assert cli.main(words) == 0
    assert "Answered 40 examples" in capsys.readouterr().out
    assert cli.main(["evaluate", str(tuned.path), "--data", str(texts[0])]) == 3
    assert "'label': no such column" in capsys.readouterr().err


def test_a_sentence_of_a_million_characters_is_cut_and_counted(tuned, tmp_path, capsys):
    path = tmp_path / "long.tsv"
    path.write_text(f"text\nthe cat\n{'warm bread ' * 90_000}\n", encoding="utf-8")
    summary = predict(tuned.path, path, output=tmp_path / "out.tsv")
    assert summary.encoding["truncated"] == 1
    assert "input: 1 of 2 examples were cut (50.00%)." in str(summary)
    path.write_text(f"text\nthe cat\n{'x' * (1 << 20)}x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"long\.tsv:3: over 1,048,576 bytes"):
        predict(tuned.path, path, output=tmp_path / "other.tsv")
