"""The parts of an ablation: a pre-training, a fine-tuning, a comparison; none is done twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import models_of
from gloze.config.runs import RECIPE, keep_recipe, note_data
from gloze.config.toml import read_toml
from gloze.core.files import read_json, write_json
from gloze.core.progress import say
from gloze.report.pretraining import PretrainResult
from gloze.tasks.comparison import compare
from gloze.tasks.results import RESULTS
from gloze.verbs.ablate_folder import ARMS, COMPARISONS
from gloze.verbs.evaluate import Labelled, judge_models
from gloze.verbs.finetune import finetune
from gloze.verbs.pretrain import pretrain

if TYPE_CHECKING:
    from gloze.config.ablation import AblationConfig, ArmConfig, ComparisonTask
    from gloze.tasks.comparison import Seen
    from gloze.verbs.ablate_arms import Training

RUN, PRETRAINED, TASKS = "pretrain", "pretrained.json", "tasks"


@dataclass(frozen=True)
class Places:
    """Where the parts of an ablation lie.

    The first pre-training of an arm and its fine-tunings have the arm's folder, further ones each
    one below, so that seeds can be added.
    """

    output: Path
    config: AblationConfig

    def arm(self, arm: ArmConfig, seed: int) -> Path:
        """Return the folder of an arm and the seed of its pre-training."""
        folder = self.output / ARMS / arm.folder
        return folder if seed == self.config.seed else folder / f"seed-{seed}"

    def pretrained(self, arm: ArmConfig, seed: int) -> Path:
        """Return the file that a finished pre-training leaves."""
        return self.arm(arm, seed) / PRETRAINED

    def finetuned(self, arm: ArmConfig, seed: int, task: str) -> Path:
        """Return the run folder of an arm's fine-tunings on a task."""
        return self.arm(arm, seed) / TASKS / task

    def compared(self, arm: ArmConfig, task: str) -> Path:
        """Return the file that a comparison with the first arm leaves."""
        return self.output / COMPARISONS / task / f"{arm.folder}.json"


def pretrain_arm(places: Places, training: Training, seed: int) -> None:
    """Make a pre-training, or go on with it, and note what it took.

    Raises:
        ConfigError: if it is finished, and of another recipe.
        DataError: if it is finished, and of other shards.
    """
    folder = places.arm(training.owner, seed) / RUN
    done = places.pretrained(training.owner, seed)
    recipe = replace(training.recipe, seed=seed)
    if done.exists():
        keep_recipe(recipe, folder)
        note_data(folder, {"shards": training.shards / "shards.json"})
        return
    say(f"Pre-training of {training.owner.name}, seed {seed}.")
    result = pretrain(recipe, shards=training.shards, output=folder, resume=True)
    if isinstance(result, PretrainResult):
        kind, parameters = "encoder", result.parameters
    else:
        kind, parameters = "word vectors", result.words * result.size
    each = training.flops_per_token()
    note = {
        "kind": kind,
        "parameters": parameters,
        "tokens": result.tokens,
        "passes": result.tokens / training.tokens,
        "seconds": result.seconds,
        "flops": None if each is None else each * result.tokens,
        "figures": result.figures,
    }
    write_json(done, note)


def finetune_arm(
    places: Places, arm: ArmConfig, seed: int, task: tuple[str, ComparisonTask], model: str | Path
) -> None:
    """Fine-tune an arm on a task with every seed, unless that is done."""
    name, files = task
    config, output = places.config, places.finetuned(arm, seed, name)
    if finetuned_seeds(output) == list(config.finetunings()):
        return
    say(f"Fine-tuning of {arm.name} on {name}, {config.seeds} seeds.")
    finetune(
        files.task,
        model=model,
        train=files.train,
        dev=files.dev,
        test=files.test,
        output=output,
        transfer=arm.transfer or files.transfer,
        seeds=config.seeds,
        seed=config.seed,
        format=files.format,
        columns=files.columns,
        recipe=files.recipe,
        settings=[*config.finetune_settings, *files.settings, *arm.finetune_settings],
        resume=True,
    )


def finetuned_seeds(run: Path) -> list[int]:
    """Return the seeds of a finished run of fine-tunings; none if it is not finished."""
    if not (run / RESULTS).is_file():
        return []
    return [result["seed"] for result in read_json(run / RESULTS)["seeds"]]


class Judge:
    """Compares arms with the first on the examples of a task.

    What the first arm makes of the examples is kept for the others.
    """

    def __init__(self, places: Places, name: str, task: ComparisonTask) -> None:
        self.places, self.name = places, name
        self.path = Path(task.files[task.judged])
        self._labelled = Labelled(self.path, task.format, task.columns)
        self._first: dict[str, Seen] = {}

    def runs(self, arm: ArmConfig) -> dict[str, Path]:
        """Return the models of an arm, by the seeds of pre-training and fine-tuning."""
        found: dict[str, Path] = {}
        for seed in self.places.config.pretrainings():
            run = self.places.finetuned(arm, seed, self.name)
            if finetuned_seeds(run):
                models = models_of(run)
                own = self.places.config.seed
                found |= {f"{seed}/{own if k == '-' else k}": path for k, path in models.items()}
        return found

    def compare(self, arm: ArmConfig) -> None:
        """Note the comparison of an arm with the first, unless these very runs are compared."""
        first = self.places.config.arms[0]
        mine, theirs = self.runs(arm), self.runs(first)
        common = [key for key in mine if key in theirs]
        done = self.places.compared(arm, self.name)
        asked = {"against": first.name, "runs": common, "figures": self._digest(first, arm)}
        if not common or (done.exists() and asked.items() <= read_json(done).items()):
            return
        say(f"Comparing {arm.name} with {first.name} on {self.name}.")
        if list(self._first) != list(theirs):
            self._first = self._seen(first, theirs)
        like = next(iter(self._first.values()))
        seen = self._seen(arm, {key: mine[key] for key in common}, like)
        found = compare(self.path, seen, self.places.output, self._first)
        note = {"metric": found.metric, "p_examples": found.examples}
        write_json(done, {**asked, **note, "examples": len(like.judged.examples)})

    def _digest(self, *arms: ArmConfig) -> str:
        """Return what tells the figures of some arms from others: runs may be made anew."""
        runs = [
            self.places.finetuned(arm, seed, self.name)
            for arm in arms
            for seed in self.places.config.pretrainings()
        ]
        found = [read_json(run / RESULTS)["seeds"] for run in runs if finetuned_seeds(run)]
        figures = [result["figures"] for seeds in found for result in seeds]
        return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()

    def _seen(
        self, arm: ArmConfig, models: dict[str, Path], like: Seen | None = None
    ) -> dict[str, Seen]:
        run = self.places.finetuned(arm, self.places.config.seed, self.name)
        training: dict[str, Any] = read_toml(run / RECIPE)["training"]
        task = None if like is None else like.task
        return judge_models(models, self._labelled, training["device"], like=task)
