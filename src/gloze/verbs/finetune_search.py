"""Settings tried one after the other: each a trial, compared by its figure on dev."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.config.runs import SEARCH, keep_recipe
from gloze.core.errors import ConfigError, DivergedError, MissingExtraError
from gloze.core.files import new_file, new_folder, read_json, write_json
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.core.rng import derive
from gloze.tasks.results import FIGURES, SeedResult
from gloze.tasks.trials import Trial, best_trial
from gloze.verbs.finetune_seed import run_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gloze.recipes.search import Changes, Space
    from gloze.verbs.finetune_job import Job

TRIALS, DIVERGED = "trials", "diverged.json"
# Trials of a search that proposes them, if nobody says how many.
DRAWN = 20
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Search:
    """What a search does.

    Attributes:
        space: of settings.
        count: how many trials, if they are not all of a grid.
        job: makes the fine-tuning of a trial from its changes to the recipe.
        seed: of every trial, and of what is drawn.
        output: the run folder.
    """

    space: Space
    count: int
    job: Callable[[Changes], Job]
    seed: int
    output: Path

    def run(self) -> list[Trial]:
        """Run every trial that is not finished yet; return all, in their order.

        Raises:
            ConfigError: if a setting cannot be, before anything is trained, or if the run began
                with another search.
            DivergedError: if every trial diverged.
        """
        ranks().once(self._keep_note)
        tried: list[Trial] = []
        trials = _grid(self) if self.space.method == "grid" else _drawn(self, tried)
        for changes in trials:
            tried.append(self._trial(changes))
            say(f"Trial {len(tried)}: {tried[-1]}")
            ranks().once(lambda: self._remove_models(tried))
        if best_trial(tried).score is None:
            raise DivergedError(f"Each of {len(tried)} trials diverged: try lower rates.")
        return tried

    def _keep_note(self) -> None:
        """Note what is tried, or see that it is what the run began with.

        Of other trials another may be the best, and seeds of the old one may be there.
        """
        path, space = self.output / SEARCH, self.space
        values = {name: list(tried) for name, tried in {**space.choices, **space.ranges}.items()}
        trials = {"trials": self.count} if space.method == "optuna" else {}
        note = {"method": space.method, **trials, "settings": values}
        if not path.exists():
            write_json(path, note)
        elif read_json(path) != note:
            raise ConfigError(
                f"{self.output} began with another --search, or another number of --trials: {path} "
                "says which. Give that, or begin a new run with another -o."
            )

    def _trial(self, changes: Changes) -> Trial:
        folder = self.output / TRIALS / _folder_name(changes)
        job = self.job(changes)
        metric = job.config.task.shown(job.data.learned)[0]
        if (folder / DIVERGED).exists():
            return Trial(changes, folder, metric, None)
        if (folder / FIGURES).exists():
            keep_recipe(job.config, folder)
            result = SeedResult.from_dict(read_json(folder / FIGURES), folder)
        else:
            ranks().once(lambda: keep_recipe(job.config, folder))
            try:
                result = run_seed(job, self.seed, folder)
            except DivergedError as error:
                reason = {"reason": str(error)}
                ranks().once(lambda: write_json(folder / DIVERGED, reason))
                return Trial(changes, folder, metric, None)
        return Trial(changes, folder, metric, result.figures["dev"][metric])

    def _remove_models(self, tried: Sequence[Trial]) -> None:
        """Keep the model of the best trial so far alone, for a model may be large."""
        best = best_trial(tried).path
        for trial in tried:
            # What is proposed twice is one trial.
            if trial.path != best:
                shutil.rmtree(trial.path / "model", ignore_errors=True)
                shutil.rmtree(trial.path / "checkpoints", ignore_errors=True)


def take_result(trial: Trial, folder: Path) -> None:
    """Copy what a trial gave to the folder of its seed, where others of the same settings go."""
    if (folder / FIGURES).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with new_folder(folder / "model", force=True) as temporary:
        shutil.copytree(trial.path / "model", temporary, dirs_exist_ok=True)
    for name in ("metrics.jsonl", FIGURES):
        with new_file(folder / name) as temporary:
            shutil.copyfile(trial.path / name, temporary)


def _grid(search: Search) -> Iterator[Changes]:
    every = search.space.grid()
    for changes in every:
        search.job(changes)
    say(f"Search: {len(every)} trials.")
    yield from every


def _drawn(search: Search, tried: list[Trial]) -> Iterator[Changes]:
    """Yield what the tree-structured Parzen estimator proposes (Bergstra et al. 2011).

    Its proposals follow from the seed and the figures so far: finished trials are told to it
    again, and it goes on as if it had never stopped.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "search", "--search optuna") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=derive("search", search.seed) % 2**32)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(search.count):
        asked = study.ask()
        yield _proposal(asked, search.space)
        score = tried[-1].score
        if score is None:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(asked, score)


def _proposal(asked: Any, space: Space) -> Changes:
    changes = []
    for path, (low, high) in space.ranges.items():
        if isinstance(low, int):
            changes.append(f"{path}={asked.suggest_int(path, low, high, log=True)}")
        else:
            changes.append(f"{path}={asked.suggest_float(path, low, high, log=True):.3g}")
    changes += [
        f"{path}={asked.suggest_categorical(path, values)}"
        for path, values in space.choices.items()
    ]
    return tuple(changes)


def _folder_name(changes: Changes) -> str:
    """Return a name that tells the settings apart and that a disk can bear."""
    name = ",".join(change.removeprefix("training.") for change in changes)
    plain = re.sub(r"[^\w.,=+-]", "_", name)
    is_same = plain == name and len(name) <= _LONGEST_NAME
    return name if is_same else f"{plain[:_LONGEST_NAME]}-{derive(name):016x}"
