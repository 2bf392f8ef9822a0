"""Fine-tuning is the training of `transformers`: from the same weights both end at the same."""

import json

import pytest

from gloze.recipes.finetuning import load_finetuning
from gloze.verbs.finetune import finetune
from tests import tiny
from tests.verbs import labelled

theirs = pytest.importorskip("benchmarks.tasks_transformers")

SETTINGS = (
    *labelled.FAST,
    "training.learning_rate=1e-3",
    "encoder.hidden_dropout_prob=0",
    "encoder.attention_probs_dropout_prob=0",
    "task.dropout=0",
)
SEED = 3


def of_text(text, label):
    return {"text": text, "label": label}


def of_number(text, label):
    return {"text": text, "label": {"animal": -1.0, "person": 1.0}[label]}


def of_labels(text, label):
    return {"text": text, "labels": [label, *(["bread"] if "bread" in text else [])]}


def of_words(text, label):
    words = text.split()
    return {"words": words, "tags": [label if n < 2 else "rest" for n in range(len(words))]}


def of_answer(text, label):
    answer = text.split()[-1]
    answers = {"text": [answer], "answer_start": [text.find(answer)]}
    return {"context": text, "question": "what", "answers": answers}


def of_options(text, label):
    options = [text, "the red house", "warm bread"][: 2 + len(text) % 2]
    return {"context": label, "question": "who", "options": options, "label": 0}


def of_candidates(text, label):
    return {"query": label, "candidates": [text, "warm bread"], "relevance": [1, 0]}


MAKERS = {
    "classification": of_text,
    "regression": of_number,
    "multilabel": of_labels,
    "tagging": of_words,
    "span": of_answer,
    "choice": of_options,
    "ranking": of_candidates,
}
# Under a softmax over scores that it is added to, a bias has no gradient but rounding.
IDLE = {"span": "qa_outputs.bias", "choice": "classifier.bias"}
# Windows of 32 tokens.
MORE = {"span": ("task.max_question=8", "task.stride=8", "task.max_answer=8")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return labelled.model_folder(tmp_path_factory.mktemp("model") / "model")


def file_of(kind, path):
    """Write 40 examples, 20 of each of two kinds: the mean of -1 and 1 is 0, their deviation 1."""
    rows = sorted(labelled.rows(80, 1), key=lambda row: row[1])
    lines = [json.dumps(MAKERS[kind](*row)) + "\n" for row in rows[:20] + rows[-20:]]
    return tiny.write(path, "".join(lines))


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_start_ends_at_the_same_weights(kind, model, tmp_path):
    data = file_of(kind, tmp_path / "train.jsonl")
    settings = (*SETTINGS, *MORE.get(kind, ()))
    config = load_finetuning(None, settings, task=kind, hidden_size=32, seed=SEED)
    other, source = theirs.begin(config, config.task.reader(), model, data, tmp_path / "begun")
    before = {key: value.clone() for key, value in other.state_dict().items()}
    theirs.train(other, kind, source, config.training, SEED, theirs.loss_as_ours)
    done = finetune(
        kind, model=model, train=data, output=tmp_path / "run", settings=settings, seed=SEED
    )
    ours, after = theirs.load_theirs(kind, done.model).state_dict(), other.state_dict()
    learned = [key for key in after if key != IDLE.get(kind)]
    assert max(float((after[key] - before[key]).abs().max()) for key in learned) > 3e-3
    assert max(float((after[key] - ours[key]).abs().max()) for key in learned) < 1e-5
