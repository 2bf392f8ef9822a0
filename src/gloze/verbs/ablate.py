"""``gloze ablate``: arms are trained alike, fine-tuned alike and compared."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.config.ablation import AblationConfig, ArmConfig
from gloze.core.errors import ConfigError, GlozeError, StoppedError, WriteError
from gloze.core.lists import as_list
from gloze.core.memory import is_out_of_memory
from gloze.core.progress import say
from gloze.verbs.ablate_arms import Source, read_recipes, trainings
from gloze.verbs.ablate_call import check_tasks, read_call
from gloze.verbs.ablate_folder import ablation_folder
from gloze.verbs.ablate_parts import RUN, Judge, Places, finetune_arm, pretrain_arm
from gloze.verbs.ablate_plan import plan_ablation
from gloze.verbs.ablate_results import Failures, publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.config.ablation import ComparisonTask
    from gloze.report.ablation import AblationResult
    from gloze.report.ablation_plan import AblationPlan
    from gloze.verbs.ablate_arms import Training
    from gloze.verbs.ablate_call import Arms


def ablate(
    arms: Arms | Sequence[Arms] = (),
    *,
    output: str | Path,
    corpus: str | Path | Sequence[str | Path] = (),
    shards: str | Path | Sequence[str | Path] = (),
    tasks: str | Sequence[str] | dict[str, ComparisonTask] = (),
    tokens: str | float | None = None,
    minutes: float | None = None,
    flops: str | float | None = None,
    settings: str | Sequence[str] = (),
    finetune_settings: str | Sequence[str] = (),
    seed: int | None = None,
    seeds: int | None = None,
    pretrain_seeds: int | None = None,
    dry_run: bool = False,
    resume: bool = False,
    force: bool = False,
) -> AblationResult | AblationPlan:
    """Train arms alike, fine-tune them on the same tasks, and compare them.

    Example: ``gloze.ablate(["bert-mini", "bert-mini+no-nsp"], shards="shards", tokens="20M",
    tasks="sst2=classification --train a.tsv --dev b.tsv", output="ablations/nsp")``

    Args:
        arms: each as on the command line, such as ``bert-mini --set sampler.max_length=64``, or
            an ArmConfig; or one TOML file, or AblationConfig, of a whole ablation, whose settings
            those given here replace or add to. With ``resume`` by default what is there.
        output: the folder of the ablation; must not exist unless ``resume`` or ``force``.
        corpus: files, folders or globs: a tokenizer is learned, and shards are prepared, once for
            each kind that arms have. Or
        shards: folders written by ``prepare``, one for each kind of tokenizer.
        tasks: each as on the command line, ``NAME=TASK --train FILE --dev FILE``; or by name.
        tokens: the budget of each pre-training, a number or a text like ``20M``; or
        minutes: of training on this machine; or
        flops: operations of the products, by formula.
        settings: changes to every recipe, each ``path=value``.
        finetune_settings: changes to every fine-tuning.
        seed: the first, of pre-trainings and fine-tunings; 0 if not given.
        seeds: fine-tunings of each model on each task; 3 if not given.
        pretrain_seeds: pre-trainings of each arm; 1 if not given.
        dry_run: train nothing, write nothing; say what it would cost.
        resume: go on with what is there; arms, tasks and seeds may be added.
        force: replace an ablation in ``output``.

    Raises:
        ConfigError: for an impossible arm, task or call, before anything is trained.
        DataError: for a corpus, shards, labelled file or model that cannot be used.
        StoppedError: after a signal, with everything saved.
        WriteError: if ``output`` cannot be written.
    """
    output = Path(output)
    config = read_call(
        [arms] if isinstance(arms, str | Path | ArmConfig | AblationConfig) else arms,
        tasks if isinstance(tasks, dict) else as_list(tasks),
        output,
        resume=resume,
        tokens=tokens,
        minutes=minutes,
        flops=flops,
        corpus=as_list(corpus),
        shards=as_list(shards),
        settings=as_list(settings),
        finetune_settings=as_list(finetune_settings),
        seed=seed,
        seeds=seeds,
        pretrain_seeds=pretrain_seeds,
    )
    recipes, source = read_recipes(config), Source(config, output)
    check_tasks(config, recipes)
    source.check(recipes)
    if dry_run:
        return plan_ablation(config, recipes)
    with ablation_folder(output, config, resume=resume, force=force):
        return _Ablation(Places(output, config), trainings(config, recipes, source)).run()


class _Ablation:
    """Does what is not done yet, part by part, and notes what cannot be done."""

    def __init__(self, places: Places, trained: dict[str, Training]) -> None:
        self.places, self.config, self.trained = places, places.config, trained
        self.failures: Failures = {}
        self.judges = {n: Judge(places, n, task) for n, task in self.config.tasks.items()}

    def run(self) -> AblationResult:
        """Do all parts: of each seed of pre-training every arm, then every task."""
        for seed in self.config.pretrainings():
            for arm in self._arms(seed):
                self._pretrain(arm, seed)
                self._publish()
            for name in self.config.tasks:
                for arm in self._arms(seed):
                    self._finetune(arm, seed, name)
                    self._publish()
        return self._publish()

    def _publish(self) -> AblationResult:
        return publish(self.places, self.trained, self.failures)

    def _arms(self, seed: int) -> list[ArmConfig]:
        """Return the arms that have a pre-training of this seed; some have but one, or none."""
        is_first = seed == self.config.seed
        return [
            arm
            for arm in self.config.arms
            if is_first or (arm.name in self.trained and arm.transfer != "none")
        ]

    def _pretrain(self, arm: ArmConfig, seed: int) -> None:
        training = self.trained.get(arm.name)
        if training is not None and training.owner == arm:
            with self._noting(arm, f"pre-training, seed {seed}"):
                pretrain_arm(self.places, training, seed)

    def _finetune(self, arm: ArmConfig, seed: int, name: str) -> None:
        training = self.trained.get(arm.name)
        if training is None:
            model: str | Path = str(arm.model)
        elif self.places.pretrained(training.owner, seed).exists():
            model = self.places.arm(training.owner, seed) / RUN
        else:
            return
        with self._noting(arm, f"{name}, seed {seed} of pre-training"):
            finetune_arm(self.places, arm, seed, (name, self.config.tasks[name]), model)
            if arm is not self.config.arms[0]:
                self.judges[name].compare(arm)

    @contextmanager
    def _noting(self, arm: ArmConfig, part: str) -> Iterator[None]:
        """Note what an arm cannot do, and go on with the others.

        A signal ends all of it, and so does a disk that is full: the next part would fail as well.
        """
        try:
            yield
        except (StoppedError, WriteError):
            raise
        except GlozeError as error:
            self._note(arm, part, error)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._note(arm, part, ConfigError("Out of memory. Lower training.micro_batch_tokens."))

    def _note(self, arm: ArmConfig, part: str, error: GlozeError) -> None:
        say(f"{arm.name}, {part}, failed: {error}")
        self.failures[arm.name, part] = error
