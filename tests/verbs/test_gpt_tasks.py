"""Tasks on GPTs as published: the language model beside the task, its tokens, both orders."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gloze
from gloze.checkpoint import (
    for_sequences,
    language_models,
    load_any_parts,
    load_language_model,
    load_task,
    save_model,
)
from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.core.manifest import sha256
from gloze.core.tensor_file import map_arrays
from gloze.data.collate import collate
from gloze.data.stream import StepSize, Stream
from gloze.encoders.lstm import LSTMConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.inference.likelihood import log_likelihoods
from gloze.nn.readout import ReadoutConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.recipes.finetuning import finetuning, load_finetuning
from gloze.tasks.classification import Classification
from gloze.tasks.examples import Example
from gloze.tasks.learned import Learned
from gloze.tasks.model import build_head
from gloze.tokenizers import (
    SpecialTokens,
    Tokenizer,
    TokenizerConfig,
    learn_tokenizer,
    with_task_tokens,
)
from gloze.tokenizers.task_tokens import TASK_TOKENS
from gloze.training.learner import Learner
from gloze.training.log import read_metrics
from gloze.training.update import Updater
from gloze.verbs.export import export
from tests import small
from tests.tiny import write
from tests.verbs import labelled, test_tagging

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": 48,
    "initializer_range": 0.1,
}
GPTS = {"direction": "left_to_right", "hidden_act": "gelu_new", "type_vocab_size": 0}
FAST = [
    *labelled.FAST,
    *("training.epochs=7", "training.batch_size=16", "training.learning_rate=1e-2"),
    "task.max_length=48",
]
TASKS = {
    "classification": "accuracy",
    "entailment": "accuracy",
    "similarity": "pearson",
    "choice": "accuracy",
    "tagging": "f1",
}


def own_folder(path, tie_weights=True, **settings):
    """A GPT of ours, with [CLS] and [SEP]."""
    torch.manual_seed(5)
    config = TransformerConfig(**{**SIZES, **GPTS, "embedding_norm": False, **settings})
    tokenizer = small.tokenizer(143)
    encoder = config.build(tokenizer.vocab_size)
    objectives = []
    if config.direction != "bidirectional":
        lm = LanguageModelConfig(tie_weights=tie_weights, bias=False)
        objectives = [lm.build(encoder, tokenizer, 0.1)]
    save_model(path, Learner(encoder, objectives), tokenizer, card="# test\n")
    return path


def published_folder(path):
    """A GPT of transformers with the files of its vocabulary, whose one special token is <unk>."""
    texts = [sentence for document in small.documents() for sentence in document]
    learned = learn_tokenizer(lambda: iter(texts), TokenizerConfig(kind="bpe", vocab_size=140))
    tokens = ["<unk>", *learned.tokens(range(5, learned.vocab_size))]
    torch.manual_seed(6)
    config = transformers.OpenAIGPTConfig(
        n_embd=32, n_layer=2, n_head=2, n_positions=48, vocab_size=len(tokens),
        initializer_range=0.1,
    )  # fmt: skip
    transformers.OpenAIGPTLMHeadModel(config).save_pretrained(path)
    vocab = {token: number for number, token in enumerate(tokens)}
    write(path / "vocab.json", json.dumps(vocab))
    pairs = [" ".join(pair) for pair in learned.definition["model"]["merges"]]
    write(path / "merges.txt", "\n".join(["#version: 0.2", *pairs, ""]))
    return path


def of_pairs(count, seed, answer):
    """Pairs of sentences as JSONL; what is to be said of each follows from both subjects."""
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        kinds = draw.choice(list(labelled.TEXTS), 2)
        texts = [
            f"{draw.choice(labelled.TEXTS[kind])} {draw.choice(small.VERBS)} warm bread."
            for kind in kinds
        ]
        lines.append({"text_a": texts[0], "text_b": texts[1], "label": answer(*kinds)})
    return "".join(json.dumps(line) + "\n" for line in lines)


def choices(count, seed):
    """Questions of which the one option about an animal is right."""
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        gold = int(draw.integers(3))
        options = [f"my sister {verb} it" for verb in draw.permutation(small.VERBS)[:3]]
        options[gold] = f"{draw.choice(labelled.TEXTS['animal'])} follows it"
        lines.append({"context": "who sees it.", "options": options, "label": gold})
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt")
    own_folder(folder / "own")
    published_folder(folder / "published")
    for name, count, seed in (("train", 96, 1), ("dev", 32, 2)):
        labelled.write_tsv(folder / f"classification-{name}", count, seed).rename(
            folder / f"classification-{name}.tsv"
        )
        # The first tells the answer: what comes first and what second must be told apart.
        first = of_pairs(count, seed, lambda a, b: a)
        write(folder / f"entailment-{name}.jsonl", first)
        likeness = of_pairs(count, seed, lambda *kinds: 2.5 * kinds.count("person"))
        write(folder / f"similarity-{name}.jsonl", likeness)
        write(folder / f"choice-{name}.jsonl", choices(count, seed))
        test_tagging.write_conll(folder / f"tagging-{name}.conll", count, seed)
    return folder


def run(data, output, name="classification", model="own", settings=(), **options):
    kind = {"entailment": "classification", "similarity": "regression"}.get(name, name)
    own = ["task.both_orders=true"] if name == "similarity" else []
    train, dev = (next(data.glob(f"{name}-{split}.*")) for split in ("train", "dev"))
    return gloze.finetune(
        kind, model=data / model, train=train, dev=dev, output=output,
        settings=[*FAST, *own, *settings], **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "name"),
    [*(("own", name) for name in TASKS), ("published", "entailment"), ("published", "choice")],
)
def test_every_task_is_learned_with_the_language_model_beside_it(data, tmp_path, model, name):
    done = run(data, tmp_path / "run", name, model)
    figures = done.best.figures["dev"]
    assert figures[TASKS[name]] > 0.9
    dev = next(data.glob(f"{name}-dev.*"))
    again = gloze.evaluate(done.path, dev).figures["-"]
    assert again[TASKS[name]] == pytest.approx(figures[TASKS[name]], rel=1e-6)
    assert again["loss"] == pytest.approx(figures["loss"], rel=1e-4)
    rows = list(read_metrics(done.path / "metrics.jsonl"))
    said = [row["lm_loss"] for row in rows if "lm_loss" in row]
    assert said[-1] < said[0] - 0.5
    told = [row for row in rows if row.get("split") == "valid"]
    assert told
    assert not any(name.startswith("lm") for row in told for name in row)
    assert told[-1]["loss"] == pytest.approx(figures["loss"], rel=1e-3)


def test_the_loss_is_the_tasks_and_half_of_the_language_models(data):
    """By hand: each sequence alone, the table as the output, the mean over all tokens asked."""
    parts = load_any_parts(data / "own")
    texts = ["the cat sees warm bread.", "my sister", "every child likes a long river."]
    task = Classification(pooling="last", max_length=32, dropout=0.0)
    learned = Learned(labels=("a", "b"), pairs=False)
    examples = [Example(text, label="ab"[n % 2]) for n, text in enumerate(texts)]
    encoded = task.encode(examples, parts.tokenizer, learned, path=data)
    config = replace(parts.encoder.config, hidden_dropout_prob=0.0)
    config = replace(config, attention_probs_dropout_prob=0.0)
    encoder = config.build(parts.encoder.vocab_size)
    encoder.load_state_dict(parts.encoder.state_dict())
    parts = replace(parts, encoder=encoder)
    objective = build_head(encoder, task, learned, ReadoutConfig())
    objectives = [objective, *language_models(parts, 0.5)]
    learner = Learner(encoder, objectives)
    # Two micro-batches, of one step.
    size = StepSize(sequences=3, micro_batch_tokens=16)
    step = Stream(encoded, objectives, size=size, seed=0).step(0, 0)
    assert len(step.micro_batches) == 2
    training = finetuning("classification", "full", 32).training
    training = replace(training, precision="float32", device="cpu")
    marks = Updater(learner, training, 0).gradients(step, 0)
    found = {name: p.grad.clone() for name, p in learner.named_parameters()}
    learner.zero_grad()

    of_task, of_tokens = [], []
    table = encoder.token_embeddings.weight
    for number, ids in enumerate(np.split(encoded.input_ids, encoded.starts[1:])):
        states = encoder(small.batch_of(ids.tolist()))[-1]
        scores = states[-1:] @ objective.head.output.weight.t() + objective.head.output.bias
        of_task.append(F.cross_entropy(scores, torch.tensor([number % 2])))
        following = torch.from_numpy(ids[1:].astype(np.int64))
        of_tokens.append(F.cross_entropy(states[:-1] @ table.t(), following, reduction="none"))
    lm = torch.cat(of_tokens).mean()
    (torch.stack(of_task).mean() + 0.5 * lm).backward()
    assert marks["lm_labels"] == sum(len(text) - 1 for text in np.split(
        encoded.input_ids, encoded.starts[1:]
    ))  # fmt: skip
    assert float(marks["lm_loss"]) / marks["lm_labels"] == pytest.approx(lm.item(), rel=1e-5)
    for name, parameter in learner.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=1e-5), name


def test_what_is_logged_adds_up(data, tmp_path):
    settings = ["training.log_every=1", "training.epochs=1", "lm_weight=0.25"]
    done = run(data, tmp_path / "run", settings=settings)
    rows = [row for row in read_metrics(done.path / "metrics.jsonl") if "lm_loss" in row]
    assert len(rows) == 6
    for row in rows:
        total = row["classification_loss"] + 0.25 * row["lm_loss"]
        assert row["loss"] == pytest.approx(total, rel=1e-5)


def test_a_run_stopped_goes_on_to_the_same_bytes(data, tmp_path, monkeypatch):
    settings = ["training.save_every=3", "training.epochs=1"]
    whole = run(data, tmp_path / "whole", "similarity", "published", settings)
    count = iter(range(100))
    update = Updater.update

    def stop(self, *arguments):
        if next(count) == 5:
            raise StoppedError("stopped", 130)
        return update(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Updater, "update", stop)
        with pytest.raises(StoppedError):
            run(data, tmp_path / "run", "similarity", "published", settings)
    run(data, tmp_path / "run", "similarity", "published", settings, resume=True)
    path = "model/model.safetensors"
    assert sha256(tmp_path / "run" / path) == sha256(whole.path / path)


def test_new_tokens_begin_part_and_end_what_a_published_gpt_reads(data, tmp_path, capsys):
    before = load_any_parts(data / "published")
    assert [before.tokenizer.token_id(token) for token in TASK_TOKENS] == [None] * 3
    done = run(data, tmp_path / "run", "entailment", "published", ["training.steps=1",
        "training.epochs=none", "training.learning_rate=1e-9"])  # fmt: skip
    said = capsys.readouterr().err
    assert "3 tokens are new: _start_ _delimiter_ _classify_" in said
    assert "pooler" not in said
    model = load_task(done.path)
    size = before.tokenizer.vocab_size
    assert model.tokenizer.vocab_size == model.encoder.vocab_size == size + 3
    ids = model.encode([Example("the cat", "warm bread")]).input_ids
    tokens = model.tokenizer.tokens(ids)
    assert (tokens[0], tokens[-1], tokens.count("_delimiter_")) == ("_start_", "_classify_", 1)
    # Written out they are text as any other.
    assert not set(model.tokenizer.encode(["_classify_ the"])[0]) & {size, size + 1, size + 2}
    table = model.encoder.token_embeddings.weight
    old = before.encoder.token_embeddings.weight
    assert torch.allclose(table[:size], old, atol=1e-6)
    assert 0.05 < table[size:].std() < 0.15
    again = run(data, tmp_path / "other", "entailment", "published", ["training.steps=1",
        "training.epochs=none", "training.learning_rate=1e-9"], seed=1)  # fmt: skip
    other = load_task(again.path).encoder.token_embeddings.weight
    assert torch.allclose(other[:size], old, atol=1e-6)
    assert not torch.allclose(other[size:], table[size:], atol=1e-2)
    # The folder is a GPT as before, of more tokens, and can be fine-tuned again as it is.
    parts = load_any_parts(done.path)
    assert for_sequences(parts) is parts
    theirs = transformers.AutoModelForCausalLM.from_pretrained(done.path / "model").eval()
    words = transformers.AutoTokenizer.from_pretrained(done.path / "model")
    assert words.convert_tokens_to_ids(list(TASK_TOKENS)) == [size, size + 1, size + 2]
    batch = small.batch_of(ids.tolist())
    with torch.no_grad():
        states = theirs.transformer(torch.from_numpy(ids.astype(np.int64))[None])
        assert torch.allclose(states.last_hidden_state[0], model.encoder(batch)[-1], atol=1e-5)
    assert theirs.config.eos_token_id == size + 2
    assert log_likelihoods(load_language_model(done.path), ["the cat"]).sums[0] < 0


def test_rows_that_a_table_has_for_no_token_are_taken_first(data):
    parts = load_any_parts(data / "published")
    size, name = parts.tokenizer.vocab_size, "encoder.embeddings.token_embeddings.weight"
    for spare, rows in ((2, size + 3), (8, size + 8)):
        padded = torch.cat([parts.tensors[name], torch.zeros(spare, 32)])
        torch.manual_seed(0)
        found = for_sequences(replace(parts, tensors={**parts.tensors, name: padded}))
        table = found.encoder.token_embeddings.weight
        assert len(table) == rows
        assert torch.equal(table[:size], parts.tensors[name])
        assert table[size : size + 3].abs().min(1).values.gt(0).all()
        assert not table[size + 3 :].any()


def test_tokens_that_are_there_keep_their_places(data):
    whole = with_task_tokens(load_any_parts(data / "published").tokenizer)
    size = whole.vocab_size
    # As others leave them: added, and not named in the settings.
    bare = Tokenizer(whole.definition, SpecialTokens("", "<unk>", "", "", ""))
    again = with_task_tokens(bare)
    assert (again.vocab_size, again.fingerprint) == (size, whole.fingerprint)
    assert (again.cls_id, again.sep_id, again.end_id) == (size - 3, size - 2, size - 1)
    assert with_task_tokens(whole) is whole
    own = small.tokenizer()
    assert with_task_tokens(own) is own
    assert own.end_id == own.sep_id


@pytest.mark.parametrize(
    "name", ["OpenAIGPTForSequenceClassification", "GPT2ForSequenceClassification"]
)
def test_a_head_of_transformers_is_refused_and_its_encoder_taken(data, tmp_path, name):
    made = getattr(transformers, name)
    config = made.config_class(
        n_embd=32, n_layer=2, n_head=2, n_positions=48, vocab_size=143, pad_token_id=0
    )
    made(config).save_pretrained(tmp_path / "model")
    small.tokenizer(143).save(tmp_path / "model")
    with pytest.raises(DataError, match="not a model of a task"):
        load_task(tmp_path / "model")
    shutil.move(tmp_path / "model", data / name)
    done = run(data, tmp_path / "run", model=name, settings=["training.epochs=1"])
    assert load_task(done.path).task.pooling == "last"


def test_a_language_model_stays_in_the_folder_and_is_tuned(data, tmp_path):
    own_folder(tmp_path / "untied", tie_weights=False)
    head = "lm_head.weight"
    before = map_arrays(tmp_path / "untied" / "model.safetensors")[head].copy()
    for transfer, weight in (("full", "0.5"), ("none", "0.5"), ("full", "0")):
        name = f"{transfer}-{weight}"
        settings = [f"lm_weight={weight}", "training.epochs=1"]
        shutil.copytree(tmp_path / "untied", data / name)
        done = run(data, tmp_path / name / "run", model=name, settings=settings, transfer=transfer)
        arrays = map_arrays(done.path / "model" / "model.safetensors")
        assert (head in arrays) == (weight != "0")
        if weight == "0":
            continue
        moved = np.abs(arrays[head] - before).mean()
        # The control begins with another one.
        assert (moved > 0.08) == (transfer == "none")
        assert moved > 0
        assert log_likelihoods(load_language_model(done.path), ["the cat"]).sums[0] < 0


@pytest.mark.parametrize("name", ["similarity", "entailment"])
def test_a_pair_and_its_reverse_get_the_same_answer_to_the_last_bit(data, tmp_path, name):
    settings = ["training.epochs=1", "task.both_orders=true", "task.max_length=16"]
    done = run(data, tmp_path / "run", name, settings=settings)
    model = load_task(done.path)
    draw = np.random.default_rng(0)
    pairs = [
        tuple(
            " ".join(draw.choice([*small.SUBJECTS, *small.VERBS, *small.OBJECTS], size))
            for size in draw.integers(1, 6, 2)
        )
        for _ in range(40)
    ]
    turned = [(b, a) for a, b in pairs]
    assert model.predict(pairs) == model.predict(turned)
    assert any(model.encode([Example(*pair)]).truncated for pair in pairs)
    shuffled = model.predict(pairs[::-1])[::-1]
    for one, other in zip(model.predict(pairs), shuffled, strict=True):
        expected = getattr(one, "probabilities", one)
        assert getattr(other, "probabilities", other) == pytest.approx(expected, abs=1e-5)


def test_both_last_states_are_added_before_the_scores(data, tmp_path):
    settings = ["training.epochs=1", "training.batch_size=4"]
    done = run(data, tmp_path / "run", "similarity", settings=settings)
    model = load_task(done.path)
    first, second = "the cat sees warm bread.", "a small dog"
    ids = [model.tokenizer.encode([text])[0].tolist() for text in (first, second)]
    cls, sep = model.tokenizer.cls_id, model.tokenizer.sep_id
    with torch.no_grad():
        states = [
            model.encoder(small.batch_of([cls, *a, sep, *b, sep]))[-1][-1]
            for a, b in (ids, ids[::-1])
        ]
        output = model.head.output
        expected = (output.weight @ (states[0] + states[1]) + output.bias).item()
    assert model.predict([(first, second)])[0] == pytest.approx(expected, rel=1e-5)
    encoded = model.encode([Example(first, second), Example(second, first)])
    assert encoded.sizes.tolist() == [2, 2]
    batch = collate(encoded.samples(0, np.arange(2)))
    half = batch.num_tokens // 2
    assert batch.input_ids[:half].tolist() == batch.input_ids[half:].tolist()


def test_both_orders_of_a_bert_have_no_class_of_transformers(tmp_path, data):
    labelled.model_folder(data / "bert")
    done = run(data, tmp_path / "run", "entailment", "bert", [
        *("task.both_orders=true", "training.epochs=1", "task.max_length=32"),
    ])  # fmt: skip
    values = json.loads((done.path / "model" / "config.json").read_text())
    assert values["architectures"] == ["BertModel"]
    with pytest.raises(ConfigError, match=r"both_orders reads a pair in two sequences"):
        export(done.path, output=tmp_path / "graph")


def test_an_option_is_a_sequence_whose_last_state_is_scored(data, tmp_path):
    done = run(data, tmp_path / "run", "choice", settings=["training.epochs=1"])
    model = load_task(done.path)
    assert model.task.pooling == "last"
    text, options = "who sees it.", ("the cat", "a small dog")
    cls, sep = model.tokenizer.cls_id, model.tokenizer.sep_id
    begun = model.tokenizer.encode([text])[0].tolist()
    scores = []
    for option in options:
        own = model.tokenizer.encode([option])[0].tolist()
        with torch.no_grad():
            states = model.encoder(small.batch_of([cls, *begun, sep, *own, sep]))[-1]
            scores.append((model.head.output.weight @ states[-1] + model.head.output.bias).item())
    expected = torch.tensor(scores).softmax(0).tolist()
    assert model.predict([(text, options)])[0].probabilities == pytest.approx(expected, abs=1e-5)


def test_the_default_is_half_for_what_reads_from_left_to_right_and_trains():
    def weight(kind, transfer):
        return finetuning("classification", transfer, 32, kind=kind).lm_weight

    assert {weight("gpt", transfer) for transfer in ("full", "gradual", "none")} == {0.5}
    assert weight("gpt", "frozen") == weight("gpt", "mix") == 0
    assert {weight(kind, "full") for kind in ("transformer", "lstm", "lookup")} == {0}


@pytest.mark.parametrize("transfer", ["gradual", "frozen"])
def test_other_ways_of_transfer(data, tmp_path, transfer):
    done = run(data, tmp_path / "run", model="published", transfer=transfer)
    rows = list(read_metrics(done.path / "metrics.jsonl"))
    assert any("lm_loss" in row for row in rows) == (transfer == "gradual")
    again = gloze.evaluate(done.path, data / "classification-dev.tsv").figures["-"]
    assert again["accuracy"] == done.best.figures["dev"]["accuracy"] > 0.7


@pytest.mark.parametrize("direction", ["left_to_right", "right_to_left", "two_way"])
def test_language_models_of_lstms_go_on_too(data, tmp_path, direction):
    torch.manual_seed(5)
    tokenizer = small.tokenizer(143)
    sizes = {"embedding_size": 16, "hidden_size": 24, "direction": direction}
    encoder = LSTMConfig(**sizes).build(tokenizer.vocab_size)
    lm = LanguageModelConfig().build(encoder, tokenizer)
    both = [lm]
    if direction == "two_way":
        both.append(LanguageModelConfig().build_backward(lm, tokenizer))
    save_model(data / direction, Learner(encoder, both), tokenizer, card="# test\n")
    settings = ["lm_weight=0.5", "training.epochs=2", "training.log_every=1"]
    done = run(data, tmp_path / "run", model=direction, settings=settings)
    rows = list(read_metrics(done.path / "metrics.jsonl"))
    names = {name for row in rows for name in row if name.startswith("lm")}
    assert names == {f"{each.name}_{what}" for each in both for what in ("loss", "accuracy")}
    before = map_arrays(data / direction / "model.safetensors")
    after = map_arrays(done.path / "model" / "model.safetensors")
    assert not np.array_equal(before["heads.lm.output.bias"], after["heads.lm.output.bias"])


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("own", ["lm_weight=-1"], "lm_weight is -1.0; it must be at least 0"),
        ("own", ["lm_weight=inf"], "lm_weight is inf"),
        ("bert", ["lm_weight=0.5"], "this one is no language model. Set lm_weight to 0"),
        ("bare", ["lm_weight=0.5"], "this one has no output to do it with. Set lm_weight to 0"),
        ("own", ["task.both_orders=true"], "both_orders is for pairs of texts, and these are sing"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    data, tmp_path, model, changes, message
):
    if model == "bert":
        own_folder(tmp_path / "bert", direction="bidirectional", type_vocab_size=2)
    if model == "bare":
        tokenizer = small.tokenizer(143)
        encoder = LSTMConfig(embedding_size=16, hidden_size=24).build(tokenizer.vocab_size)
        save_model(tmp_path / "bare", Learner(encoder, []), tokenizer, card="# test\n")
    where = data if model == "own" else tmp_path
    with pytest.raises(ConfigError, match=message):
        gloze.finetune(
            "classification", model=where / model, train=data / "classification-train.tsv",
            output=tmp_path / "run", settings=[*FAST, *changes],
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("transfer", ["frozen", "mix"])
def test_a_frozen_encoder_has_no_language_model_beside(transfer):
    with pytest.raises(ConfigError, match="lm_weight does nothing here: a frozen encoder"):
        load_finetuning(
            None, ["lm_weight=0.5"], task="classification", transfer=transfer, hidden_size=32,
            kind="gpt",
        )  # fmt: skip
