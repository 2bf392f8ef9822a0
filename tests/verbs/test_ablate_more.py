"""Ablations that go on as what they were, with more in them; arms of all kinds; refusals."""

from __future__ import annotations

import json
import shutil

import pytest

import gloze
from gloze import cli
from gloze.config.toml import to_toml
from gloze.core.errors import ConfigError, DataError, DivergedError
from gloze.verbs import ablate_parts
from tests.small import recipe
from tests.verbs import labelled
from tests.verbs.arms import (
    FINETUNED,
    SHORT,
    SLOW,
    TOKENS,
    arms,
    forbid,
    results,
    run,
    task,
    write_data,
)

NNLM = (
    "nnlm --label words --set encoder.embedding_size=16 --set encoder.hidden_size=16 "
    "--set tokenizer.min_count=1 --set training.device=cpu"
)
LSTM = (
    "lstm-lm --label lstm --set encoder.embedding_size=16 --set encoder.hidden_size=16 "
    "--set tokenizer.min_count=1 --set training.device=cpu --set sampler.max_length=12 "
    "--set training.batch_size=4"
)
GLOVE = "glove --set encoder.hidden_size=8 --set tokenizer.min_count=1"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("ablate"))


@pytest.fixture(scope="module")
def done(data):
    return run(data, data / "done")


def test_arms_tasks_and_seeds_can_be_added(data, done, tmp_path, monkeypatch):
    shutil.copytree(done.path, tmp_path / "out")
    forbid(monkeypatch, "pretrain")
    more = f"{data / 'tiny.toml'} --label frozen --transfer frozen"
    again = task(data, name="again")
    found = gloze.ablate(more, tasks=again, output=tmp_path / "out", seeds=3, resume=True)
    assert [arm.name for arm in found.arms] == ["tiny", "short", "frozen"]
    # The third is pre-trained as the first is, so nothing is pre-trained.
    assert found.arms[2].trained_as == "tiny"
    assert found.arms[2].costs == found.arms[0].costs
    assert found.tasks == ["who", "again"]
    for arm, old in zip(found.arms, done.arms, strict=False):
        figures = arm.outcomes["who"].figures[0]
        assert list(figures) == [0, 1, 2]
        assert {k: figures[k] for k in (0, 1)} == old.outcomes["who"].figures[0]
        assert arm.outcomes["again"].figures[0] == figures
    raised = [arm.outcomes[name].difference for arm in found.arms[1:] for name in found.tasks]
    assert all(each.p_adjusted >= max(each.p_seeds, each.p_examples) for each in raised)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": 4000}, r"budget was \{'tokens': 1500\} and is now \{'tokens': 4000\}"),
        ({"seeds": 1}, "seeds was 2 and is now 1"),
        ({"seed": 7}, "seed was 0 and is now 7"),
        ({"settings": "encoder.hidden_size=64"}, "settings was"),
        ({"finetune_settings": "training.epochs=9"}, "finetune_settings was"),
        ({"corpus": "x.txt"}, r"corpus was \[\]"),
        ({"arms": "bert-tiny --label short"}, "The arm short was .*tiny.toml.* and is now"),
        ({"tasks": "who=classification --train x --dev y"}, "The task who was"),
    ],
)
def test_an_ablation_goes_on_as_what_it_was(done, changes, message):
    with pytest.raises(ConfigError, match=message):
        gloze.ablate(output=done.path, resume=True, **changes)


def test_other_labelled_files_are_not_gone_on_with(data, done, tmp_path):
    shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("done"))
    shutil.copytree(done.path, tmp_path / "out")
    labelled.write_tsv(tmp_path / "data/dev.tsv", 20, seed=9)
    saved = (tmp_path / "out/ablation.toml").read_text().replace(str(data), str(tmp_path / "data"))
    (tmp_path / "out/ablation.toml").write_text(saved)
    with pytest.raises(DataError, match="not the dev this run began with"):
        gloze.ablate(output=tmp_path / "out", resume=True)


def test_a_changed_recipe_of_a_finished_arm_is_refused(data, done, tmp_path):
    shutil.copytree(done.path, tmp_path / "out")
    other = to_toml(recipe("encoder.intermediate_size=32", "encoder.num_hidden_layers=1"))
    (tmp_path / "tiny.toml").write_text(other, encoding="utf-8")
    saved = (tmp_path / "out/ablation.toml").read_text()
    changed = saved.replace(str(data / "tiny.toml"), str(tmp_path / "tiny.toml"))
    (tmp_path / "out/ablation.toml").write_text(changed)
    found = gloze.ablate(output=tmp_path / "out", resume=True)
    assert found.exit_code == 2
    assert (
        "intermediate_size was 64 and is now 32" in found.arms[0].failures["pre-training, seed 0"]
    )


def test_every_kind_of_arm_from_one_corpus(data, done, tmp_path):
    """Encoders, word vectors, a model that is there, and the control with random weights."""
    tiny = f"{data / 'tiny.toml'} --set tokenizer.vocab_size=90"
    names = [
        f"{tiny} --label tiny",
        f"{tiny} --label random --transfer none",
        NNLM,
        GLOVE,
        LSTM,
        f"{done.path / 'arms/tiny/pretrain'} --label there",
    ]
    corpus = data / "corpus.txt"
    found = run(data, tmp_path / "out", names, shards=(), corpus=corpus, seeds=1)
    assert not found.failures()
    made = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "out/shards").iterdir())
    assert made == ["wordpiece-90", "words-20000", "words-200000"]
    by_name = {arm.name: arm for arm in found.arms}
    assert [arm.name for arm in found.arms][:3] == ["tiny", "random", "words"]
    assert by_name["random"].costs[0].tokens == 0
    assert by_name["there"].costs == {}
    glove = by_name[found.arms[3].name].costs[0]
    assert (glove.kind, glove.flops) == ("word vectors", None)
    assert glove.passes == round(TOKENS / gloze_tokens_of(tmp_path / "out/shards", "words-200000"))
    assert all(list(arm.outcomes["who"].figures) == [0] for arm in found.arms)
    assert "| there | - | - |" in (tmp_path / "out/table.md").read_text()
    again = gloze.ablate(output=tmp_path / "out", resume=True)
    assert again.to_dict() == found.to_dict()


def gloze_tokens_of(folder, name):
    [path] = folder.glob(f"{name}-*")
    return json.loads((path / "shards.json").read_text())["splits"]["train"]["tokens"]


def test_an_arm_that_fails_is_noted_and_the_others_go_on(data, tmp_path, monkeypatch, capsys):
    own = ablate_parts.pretrain

    def diverging(config, **how):
        if config.sampler.max_length == 16:
            raise DivergedError("Training diverged at step 3.")
        return own(config, **how)

    monkeypatch.setattr(ablate_parts, "pretrain", diverging)
    words = ["ablate", *arms(data), "--shards", str(data / "shards"), "--tokens", "1.5k"]
    words += ["--task", task(data), "--seeds", "2", "-o", str(tmp_path / "out")]
    words += [word for change in FINETUNED for word in ("--finetune-set", change)]
    assert cli.main([*words, "--json"]) == 5
    said = json.loads(capsys.readouterr().out)
    assert said["arms"][1]["failures"] == {"pre-training, seed 0": "Training diverged at step 3."}
    assert said["arms"][1]["outcomes"] == {}
    assert "mean" in said["arms"][0]["outcomes"]["who"]
    assert "Training diverged at step 3." in (tmp_path / "out/report.html").read_text()
    monkeypatch.setattr(ablate_parts, "pretrain", own)
    assert cli.main(["ablate", "-o", str(tmp_path / "out"), "--resume"]) == 0
    assert "who accuracy (test)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 TB")]
)
def test_an_arm_too_large_for_memory_is_noted(data, tmp_path, monkeypatch, error):
    def too_large(*args, **how):
        raise error

    monkeypatch.setattr(ablate_parts, "pretrain", too_large)
    found = run(data, tmp_path / "out", tasks=())
    for arm in found.arms:
        assert arm.failures["pre-training, seed 0"].startswith("Out of memory.")
    assert found.exit_code == 2


def test_a_fault_of_ours_is_no_failure_of_an_arm(data, tmp_path, monkeypatch):
    def broken(*args, **how):
        raise RuntimeError("a bug")

    monkeypatch.setattr(ablate_parts, "pretrain", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        run(data, tmp_path / "out", tasks=())


def test_a_file_of_arms_is_the_same_as_words(data, done, tmp_path):
    text = f"""
        shards = ["{data / "shards"}"]
        finetune_settings = {json.dumps(FINETUNED)}
        seeds = 2

        [budget]
        tokens = 99

        [[arms]]
        recipe = "{data / "tiny.toml"}"
        label = "tiny"

        [[arms]]
        recipe = "{data / "tiny.toml"}"
        label = "short"
        settings = ["{SHORT}"]
        finetune_settings = ["{SLOW}"]

        [tasks.who]
        task = "classification"
        train = "{data / "train.tsv"}"
        dev = "{data / "dev.tsv"}"
        test = "{data / "test.tsv"}"
    """
    (tmp_path / "arms.toml").write_text(text, encoding="utf-8")
    found = gloze.ablate(tmp_path / "arms.toml", output=tmp_path / "out", tokens="1.5k")
    assert results(found.path) == results(done.path)
    assert (tmp_path / "out/ablation.toml").read_text() == (done.path / "ablation.toml").read_text()


BAD = [
    ({"names": ["bert-min"]}, "Arm bert-min: Unknown recipe 'bert-min'. Did you mean 'bert-mini'"),
    ({"names": ["bert-tiny", "bert-tiny"]}, "Two arms are called 'bert-tiny'"),
    ({"names": ["bert-tiny --label a/b", "nnlm --label a:b"]}, "would have the same folder, a-b"),
    ({"names": ["bert-tiny --set training.steps=3"]}, "all arms have the same budget"),
    ({"names": ["bert-tiny --sett x=1"]}, "unknown option of an arm: --sett. Did you mean '--set'"),
    ({"names": ["bert-tiny --set"]}, "--set lacks its value"),
    ({"names": ["bert-tiny --set encoder.hidden=1"]}, "Unknown setting in encoder.hidden"),
    ({"names": []}, "No arms"),
    ({"names": ["nnlm"]}, "its tokenizer is of the kind words, and no shards are: .*wordpiece"),
    ({"names": ["glove"], "tokens": None, "minutes": 1.0}, "give the budget in --tokens"),
    ({"tokens": None}, "The arms have no budget. Give one of --tokens"),
    ({"minutes": 3.0}, "The budget of the arms names tokens, minutes"),
    ({"tokens": "many"}, "--tokens many: expected a number"),
    ({"tokens": 0}, "budget.tokens is 0; it must be over 0"),
    ({"corpus": "x", "shards": "y"}, "Give either --corpus or --shards"),
    ({"seeds": 0}, "seeds is 0"),
    ({"tasks": "who=clasification --train x --dev y"}, "Did you mean 'classification'"),
    ({"tasks": "who=classification --train x"}, "has nothing to compare arms on"),
    ({"tasks": "a/b=classification --train x --dev y"}, "A task is named 'a/b'"),
    ({"tasks": "classification"}, "Missing setting: train"),
    ({"finetune_settings": ["training.epocs=1"]}, "Task who: Unknown setting in training.epocs"),
    ({"finetune_settings": ["task.max_length=64"]}, "Arm tiny: task.max_length is 64, and the"),
    ({"resume": True, "force": True}, "give one"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_what_cannot_be_done_is_refused_before_anything_is_made(data, tmp_path, changes, message):
    names = changes.pop("names", None) if "names" in changes else None
    with pytest.raises(ConfigError, match=message):
        run(data, tmp_path / "out", names, **changes)
    assert not (tmp_path / "out").exists()


def test_missing_files_are_named(data, tmp_path):
    with pytest.raises(DataError, match=r"none\.tsv: no such file"):
        run(data, tmp_path / "out", tasks=f"who=classification --train {data}/none.tsv --dev x")
    with pytest.raises(DataError, match="no shards here"):
        run(data, tmp_path / "out", shards=tmp_path / "none")
    with pytest.raises(DataError, match=r"none\.txt: no such file"):
        run(data, tmp_path / "out", shards=(), corpus=data / "none.txt")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="Nothing to go on with"):
        gloze.ablate(output=tmp_path / "out", resume=True)


def test_shards_are_told_apart_by_their_tokenizers(data, tmp_path):
    shutil.copytree(data / "shards", tmp_path / "copy")
    both = [data / "shards", tmp_path / "copy"]
    with pytest.raises(ConfigError, match="several shards fit its tokenizer"):
        run(data, tmp_path / "out", shards=both)
    names = [f"{arm} --shards {data / 'shards'}" for arm in arms(data)]
    assert run(data, tmp_path / "out", names, shards=both, dry_run=True, tasks=()).is_whole


def test_models_alone_need_no_text_and_no_budget(data, done, tmp_path):
    there = [str(done.path / "arms" / label / "pretrain") for label in ("tiny", "short")]
    names = [f"{there[0]} --label a", f"{there[1]} --label b --finetune-set {SLOW}"]
    found = run(data, tmp_path / "out", names, shards=(), tokens=None)
    assert found.budget is None
    assert [arm.outcomes["who"].figures for arm in found.arms] == [
        arm.outcomes["who"].figures for arm in done.arms
    ]
    assert found.arms[1].outcomes["who"].difference == done.arms[1].outcomes["who"].difference


def test_an_arm_whose_folder_is_gone_can_be_another(data, done, tmp_path):
    shutil.copytree(done.path, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/arms/short")
    (tmp_path / "out/comparisons/who/short.json").write_text(
        (done.path / "comparisons/who/short.json")
        .read_text()
        .replace('"p_examples": ', '"p_examples": -')
    )
    other = f"{data / 'tiny.toml'} --label short --set encoder.intermediate_size=16"
    found = gloze.ablate(other, output=tmp_path / "out", resume=True)
    assert found.arms[1].costs[0].parameters < done.arms[1].costs[0].parameters
    # What was said of the arm that was is not said of this one.
    assert found.arms[1].outcomes["who"].difference.p_examples > 0


def test_only_an_ablation_is_replaced_by_force(data, done, tmp_path):
    shutil.copytree(done.path, tmp_path / "out")
    with pytest.raises(ConfigError, match="exists already"):
        run(data, tmp_path / "out")
    (tmp_path / "out/thesis.txt").touch()
    with pytest.raises(ConfigError, match=r"holds thesis\.txt"):
        run(data, tmp_path / "out", force=True)
    (tmp_path / "out/thesis.txt").unlink()
    inside = [f"{tmp_path / 'out/arms/tiny/pretrain'} --label there", *arms(data)]
    with pytest.raises(ConfigError, match="would remove it"):
        run(data, tmp_path / "out", inside, force=True)
    found = run(data, tmp_path / "out", force=True, tasks=(), tokens=300)
    assert found.tasks == []
    assert not (tmp_path / "out/arms/tiny/tasks").exists()
