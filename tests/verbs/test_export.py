"""``gloze export``: a graph that runs elsewhere and gives the model's vectors."""

import json

import numpy as np
import pytest
import tokenizers
import torch
from torch import nn

import gloze
from gloze.checkpoint import load_parts, save_model
from gloze.cli import main
from gloze.config.build import build_learner
from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.core.files import write_json
from gloze.interop import onnx as graphs
from gloze.nn.pooling import TextVectors
from gloze.nn.readout import Readout, ReadoutConfig
from gloze.tasks.agreement import answers_agree
from gloze.verbs import export as verb
from gloze.verbs import export_subject
from tests.small import recipe, tokenizer
from tests.verbs import labelled

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TEXTS = ["The bank raised its rates.", "A river", "The river has a bank."]
# PyTorch's own, of its own parts.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m"
    _, learner = build_learner(recipe("encoder.initializer_range=0.2"), tokenizer())
    save_model(folder, learner, tokenizer(), card="")
    return folder


def vectors(folder, sequences, output="embeddings"):
    """The graph's vectors of some sequences, padded to one rectangle."""
    ids = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
    session = runtime.InferenceSession(str(folder / "model.onnx"))
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return session.run([output], given)[0]


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_graph_gives_the_vectors_of_the_model_for_padded_texts(model, tmp_path, pooling):
    result = gloze.export(model, output=tmp_path / "e", pooling=pooling, texts=TEXTS)
    assert result.agreement["lowest_cosine"] > 0.999999
    source = gloze.load(model)
    found = vectors(tmp_path / "e", source.sequences(TEXTS))
    assert np.abs(found - source.encode(TEXTS, pooling=pooling)).max() < 1e-5


def test_an_exported_folder_has_its_tokenizer_and_tells_what_it_is(model, tmp_path):
    gloze.export(model, output=tmp_path / "e", texts=TEXTS)
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert note["inputs"] == ["input_ids", "attention_mask", "token_type_ids"]
    assert (note["output"], note["pooling"], note["texts"]) == ("embeddings", "mean", 3)
    known = gloze.load_tokenizer(tmp_path / "e")
    assert known.fingerprint == gloze.load(model).tokenizer.fingerprint


def test_a_graph_gives_what_a_folder_of_sentence_transformers_gives(model, tmp_path, capsys):
    tuned = tmp_path / "tuned"
    gloze.convert(model, output=tuned, to="sentence-transformers", normalize=True)
    write_json(tuned / "sentence_bert_config.json", {"max_seq_length": 9, "do_lower_case": False})
    note = {"prompts": {"q": "the cat: "}, "default_prompt_name": "q"}
    write_json(tuned / "config_sentence_transformers.json", note)
    (tuned / "manifest.json").unlink(missing_ok=True)
    texts = [*TEXTS, "the cat sees warm bread. my sister paints a long river."]
    result = gloze.export(tuned, output=tmp_path / "e", texts=texts)
    assert (result.normalize, result.max_length, result.prompt) == (True, 9, "the cat: ")
    assert "'the cat: '" in str(result)
    assert "of 4 texts were cut at 9 tokens" in capsys.readouterr().err
    source = gloze.load(tuned)
    tokenize = tokenizers.Tokenizer.from_file(str(tmp_path / "e" / "tokenizer.json"))
    about = json.loads((tmp_path / "e" / "export.json").read_text())
    tokenize.enable_truncation(about["max_length"])
    ids = [tokenize.encode(about["prompt"] + text).ids for text in TEXTS]
    with pytest.warns(UserWarning, match="were cut"):
        expected = source.encode(TEXTS)
    assert np.abs(vectors(tmp_path / "e", ids) - expected).max() < 1e-5
    assert np.allclose(np.linalg.norm(expected, axis=1), 1)


def test_a_bound_over_the_positions_is_not_told_of_the_graph(model, tmp_path):
    tuned = tmp_path / "tuned"
    gloze.convert(model, output=tuned, to="sentence-transformers")
    write_json(tuned / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    (tuned / "manifest.json").unlink(missing_ok=True)
    assert gloze.export(tuned, output=tmp_path / "e", texts=TEXTS).max_length == 32


def test_numbers_of_any_size_are_exported(tmp_path):
    labelled.model_folder(tmp_path / "model")
    rows = [
        f"{text}\t{400_000 if label == 'animal' else 900_000}\n"
        for text, label in labelled.rows(32)
    ]
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + "".join(rows))
    done = gloze.finetune(
        "regression",
        model=tmp_path / "model",
        train=tmp_path / "train.tsv",
        output=tmp_path / "run",
        settings=labelled.FAST,
    )
    result = gloze.export(done.path, output=tmp_path / "e")
    assert result.agreement["same_answers"] == 1
    assert result.agreement["largest_difference"] < 1e-4


def test_a_real_model_in_8_bits_points_where_it_did_and_takes_a_third_of_the_space(
    minilm, tmp_path, capsys
):
    assert main(["export", str(minilm), "-o", str(tmp_path / "e"), "--precision", "int8"]) == 0
    told = capsys.readouterr().out
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert f"lowest cosine {note['agreement']['lowest_cosine']:.4f}" in told
    assert 0.98 <= note["agreement"]["lowest_cosine"] < note["agreement"]["mean_cosine"] < 1
    assert note["agreement"]["lowest_in_batches"] >= 0.98
    assert note["kept"] == 0
    assert note["megabytes"] < 91 / 3
    others = ["Coffee was grown in the hills.", "He never did like his brother's house."]
    source = gloze.load(minilm)
    exact, found = source.encode(others), vectors(tmp_path / "e", source.sequences(others))
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(found, axis=1)
    assert ((exact * found).sum(1) / norms).min() > 0.97


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_graph_that_does_not_agree_is_not_written(model, tmp_path, monkeypatch, precision):
    monkeypatch.setitem(verb.LEAST, precision, 1.1)
    with pytest.raises(DataError, match=rf"{precision} graph does not agree.*Nothing was written"):
        gloze.export(model, output=tmp_path / "e", precision=precision, texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_as_few_layers_as_it_takes_are_kept(model, tmp_path, monkeypatch):
    tried = []

    def written(path, output, *, kept=0):
        tried.append(kept)
        graphs.write_int8(path, output, kept=kept)

    monkeypatch.setattr(verb, "write_int8", written)
    found = iter([0.9, 0.5, 0.9, 0.85])
    monkeypatch.setattr(export_subject, "cosines", lambda *_: np.array([next(found)]))
    monkeypatch.setitem(verb.LEAST, "int8", 0.8)
    result = gloze.export(model, output=tmp_path / "e", precision="int8", texts=TEXTS)
    assert (tried, result.kept) == ([0, 1], 1)
    assert result.agreement["lowest_cosine"] == 0.9
    assert result.agreement["lowest_in_batches"] == 0.85


def test_layers_that_are_kept_are_not_in_8_bits(model, tmp_path):
    onnx = pytest.importorskip("onnx")
    encoder = load_parts(model).encoder
    graphs.write_graph(encoder, tmp_path / "f.onnx", end=TextVectors("mean"), level=True)
    held = []
    for kept in (0, 1):
        graphs.write_int8(tmp_path / "f.onnx", tmp_path / "q.onnx", kept=kept)
        graph = onnx.load(tmp_path / "q.onnx").graph
        held.append({each.name for each in graph.initializer if each.data_type == 1})
    assert any("layers.0.output.weight" in n and "scale" not in n for n in held[1])
    assert not any("layers.0.output.weight" in n and "scale" not in n for n in held[0])


def test_products_on_one_level_are_the_same():
    torch.manual_seed(0)
    plain = torch.nn.Linear(16, 8)
    x = torch.randn(5, 16)
    x[2] = 0
    assert torch.allclose(graphs._LevelLinear(plain)(x), plain(x), atol=1e-6)


def test_what_cannot_be_exported_is_refused(model, tmp_path, monkeypatch):
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    for call, error, message in (
        ({"precision": "int4"}, ConfigError, "one of float32, int8"),
        ({"pooling": "sum"}, ConfigError, "one of mean, cls, max"),
        ({"texts": tmp_path / "none.txt"}, DataError, "none.txt: no such file"),
        ({"texts": tmp_path / "blank.txt"}, DataError, "no text to compare"),
        ({"texts": tmp_path / "latin.txt"}, DataError, "not UTF-8"),
        ({"output": tmp_path}, ConfigError, "exists already"),
        ({"output": model, "force": True}, ConfigError, "which gloze does not write there"),
    ):
        with pytest.raises(error, match=message):
            gloze.export(model, **{"output": tmp_path / "e", "texts": TEXTS, **call})
    one_way = build_learner(recipe(), tokenizer())[1].encoder
    object.__setattr__(one_way.config, "direction", "left_to_right")
    with pytest.raises(ConfigError, match="this one is left_to_right"):
        graphs.write_graph(one_way, tmp_path / "m.onnx", end=TextVectors("mean"))
    monkeypatch.setattr(graphs, "_PACKAGES", ("no_such_package",))
    with pytest.raises(MissingExtraError, match=r"gloze\[export\]"):
        gloze.export(model, output=tmp_path / "e", texts=TEXTS)
    assert not (tmp_path / "e").exists()


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    return gloze.finetune(
        "classification",
        model=labelled.model_folder(folder / "model"),
        train=labelled.write_tsv(folder / "train.tsv", 32, seed=1),
        output=folder / "run",
        settings=labelled.FAST,
    )


def test_a_fine_tuned_model_is_exported_with_its_head(tuned, tmp_path):
    result = gloze.export(tuned.model, output=tmp_path / "e")
    assert result.task == "classification"
    assert result.agreement["same_answers"] == 1
    assert result.agreement["largest_difference"] < 1e-5
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert note["output"] == "logits"
    texts = ["the cat sees warm bread.", "my sister", "our teacher paints a long river."]
    ids = [tuned.loaded.tokenizer.encode([text])[0] for text in texts]
    specials = tuned.loaded.tokenizer.cls_id, tuned.loaded.tokenizer.sep_id
    sequences = [np.r_[specials[0], each, specials[1]] for each in ids]
    found = torch.tensor(vectors(tmp_path / "e", sequences, "logits")).softmax(-1)
    for row, answer in zip(found.tolist(), tuned.predict(texts), strict=True):
        assert row == pytest.approx(list(answer.probabilities.values()), abs=1e-5)


def test_a_fine_tuned_model_gives_vectors_if_they_are_asked_for(tuned, tmp_path):
    result = gloze.export(tuned.model, output=tmp_path / "e", pooling="mean", texts=TEXTS)
    assert (result.task, result.pooling) == (None, "mean")


def test_examples_to_compare_on_are_read_as_the_task_reads_them(tuned, tmp_path):
    path = labelled.write_tsv(tmp_path / "own.tsv", 5, seed=3)
    assert gloze.export(tuned.model, output=tmp_path / "e", texts=path).texts == 5


def test_answers_that_differ_are_found(tuned):
    model = tuned.loaded
    judged = model.judge(model.task.take(["the cat", "my sister"]))

    def turned(batch):
        return -model.head.scores(model.encoder(batch), batch)

    with torch.no_grad():
        same, far = answers_agree(model, judged, turned)
    assert same == 0
    assert far > 0.01


def test_a_head_a_graph_cannot_hold_is_refused(tuned, tmp_path):
    reads = Readout([32] * 3, ReadoutConfig(lstm_layers=1, lstm_size=8))
    head = nn.Module()
    head.readout, head.output = reads, nn.Linear(16, 2)
    with pytest.raises(ConfigError, match="A BiLSTM over the encoder"):
        graphs.write_graph(tuned.loaded.encoder, tmp_path / "m.onnx", end=head)
    head.readout, head.crf = Readout([32] * 3, ReadoutConfig()), nn.Linear(1, 1)
    with pytest.raises(ConfigError, match=r"The chain of tags \(task.crf\)"):
        graphs.write_graph(tuned.loaded.encoder, tmp_path / "m.onnx", end=head)


def test_a_mix_of_layers_is_inside_the_graph(tmp_path):
    folder = tmp_path
    run = gloze.finetune(
        "classification",
        model=labelled.model_folder(folder / "model"),
        train=labelled.write_tsv(folder / "train.tsv", 32, seed=1),
        output=folder / "run",
        settings=[*labelled.FAST, "readout.layers=all", "readout.combine=mix"],
    )
    result = gloze.export(run.model, output=tmp_path / "e")
    assert result.agreement["largest_difference"] < 1e-5


def test_a_graph_of_cut_texts_gives_the_answers_of_predict(tuned, tmp_path):
    transformers = pytest.importorskip("transformers")
    gloze.export(tuned.model, output=tmp_path / "e", texts=TEXTS)
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert note["max_length"] == 32
    assert "long_text" not in note
    text = "the cat sees " + "a long river. " * 40 + "my sister"
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "e")
    sequence = theirs(text, truncation=True)["input_ids"]
    assert len(sequence) == 32
    found = torch.tensor(vectors(tmp_path / "e", [sequence], "logits")).softmax(-1)
    [answer] = tuned.predict([text])
    assert found[0].tolist() == pytest.approx(list(answer.probabilities.values()), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["task.long_text=head_tail"], {"long_text": "head_tail"}),
        (
            ["task.long_text=windows", "task.stride=10", "task.window_pooling=max"],
            {"long_text": "windows", "stride": 10, "max_windows": 16, "window_pooling": "max"},
        ),
    ],
)
def test_how_long_texts_are_cut_is_told_where_no_graph_does_it(tmp_path, settings, told):
    run = gloze.finetune(
        "classification",
        model=labelled.model_folder(tmp_path / "model"),
        train=labelled.write_tsv(tmp_path / "train.tsv", 8, seed=1),
        output=tmp_path / "run",
        settings=[*labelled.FAST, "training.epochs=1", *settings],
    )
    result = gloze.export(run.model, output=tmp_path / "e", texts=TEXTS)
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert {name: note[name] for name in told} == told
    assert (
        f"Texts over 32 tokens are not cut in the graph; gloze does it by {told['long_text']}"
        in (str(result))
    )


def write_for(kind, path):
    """Write examples of a task; return the words that say how the file is read."""
    texts = [text for text, _ in labelled.rows(24, seed=1)]
    if kind == "span":
        qas = [
            {"id": f"{n}", "question": text, "answers": [{"text": "cat", "answer_start": 4}]}
            for n, text in enumerate(texts)
        ]
        paragraph = {"context": "the cat sees a river.", "qas": qas}
        path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
        return {"format": "squad"}
    if kind == "choice":
        rows = [f"x\t{t}\tbread\ta river\ta bank\tno\t{n % 4}" for n, t in enumerate(texts)]
        path.write_text("".join(f"{row}\n" for row in rows))
        return {"format": "codah"}
    rows = [f"{t} {n},{c},{int(c == 'a')}" for n, t in enumerate(texts) for c in "abc"]
    path.write_text("".join(f"{row}\n" for row in ["q,c,relevance", *rows]))
    return {"format": "csv", "columns": "query=q,candidate=c"}


@pytest.mark.parametrize("kind", ["span", "choice", "ranking"])
def test_tasks_of_several_texts_are_judged_on_sentences_and_on_their_own_files(kind, tmp_path):
    path = tmp_path / "train.txt"
    how = write_for(kind, path)
    sizes = ["task.max_question=8", "task.stride=12"] if kind == "span" else []
    run = gloze.finetune(
        kind,
        model=labelled.model_folder(tmp_path / "model"),
        train=path,
        output=tmp_path / "run",
        settings=[*labelled.FAST, "training.epochs=1", *sizes],
        **how,
    )
    by_default = gloze.export(run.model, output=tmp_path / "a")
    own = gloze.export(run.model, output=tmp_path / "b", texts=path, **how)
    assert (by_default.task, by_default.texts, own.texts) == (kind, 200, 24)
    assert by_default.agreement["same_answers"] == own.agreement["same_answers"] == 1
    note = json.loads((tmp_path / "b" / "export.json").read_text())
    assert note.get("long_text") == ("windows" if kind == "span" else None)


def test_a_layout_without_examples_of_a_task_is_refused(model, tuned, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("the cat\n")
    with pytest.raises(ConfigError, match="vectors are compared on a text a line"):
        gloze.export(model, output=tmp_path / "e", texts=path, format="tsv")
    with pytest.raises(ConfigError, match="in --texts FILE are read: name the file"):
        gloze.export(tuned.model, output=tmp_path / "e", columns="text=a")
