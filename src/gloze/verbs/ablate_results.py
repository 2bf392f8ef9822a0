"""What an ablation has come to so far, read from its folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gloze.core.files import read_json, write_json, write_text
from gloze.report.ablation import (
    AblationResult,
    ArmResult,
    Cost,
    Difference,
    Outcome,
    adjust,
    compare_outcomes,
)
from gloze.report.ablation_page import table_text, write_ablation_report
from gloze.tasks.results import RESULTS
from gloze.verbs.ablate_folder import RESULTS as ALL_RESULTS
from gloze.verbs.ablate_folder import TABLE
from gloze.verbs.ablate_parts import RUN, finetuned_seeds

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.config.ablation import ArmConfig, ComparisonTask
    from gloze.core.errors import GlozeError
    from gloze.verbs.ablate_arms import Training
    from gloze.verbs.ablate_parts import Places

Failures = dict[tuple[str, str], "GlozeError"]


def publish(places: Places, trained: dict[str, Training], failures: Failures) -> AblationResult:
    """Write results, table and report of what is there, and return it.

    Args:
        places: where the parts lie.
        trained: the pre-training of each arm that has one.
        failures: by arm and part.
    """
    config = places.config
    arms = [_arm(places, arm, trained.get(arm.name)) for arm in config.arms]
    for (name, part), error in failures.items():
        next(arm for arm in arms if arm.name == name).failures[part] = str(error)
    _tell_apart(places, arms)
    result = AblationResult(
        path=places.output,
        budget=str(config.budget) if trained and config.budget else None,
        arms=arms,
        tasks=list(config.tasks),
        exit_code=next((error.exit_code for error in failures.values()), 0),
    )
    logs = {
        arm.name: places.arm(arm, config.seed) / RUN / "metrics.jsonl"
        for arm in config.arms
        if arm.name in trained and trained[arm.name].owner == arm and arm.transfer != "none"
    }
    write_json(places.output / ALL_RESULTS, result.to_dict())
    write_text(places.output / TABLE, table_text(result))
    write_ablation_report(result, logs)
    return result


def _arm(places: Places, arm: ArmConfig, training: Training | None) -> ArmResult:
    owner = arm if training is None else training.owner
    costs = {}
    for seed in places.config.pretrainings():
        done = places.pretrained(owner, seed)
        if training is not None and done.exists():
            costs[seed] = Cost(**read_json(done))
    outcomes = {}
    for name, task in places.config.tasks.items():
        if (found := _outcome(places, arm, name, task)) is not None:
            outcomes[name] = found
    return ArmResult(
        name=arm.name,
        recipe=str(arm.recipe or arm.model),
        costs=costs,
        trained_as=None if owner == arm else owner.name,
        outcomes=outcomes,
    )


def _outcome(places: Places, arm: ArmConfig, name: str, task: ComparisonTask) -> Outcome | None:
    """Return what an arm came to on a task over all of its pre-trainings; None without any."""
    figures: dict[int, dict[int, float]] = {}
    seconds, examples, metric = 0.0, 0, ""
    for seed in places.config.pretrainings():
        run = places.finetuned(arm, seed, name)
        if not finetuned_seeds(run):
            continue
        found: dict[str, Any] = read_json(run / RESULTS)
        metric = found["metric"]
        own = {result["seed"]: result["figures"][task.judged] for result in found["seeds"]}
        figures[seed] = {number: values[metric] for number, values in own.items()}
        examples = next(iter(own.values()))["examples"]
        seconds += sum(result["seconds"] for result in found["seeds"])
    if not figures:
        return None
    return Outcome(
        metric=metric, split=task.judged, examples=examples, figures=figures, seconds=seconds
    )


def _tell_apart(places: Places, arms: list[ArmResult]) -> None:
    """Give every outcome its difference to that of the first arm, all adjusted together."""
    first, *others = arms
    configs = {arm.name: arm for arm in places.config.arms}
    found: list[tuple[ArmResult, str, Difference]] = []
    for arm in others:
        for name, outcome in arm.outcomes.items():
            theirs = first.outcomes.get(name)
            if theirs is None or theirs.metric != outcome.metric:
                continue
            p_examples = _p_examples(places, configs[arm.name], name)
            difference = compare_outcomes(outcome, theirs, p_examples)
            if difference is not None:
                found.append((arm, name, difference))
    raised = adjust([difference for _, _, difference in found])
    for (arm, name, difference), p in zip(found, raised, strict=True):
        whole = replace(difference, p_adjusted=p)
        arm.outcomes[name] = replace(arm.outcomes[name], difference=whole)


def _p_examples(places: Places, arm: ArmConfig, task: str) -> float | None:
    path: Path = places.compared(arm, task)
    return read_json(path)["p_examples"] if path.exists() else None
