"""Tagging from files to files: fine-tuned, judged, answered, loaded by others."""

import json

import numpy as np
import pytest
import torch

import gloze
from gloze.cli import main
from gloze.core.errors import ConfigError, DataError
from gloze.tasks.sentences import find_reader
from tests import small
from tests.verbs.labelled import FAST, model_folder

KINDS = {"the cat": "ANI", "a small dog": "ANI", "my sister": "PER", "our teacher": "PER"}


def sentences(count, seed=0):
    """Words and IOB2 tags whose subject is an entity."""
    draw = np.random.default_rng(seed)
    for _ in range(count):
        subject = draw.choice(list(KINDS))
        words, kind = subject.split(), KINDS[subject]
        rest = f"{draw.choice(small.VERBS)} {draw.choice(small.OBJECTS)} .".split()
        tags = [f"B-{kind}", *[f"I-{kind}"] * (len(words) - 1)]
        yield words + rest, tags + ["O"] * len(rest)


def write_conll(path, count, seed=0, document_every=0):
    blocks = []
    for number, (words, tags) in enumerate(sentences(count, seed)):
        if document_every and number % document_every == 0:
            blocks.append("-DOCSTART- -X- O\n")
        lines = [f"{word} X {tag}\n" for word, tag in zip(words, tags, strict=True)]
        blocks.append("".join(lines))
    path.write_text("\n".join(blocks), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, and its dev file."""
    folder = tmp_path_factory.mktemp("tagging")
    result = gloze.finetune(
        "tagging",
        model=model_folder(folder / "model"),
        train=write_conll(folder / "train.conll", 150),
        dev=write_conll(folder / "dev.conll", 30, seed=1, document_every=10),
        output=folder / "run",
        settings=FAST,
    )
    return result, folder / "dev.conll"


def test_entities_are_learned_and_said_by_name(trained):
    result, dev = trained
    figures = result.best.figures["dev"]
    assert figures["f1"] > 0.9
    assert result.metric == "f1"
    text = str(result)
    assert "f1_strict" in text
    evaluated = gloze.evaluate(result.path, dev)
    assert evaluated.figures["-"]["f1"] == figures["f1"]
    assert "ANI" in str(evaluated)
    assert "recall" in str(evaluated)


def test_a_written_file_has_one_more_column_and_the_figures_of_evaluate(trained, tmp_path):
    result, dev = trained
    gloze.predict(result.path, dev, output=tmp_path / "out.conll")
    before, after = dev.read_text().split("\n"), (tmp_path / "out.conll").read_text().split("\n")
    assert [line.rsplit(" ", 1)[0] if line else line for line in after] == before
    assert after[0] == "-DOCSTART- -X- O O"
    gold, said = (
        [s.tags for s in find_reader(None, f"tag={n}").read(tmp_path / "out.conll")] for n in (2, 3)
    )
    seqeval = pytest.importorskip("seqeval.metrics")
    expected = seqeval.f1_score([list(t) for t in gold], [list(t) for t in said])
    assert expected == pytest.approx(result.best.figures["dev"]["f1"])


def test_what_stands_after_the_last_sentence_is_written_too(trained, tmp_path):
    text = "the X\ncat X\n\n\nmy X\n\n-DOCSTART- -X-\n\n"
    (tmp_path / "in.conll").write_text(text)
    gloze.predict(trained[0].path, tmp_path / "in.conll", output=tmp_path / "out.conll")
    lines = (tmp_path / "out.conll").read_text().split("\n")
    assert [line.rsplit(" ", 1)[0] if line else line for line in lines] == text.split("\n")


def test_a_cross_validation_does_not_tear_documents_apart(trained, tmp_path):
    result, dev = trained
    with pytest.raises(ConfigError, match=r"--folds deals sentences out one by one.*context=sent"):
        gloze.finetune(
            "tagging",
            model=result.path.parent / "model",
            train=dev,
            output=tmp_path / "run",
            folds=2,
            settings=[*FAST, "task.context=document"],
        )


def test_a_table_has_words_tags_probabilities_and_entities(trained, tmp_path):
    result, dev = trained
    gloze.predict(result.path, dev, output=tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert list(rows[0]) == ["words", "tags", "predicted_tags", "probabilities", "entities"]
    answers = result.predict([row["words"] for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert row["predicted_tags"] == list(answer.tags)
        assert row["entities"] == [entity._asdict() for entity in answer.entities]
    again = gloze.predict(result.path, tmp_path / "out.jsonl", output=tmp_path / "x.conll")
    assert again.examples == len(rows)
    lines = (tmp_path / "x.conll").read_text().splitlines()
    assert lines[0] == f"{rows[0]['words'][0]}\t{rows[0]['predicted_tags'][0]}"


def test_text_and_words_are_answered_alike(trained):
    result, _ = trained
    text, words = result.predict(
        ["our teacher sees warm bread .", ["our", "teacher", "sees", "warm", "bread", "."]]
    )
    assert text == words
    assert [(e.type, e.text, e.start, e.end) for e in text.entities] == [
        ("PER", "our teacher", 0, 2)
    ]


def test_columns_of_words_alone_are_answered(trained, tmp_path):
    result, _ = trained
    (tmp_path / "new.txt").write_text("our\nteacher\n\nthe\ncat\n")
    gloze.predict(result.path, tmp_path / "new.txt", output=tmp_path / "out.txt")
    text = (tmp_path / "out.txt").read_text()
    assert text == "our B-PER\nteacher I-PER\n\nthe B-ANI\ncat I-ANI\n"


def test_nothing_is_written_where_an_answer_cannot_be(trained, tmp_path):
    result, _ = trained
    (tmp_path / "a.jsonl").write_text(json.dumps({"words": ["a\tb"]}))
    with pytest.raises(DataError, match=r"holds a tab or a line break.*Write \.jsonl"):
        gloze.predict(result.path, tmp_path / "a.jsonl", output=tmp_path / "out.conll")
    assert not (tmp_path / "out.conll").exists()


@pytest.mark.parametrize(
    "settings",
    [
        ("task.crf=true",),
        ("task.context=document", "task.train_scheme=bioes", "task.constrained=decoding"),
        ("readout.lstm_layers=1", "readout.lstm_size=16", "task.max_length=8"),
    ],
    ids=["crf", "document", "lstm"],
)
def test_the_other_ways_are_learned_saved_and_loaded(tmp_path, settings):
    result = gloze.finetune(
        "tagging",
        model=model_folder(tmp_path / "model"),
        train=write_conll(tmp_path / "train.conll", 150, document_every=5),
        dev=write_conll(tmp_path / "dev.conll", 30, seed=1, document_every=5),
        output=tmp_path / "run",
        settings=[*FAST, *settings],
    )
    assert result.best.figures["dev"]["f1"] > 0.5
    loaded = gloze.evaluate(result.path, tmp_path / "dev.conll").figures["-"]
    assert loaded == result.best.figures["dev"]


def test_tags_that_are_no_chunks_are_judged_by_accuracy(tmp_path):
    result = gloze.finetune(
        "tagging",
        model=model_folder(tmp_path / "model"),
        train=write_conll(tmp_path / "train.conll", 60),
        dev=write_conll(tmp_path / "dev.conll", 10, seed=1),
        output=tmp_path / "run",
        settings=[*FAST, "task.scheme=none"],
    )
    assert result.metric == "accuracy"
    assert result.labels == sorted(["O", "B-ANI", "I-ANI", "B-PER", "I-PER"])
    assert set(result.best.figures["dev"]["types"]) <= set(result.labels)


def test_text_is_segmented_and_judged_by_words(tmp_path):
    texts = [" ".join(words) for words, _ in sentences(120)]
    (tmp_path / "train.txt").write_text("\n".join(texts[:100]))
    (tmp_path / "dev.txt").write_text("\n".join(texts[100:]) + "\n")
    result = gloze.finetune(
        "tagging",
        model=model_folder(tmp_path / "model"),
        train=tmp_path / "train.txt",
        dev=tmp_path / "dev.txt",
        output=tmp_path / "run",
        format="cws",
        settings=[*FAST, "task.max_length=30"],
    )
    assert result.metric == "f1"
    gloze.predict(result.path, tmp_path / "dev.txt", output=tmp_path / "out.txt", format="cws")
    gold = (tmp_path / "dev.txt").read_text().splitlines()
    said = (tmp_path / "out.txt").read_text().splitlines()
    assert [t.replace(" ", "") for t in said] == [t.replace(" ", "") for t in gold]

    def spans(line):
        ends = np.cumsum([len(word) for word in line.split()])
        return set(zip(ends - [len(word) for word in line.split()], ends, strict=True))

    right = sum(len(spans(a) & spans(b)) for a, b in zip(gold, said, strict=True))
    counts = [sum(len(line.split()) for line in lines) for lines in (gold, said)]
    assert result.best.figures["dev"]["f1"] == pytest.approx(2 * right / sum(counts))
    assert result.predict(["thecat"])[0].segmented.replace(" ", "") == "thecat"
    rows = gloze.predict(
        result.path, tmp_path / "dev.txt", output=tmp_path / "out.jsonl", format="cws"
    )
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert (rows.examples, first["segmented"]) == (20, said[0])


def test_breaches_are_refused_where_a_person_wants_it(tmp_path):
    (tmp_path / "train.conll").write_text("a B-PER\nb O\nc I-PER\n\nd B-PER\ne I-PER\n")
    with pytest.raises(DataError, match=r"train\.conll:3: I-PER follows O, which iob2"):
        gloze.finetune(
            "tagging",
            model=model_folder(tmp_path / "model"),
            train=tmp_path / "train.conll",
            output=tmp_path / "run",
            settings=[*FAST, "task.breaches=refuse"],
        )
    assert not (tmp_path / "run").exists()


def test_unknown_layouts_are_refused(trained, tmp_path):
    result, dev = trained
    with pytest.raises(ConfigError, match=r"--to glue"):
        gloze.predict(result.path, dev, output=tmp_path / "out.conll", to="glue")


def test_the_command_line_does_the_same(trained, tmp_path):
    result, dev = trained
    out = tmp_path / "out.conll"
    command = ["predict", str(result.path), "--data", str(dev), "-o", str(out)]
    assert main([*command, "--columns", "word=0,tag=2"]) == 0
    gloze.predict(result.path, dev, output=tmp_path / "python.conll")
    assert out.read_bytes() == (tmp_path / "python.conll").read_bytes()


@pytest.mark.slow
def test_a_graph_has_the_scores_of_every_token(trained, tmp_path):
    pytest.importorskip("onnxruntime")
    result, dev = trained
    exported = gloze.export(result.model, output=tmp_path / "graph", texts=dev)
    assert exported.agreement["same_answers"] == 1
    assert exported.agreement["largest_difference"] < 1e-5


def test_conllu_is_written_back_with_all_its_lines(trained, tmp_path):
    result, _ = trained
    rest = "\t_" * 8
    lines = [
        "# text = our teachers",
        f"1-2\tourteacher{rest}",
        f"1\tour{rest}",
        f"2\tteacher{rest}",
    ]
    (tmp_path / "a.conllu").write_text("\n".join([*lines, f"2.1\tx{rest}", "", ""]))
    gloze.predict(result.path, tmp_path / "a.conllu", output=tmp_path / "out.conllu")
    said = (tmp_path / "out.conllu").read_text().splitlines()
    assert said == [*lines[:2], f"{lines[2]}\tB-PER", f"{lines[3]}\tI-PER", f"2.1\tx{rest}", ""]


def test_transformers_gives_the_same_scores(trained):
    transformers = pytest.importorskip("transformers")
    result, _ = trained
    theirs = transformers.BertForTokenClassification.from_pretrained(result.model).eval()
    assert list(theirs.config.id2label.values()) == result.labels
    judged = result.loaded.judge(result.loaded.task.take(["our teacher sees a window", "the cat"]))
    encoded, rows = judged.encoded, iter(judged.rows)
    for start, length in zip(encoded.starts, encoded.all_lengths, strict=True):
        ids = torch.tensor(encoded.input_ids[start : start + length][None]).long()
        with torch.inference_mode():
            logits = theirs(ids).logits[0]
        asked = encoded.positions[(encoded.positions >= start)] - start
        for position in asked[asked < length]:
            np.testing.assert_allclose(next(rows), logits[position], atol=1e-4)
    assert next(rows, None) is None


def test_a_model_of_transformers_is_judged_and_answers(trained, tmp_path):
    transformers = pytest.importorskip("transformers")
    result, dev = trained
    theirs = transformers.BertForTokenClassification.from_pretrained(result.model)
    theirs.save_pretrained(tmp_path / "theirs")
    transformers.AutoTokenizer.from_pretrained(result.model).save_pretrained(tmp_path / "theirs")
    values = json.loads((tmp_path / "theirs/config.json").read_text())
    del values["gloze"]
    (tmp_path / "theirs/config.json").write_text(json.dumps(values))
    figures = gloze.evaluate(tmp_path / "theirs", dev).figures["-"]
    assert figures["f1"] == result.best.figures["dev"]["f1"]
    assert figures["loss"] == pytest.approx(result.best.figures["dev"]["loss"], abs=1e-4)
