"""Arms, tasks and amounts as they are written, and what is refused of them."""

import pytest

from gloze.config.ablation import AblationConfig, ArmConfig, BudgetConfig, ComparisonTask
from gloze.config.ablation_words import read_amount, read_arm, read_task
from gloze.config.toml import from_dict, to_dict
from gloze.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "name", "folder"),
    [
        ("bert-mini+no-nsp", "bert-mini+no-nsp", "bert-mini+no-nsp"),
        ("bert-mini --set a.b=1", "bert-mini a.b=1", "bert-mini-a.b=1"),
        ("nnlm --label 'A long: name'", "A long: name", "A-long-name"),
        ("runs/x.toml --transfer none", "runs/x.toml none", "runs-x.toml-none"),
        ("glove --finetune-set d=2", "glove (d=2)", "glove-d=2"),
        ("--model ../hub/name", "../hub/name", "hub-name"),
        ("nnlm --label ../..", "../..", "-"),
    ],
)
def test_an_arm_is_called_what_makes_it_up(text, name, folder):
    arm = read_arm(text)
    assert (arm.name, arm.folder) == (name, folder)


def test_an_arm_that_is_not_quoted_is_refused():
    with pytest.raises(ConfigError, match=r"'2\]' is no option\. Quote each arm"):
        read_arm("bert-mini --set=c=[1, 2]")


def test_a_folder_that_is_there_is_a_model(tmp_path):
    assert read_arm(f"{tmp_path} --transfer frozen").model == str(tmp_path)
    with pytest.raises(ConfigError, match="the model is trained already, and --set is not"):
        read_arm(f"{tmp_path} --set training.seed=1")


def test_a_task_has_a_name_or_is_called_what_it_is():
    name, task = read_task("a=span --train 'my file.json' --dev=d.json --set x=1 --set y=2")
    assert (name, task.task, task.train) == ("a", "span", "my file.json")
    assert (task.settings, task.judged) == (("x=1", "y=2"), "dev")
    name, task = read_task("tagging --train t --dev d --test s --format conll")
    assert (name, task.task, task.judged) == ("tagging", "tagging", "test")
    assert task.files == {"train": "t", "dev": "d", "test": "s"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=span --train x --train y --dev z", "--train is given twice"),
        ("--train x --dev y", "expected one word before the options"),
        ("a=span --train 'x --dev y", "a quotation mark is not closed"),
        ("a=span --trian x --dev y", "unknown option of a task: --trian. Did you mean '--train'"),
    ],
)
def test_what_is_no_task_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        read_task(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("20M", 2e7), ("1.5k", 1500), ("2_000", 2000), ("2,000", 2000), ("1.5e15", 1.5e15)),
        *(("3G", 3e9), ("3B", 3e9), ("0.5T", 5e11), (7, 7), ("12", 12)),
    ],
)
def test_amounts(text, amount):
    assert read_amount("tokens", text) == amount


@pytest.mark.parametrize("text", ["", "M", "20m", "-3", "1e", "2 0", "nan", "1M2"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ConfigError, match=r"--flops .*: expected a number"):
        read_amount("flops", text)


def test_an_ablation_is_the_same_read_back():
    config = AblationConfig(
        arms=(ArmConfig(recipe="bert-mini"), ArmConfig(model="x", transfer="frozen")),
        budget=BudgetConfig(minutes=2.5),
        shards=("a", "b"),
        tasks={"t": ComparisonTask(task="span", train="x", dev="y")},
        seed=3,
        seeds=2,
    )
    assert from_dict(AblationConfig, to_dict(config)) == config
    assert list(config.finetunings()) == [3, 4]
    assert list(config.pretrainings()) == [3]
    assert str(config.budget) == "2.5 minutes"
    assert str(BudgetConfig(flops=1.5e15)) == "1.5e+15 FLOPs"
