"""Fine-tuning: every way of transfer, repeatable, resumable, readable by others."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch

from gloze import cli
from gloze.checkpoint import load_parts, load_task, load_tensors
from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.data.collate import collate
from gloze.recipes.finetuning import finetuning
from gloze.tasks.examples import Example, read_examples
from gloze.training.loop import Trainer
from gloze.verbs.convert import convert
from gloze.verbs.finetune import finetune
from tests.verbs import labelled


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    labelled.model_folder(folder / "model")
    labelled.write_tsv(folder / "train.tsv", 64, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 24, seed=2)
    return folder


def run(data, output, **changes):
    settings = [*labelled.FAST, *changes.pop("settings", ())]
    return finetune(
        "classification",
        **{
            "model": data / "model",
            "train": data / "train.tsv",
            "dev": data / "dev.tsv",
            "output": output,
            "settings": settings,
            **changes,
        },
    )


@pytest.fixture(scope="module")
def tuned(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("tuned") / "run", settings=["training.epochs=6"])


def weights_hash(folder):
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_a_rule_is_learned_and_the_figures_are_written(tuned):
    assert tuned.best.figures["dev"]["accuracy"] > 0.9
    saved = json.loads((tuned.path / "results.json").read_text())
    assert saved["labels"] == ["animal", "person"]
    assert saved["dev"]["accuracy"]["values"] == [tuned.best.figures["dev"]["accuracy"]]
    assert saved["dev"]["accuracy"]["std"] is None
    assert {path.name for path in tuned.path.iterdir()} == {
        ".lock",
        "data.json",
        "figures.json",
        "metrics.jsonl",
        "model",
        "recipe.toml",
        "report.html",
        "results.json",
    }
    assert f"gloze predict {tuned.path}" in str(tuned)


def test_the_result_predicts_and_evaluates(tuned, data):
    animal, person = tuned.predict(["the cat sees warm bread.", "my sister sees warm bread."])
    assert (animal.label, person.label) == ("animal", "person")
    figures = tuned.evaluate(data / "dev.tsv")
    assert figures == tuned.best.figures["dev"]


def test_pairs_are_learned_and_answered_and_nothing_else_then(data, tmp_path):
    path = tmp_path / "pairs.tsv"
    rows = ["the cat\tlikes warm bread\tyes", "a small dog\tsees my sister\tno"] * 8
    path.write_text("text_a\ttext_b\tlabel\n" + "\n".join(rows) + "\n")
    result = run(data, tmp_path / "run", train=path, dev=path)
    [answer] = result.predict([("the cat", "likes warm bread")])
    assert set(answer.probabilities) == {"yes", "no"}
    with pytest.raises(ConfigError, match="trained on pairs of texts; these are single texts"):
        result.predict(["the cat"])
    again = load_task(result.model)
    with pytest.raises(ConfigError, match=r"line 2 has single texts.*text_a=NAME,text_b=NAME"):
        again.encode(read_examples(data / "train.tsv"))
    with pytest.raises(
        ConfigError, match=r"pairs\.tsv has pairs of texts; line 2 has single texts"
    ):
        run(data, tmp_path / "mixed", train=path, dev=data / "dev.tsv")
    assert not (tmp_path / "mixed").exists()


def test_pairs_are_no_question_for_a_judge_of_single_texts(tuned):
    with pytest.raises(ConfigError, match="trained on single texts; these are pairs of texts"):
        tuned.predict([("the cat", "likes warm bread")])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(data, tmp_path):
    first, again = run(data, tmp_path / "a"), run(data, tmp_path / "b")
    other = run(data, tmp_path / "c", seed=1)
    assert weights_hash(first.path) == weights_hash(again.path)
    assert weights_hash(first.path) != weights_hash(other.path)
    two_workers = run(data, tmp_path / "d", settings=["training.loader_workers=2"])
    assert weights_hash(first.path) == weights_hash(two_workers.path)


def test_several_seeds_each_get_a_folder_and_the_spread_is_given(data, tmp_path):
    result = run(data, tmp_path / "run", seeds=2, seed=3)
    assert [found.seed for found in result.seeds] == [3, 4]
    saved = json.loads((tmp_path / "run" / "results.json").read_text())
    values = [found.figures["dev"]["accuracy"] for found in result.seeds]
    assert saved["dev"]["accuracy"]["mean"] == pytest.approx(np.mean(values))
    assert saved["dev"]["accuracy"]["std"] == pytest.approx(np.std(values, ddof=1))
    best = max(result.seeds, key=lambda found: (found.figures["dev"]["accuracy"], -found.seed))
    assert result.model == tmp_path / "run" / f"seed-{best.seed}" / "model"
    # A seed of several is the same run as that seed alone.
    alone = run(data, tmp_path / "alone", seed=4)
    assert weights_hash(alone.path) == weights_hash(tmp_path / "run" / "seed-4")


def test_a_run_goes_on_with_as_many_seeds_or_more(data, tmp_path):
    short = ["training.epochs=0.2"]
    run(data, tmp_path / "one", settings=short)
    with pytest.raises(ConfigError, match="other --seeds"):
        run(data, tmp_path / "one", settings=short, seeds=2, resume=True)
    run(data, tmp_path / "two", settings=short, seeds=2)
    with pytest.raises(ConfigError, match="other --seeds"):
        run(data, tmp_path / "two", settings=short, seeds=1, resume=True)
    more = run(data, tmp_path / "two", settings=short, seeds=3, resume=True)
    assert [found.seed for found in more.seeds] == [0, 1, 2]


def test_transfer_is_no_setting(data, tmp_path):
    for way in ("none", "frozen"):
        with pytest.raises(ConfigError, match=f"Give --transfer {way}"):
            run(data, tmp_path / "run", settings=[f"transfer={way}"])


def test_the_report_shows_every_seed_the_confusions_and_the_curves(data, tmp_path):
    result = run(data, tmp_path / "run", seeds=2, test=data / "dev.tsv")
    page = result.report.read_text(encoding="utf-8")
    for found in result.seeds:
        assert f"{found.figures['test']['accuracy']:.4f}" in page
    for text in ("Figures on test", f"of seed {result.best_seed}, the best on dev", "<svg"):
        assert text in page
    rows = result.best.figures["dev"]["confusion"]
    assert sum(map(sum, rows)) == 24
    for label, row in zip(result.labels, rows, strict=True):
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in row)
        assert f"<td>{label}</td>{numbers}" in page


def test_frozen_leaves_the_encoder_as_it_was(data, tmp_path):
    result = run(data, tmp_path / "run", transfer="frozen")
    before = load_parts(data / "model").encoder.state_dict()
    after = load_parts(result.model).encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    config = json.loads((result.model / "config.json").read_text())
    assert config["gloze"]["pooling"] == "mean"
    assert config["architectures"] == ["BertModel"]


def test_frozen_can_read_several_layers(data, tmp_path):
    result = run(data, tmp_path / "run", transfer="frozen", settings=["readout.layers=[-1, -2]"])
    assert load_task(result.model).head.output.in_features == 64


def test_dropout_is_the_models_own_unless_it_is_set(data, tmp_path):
    own = run(data, tmp_path / "own")
    assert "[encoder]" in (own.path / "recipe.toml").read_text()
    rates = ["encoder.hidden_dropout_prob=0.1", "encoder.attention_probs_dropout_prob=0.1"]
    same = run(data, tmp_path / "same", settings=rates)
    assert weights_hash(same.model.parent) == weights_hash(own.model.parent)
    other = run(data, tmp_path / "other", settings=["encoder.hidden_dropout_prob=0.3"])
    assert weights_hash(other.model.parent) != weights_hash(own.model.parent)
    assert load_parts(other.model).encoder.config.hidden_dropout_prob == 0.3
    assert load_parts(other.model).encoder.config.attention_probs_dropout_prob == 0.1


def test_what_is_frozen_by_name_keeps_every_byte_and_all_else_learns(data, tmp_path):
    names = 'freeze=["encoder.embeddings", "encoder.layers.0.*norm*"]'
    result = run(data, tmp_path / "run", settings=[names])
    before, after = load_parts(data / "model").tensors, load_parts(result.model).tensors
    frozen = {name for name in after if name in before and torch.equal(before[name], after[name])}
    assert frozen == {
        name
        for name in before
        if name.startswith("encoder.embeddings.")
        or (name.startswith("encoder.layers.0.") and "norm" in name)
    }


def test_none_forgets_the_weights_and_depends_on_the_seed_alone(data, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(data / "model", other)
    (other / "manifest.json").unlink()
    from safetensors.torch import save_file

    tensors = load_tensors(other / "model.safetensors")
    save_file({k: v + 1 for k, v in tensors.items()}, other / "model.safetensors")
    one = run(data, tmp_path / "a", transfer="none")
    two = run(data, tmp_path / "b", transfer="none", model=other)
    assert weights_hash(one.path) == weights_hash(two.path)
    assert weights_hash(one.path) != weights_hash(run(data, tmp_path / "c").path)


def test_a_stopped_run_resumes_to_the_same_bytes(data, tmp_path, monkeypatch):
    whole = run(data, tmp_path / "whole", seeds=2)
    step, count = Trainer.step, []

    def stop_at_21(trainer, batch):
        count.append(0)
        if len(count) == 21:
            trainer.save()
            raise StoppedError("stopped", 75)
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "step", stop_at_21)
    with pytest.raises(StoppedError):
        run(data, tmp_path / "cut", seeds=2)
    monkeypatch.setattr(Trainer, "step", step)
    resumed = run(data, tmp_path / "cut", seeds=2, resume=True)
    for seed in ("seed-0", "seed-1"):
        assert weights_hash(whole.path / seed) == weights_hash(resumed.path / seed)


def test_resuming_with_other_data_or_settings_is_refused(data, tmp_path):
    run(data, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"training\.learning_rate was 0\.003"):
        run(data, tmp_path / "run", resume=True, settings=["training.learning_rate=1e-4"])
    other = labelled.write_tsv(tmp_path / "other.tsv", 30, seed=9)
    with pytest.raises(DataError, match="not the train this run began with"):
        run(data, tmp_path / "run", resume=True, train=other)


def test_an_existing_run_is_not_overwritten_without_force(data, tmp_path):
    run(data, tmp_path / "run")
    with pytest.raises(ConfigError, match="--force"):
        run(data, tmp_path / "run")
    run(data, tmp_path / "run", force=True)


def test_force_leaves_a_run_alone_in_which_somebody_keeps_a_copy_of_a_seed(data, tmp_path):
    run(data, tmp_path / "run", seeds=2, settings=ONE_STEP)
    shutil.copytree(tmp_path / "run" / "seed-1", tmp_path / "run" / "seed-1-old")
    with pytest.raises(ConfigError, match="holds seed-1-old, which gloze does not write"):
        run(data, tmp_path / "run", seeds=2, settings=ONE_STEP, force=True)
    shutil.rmtree(tmp_path / "run" / "seed-1-old")
    run(data, tmp_path / "run", seeds=2, settings=ONE_STEP, force=True)


@pytest.mark.parametrize("settings", [(), ("task.pooling=mean",), ("task.pooling=max",)])
def test_a_saved_classifier_gives_the_same_answers(data, tmp_path, settings):
    result = run(data, tmp_path / "run", settings=settings)
    texts = ["the cat sees warm bread.", "my sister paints a long river."]
    loaded = load_task(result.model)
    assert loaded.predict(texts) == result.predict(texts)
    assert loaded.figures([Example(text, None, label) for text, label in labelled.rows(9)], data)


def test_transformers_loads_it_and_gives_the_same_logits(tuned):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertForSequenceClassification.from_pretrained(tuned.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tuned.model)
    texts = ["the cat sees warm bread.", "my sister paints a long river."]
    with torch.no_grad():
        logits = theirs(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    ours = tuned.predict(texts)
    assert theirs.config.id2label == {0: "animal", 1: "person"}
    for row, answer in zip(logits.softmax(-1).tolist(), ours, strict=True):
        assert row == pytest.approx(list(answer.probabilities.values()), abs=1e-5)


ONE_STEP = ["training.steps=1"]


@pytest.mark.parametrize(("pool", "found"), [("mean", "mean"), ("cls", "cls"), ("max", "mean")])
def test_the_head_reads_what_the_encoder_was_tuned_through(data, tmp_path, capsys, pool, found):
    convert(data / "model", output=tmp_path / "tuned", to="sentence-transformers", pool=pool)
    done = run(data, tmp_path / "run", model=tmp_path / "tuned", settings=ONE_STEP)
    assert done.loaded.task.pooling == found
    assert f"through the pooling {found!r}" in capsys.readouterr().err


def test_the_pooler_of_an_encoder_tuned_to_vectors_is_there_for_the_asking(data, tmp_path, capsys):
    convert(data / "model", output=tmp_path / "tuned", to="sentence-transformers")
    asked = [*ONE_STEP, "task.pooling=pooler"]
    done = run(data, tmp_path / "run", model=tmp_path / "tuned", settings=asked)
    assert done.loaded.task.pooling == "pooler"
    assert "through the pooling" not in capsys.readouterr().err


def test_vectors_that_cannot_be_computed_say_nothing_of_the_encoder(data, tmp_path, capsys):
    convert(data / "model", output=tmp_path / "tuned", to="sentence-transformers")
    path = tmp_path / "tuned" / "modules.json"
    dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    path.write_text(json.dumps([*json.loads(path.read_text()), dense]))
    (tmp_path / "tuned" / "manifest.json").unlink(missing_ok=True)
    done = run(data, tmp_path / "run", model=tmp_path / "tuned", settings=ONE_STEP)
    assert done.loaded.task.pooling == "pooler"
    assert "through the pooling" not in capsys.readouterr().err


def test_minilm_fine_tuned_agrees_with_transformers(minilm, shared_data, tmp_path):
    transformers = pytest.importorskip("transformers")
    lines = (shared_data / "sst-2" / "dev.tsv").read_text(encoding="utf-8").splitlines()[:17]
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = finetune(
        "classification",
        model=minilm,
        train=tmp_path / "train.tsv",
        output=tmp_path / "run",
        format="sst2",
        settings=[
            "training.epochs=1",
            "training.batch_size=8",
            "training.device=cpu",
            "task.pooling=pooler",
        ],
    )
    theirs = transformers.BertForSequenceClassification.from_pretrained(result.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(result.model)
    texts = ["a charming and affecting journey .", "bleak and desperate .", "so-so"]
    ours = result.loaded
    source = ours.encode([Example(text) for text in texts])
    batch = collate(source.samples(0, np.arange(3)))
    with torch.no_grad():
        expected = theirs(**tokenizer(texts, padding=True, return_tensors="pt")).logits
        logits = ours.head.scores(ours.encoder(batch), batch)
    assert (logits - expected).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"seeds": 0}, ConfigError, "at least one"),
        ({"format": "stsb"}, ConfigError, "numbers on a scale"),
        ({"format": "sst"}, ConfigError, "Did you mean 'sst2'"),
        ({"columns": "text=txt"}, DataError, "'txt': no such column"),
        ({"settings": ["training.epoch=1"]}, ConfigError, "Did you mean 'epochs'"),
        ({"settings": ["task.max_length=64"]}, ConfigError, "positions for 32 tokens"),
        ({"settings": ["task.positive_label=anmal"]}, ConfigError, "Did you mean 'animal'"),
        ({"settings": ["transfer=frozen"]}, ConfigError, "Give --transfer frozen"),
        ({"settings": ["encoder.hidden_dropout_prob=1"]}, ConfigError, "at least 0 and under 1"),
        (
            {"transfer": "frozen", "settings": ["encoder.hidden_dropout_prob=0.1"]},
            ConfigError,
            "does nothing here",
        ),
        (
            {"transfer": "frozen", "settings": ["training.layerwise_lr_decay=0.9"]},
            ConfigError,
            "layerwise_lr_decay does nothing here",
        ),
        (
            {"transfer": "frozen", "settings": ['freeze=["encoder.layers.0"]']},
            ConfigError,
            "freeze does nothing here",
        ),
        ({"settings": ['freeze=["encoder.embedings"]']}, ConfigError, "no weight is called"),
        ({"settings": ['freeze=["*"]']}, ConfigError, "leaves no weight to train"),
        ({"model": "no/such/model/here"}, ConfigError, "holds no model"),
        ({"train": "none.tsv"}, DataError, "no such file"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    data, tmp_path, changes, kind, message
):
    with pytest.raises(kind, match=message):
        run(data, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_an_unknown_task_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'classification'"):
        finetune("clasification", model="m", train="t", output=tmp_path / "run")


def test_an_unknown_label_in_dev_exits_3_and_names_it(data, tmp_path, capsys):
    dev = tmp_path / "dev.tsv"
    dev.write_text("text\tlabel\nthe cat\tanimal\nmy sister\tpersn\n")
    words = ["finetune", "classification", "--model", data / "model", "--train"]
    words += [data / "train.tsv", "--dev", dev, "-o", tmp_path / "run"]
    assert cli.main([*map(str, words), "--set", "task.max_length=32"]) == 3
    error = capsys.readouterr().err
    assert f"{dev}:3 column 'label': unknown label 'persn'. Did you mean 'person'?" in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_the_command_line_and_python_give_the_same_bytes(data, tmp_path, capsys):
    words = ["finetune", "classification", "--model", data / "model", "--train"]
    words += [data / "train.tsv", "--dev", data / "dev.tsv", "-o", tmp_path / "cli", "--json"]
    for change in labelled.FAST:
        words += ["--set", change]
    assert cli.main(list(map(str, words))) == 0
    printed = json.loads(capsys.readouterr().out)
    python = run(data, tmp_path / "python")
    assert printed["dev"] == python.to_dict()["dev"]
    assert weights_hash(tmp_path / "cli") == weights_hash(python.path)


def test_the_recipe_of_a_run_gives_the_same_run_again(data, tmp_path):
    first = run(data, tmp_path / "a", transfer="frozen", settings=["training.epochs=1"])
    again = finetune(
        "classification",
        model=data / "model",
        train=data / "train.tsv",
        dev=data / "dev.tsv",
        output=tmp_path / "b",
        recipe=first.path / "recipe.toml",
    )
    assert again.transfer == "frozen"
    assert weights_hash(first.path) == weights_hash(again.path)


@pytest.mark.parametrize(
    ("transfer", "hidden_size", "rate"),
    [("full", 768, 5e-5), ("none", 256, 1e-4), ("full", 128, 3e-4), ("frozen", 768, 3e-3)],
)
def test_the_default_rate_follows_the_size_and_the_way_of_transfer(transfer, hidden_size, rate):
    assert finetuning("classification", transfer, hidden_size).training.learning_rate == rate


def test_labels_that_do_not_fit_the_weights_are_refused(tuned, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tuned.model, folder)
    (folder / "manifest.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(number): f"label {number}" for number in range(1000)}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="1000 scores, and weights for 2"):
        load_task(folder)


def test_an_altered_model_is_refused(tuned, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tuned.model, folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors: altered"):
        load_task(folder)
