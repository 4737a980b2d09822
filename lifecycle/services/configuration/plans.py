"""What becomes of the stages of today when a configuration is published: renames, and where their customers go."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lifecycle.rules.transitions import Change, Refused, Status, decide
from lifecycle.sentences import say
from tenants.rules.configuration.definitions import Configuration
from tenants.rules.configuration.errors import Finding, InvalidConfiguration, point
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.rules.configuration.renames import name_replaced
from tenants.rules.texts import fold_text
from tenants.services.configuration.versions import ConfigurationRefused


class MappingNeeded(ConfigurationRefused):
    """Stages with customers would go away and nothing says where the customers shall go. ``stages``: name -> count."""

    def __init__(self, stages: Mapping[str, int]) -> None:
        self.stages = dict(stages)
        super().__init__("customers_without_target", by_stage=self.stages)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the customers of a stage go, and with which reason."""

    stage: str
    reason_code: str | None = None


def complete_renames(
    configuration: Configuration, renamed: Mapping[str, str], *, stages: Collection[str]
) -> dict[str, str]:
    """The renames, and the names under which stages are emptied whose own name another one takes."""
    return {**renamed, **name_replaced(renamed, stages=stages, new_stages=configuration.stages)}


def judge_plan(
    configuration: Configuration,
    *,
    renamed: Mapping[str, Any],
    mapping: Mapping[str, Any],
    stages: Collection[str],
    is_return: bool = False,
) -> tuple[dict[str, Target], list[Finding]]:
    """Where the customers of stages that go away shall go, judged by the new rules, and every error of the plan.

    ``stages``: those that there are now, also the leaving ones. Errors are under ``/renamed``, ``/mapping`` and, for
    a name that differs from one of today only in case, ``/stages``. What is said of stages that stay is not looked at.
    ``is_return``: a version is taken back, so a stage that takes the name of another gets back its own.
    """
    replaced = name_replaced(renamed, stages=stages, new_stages=configuration.stages)
    leaving = replaced if is_return else {stage: name for stage, name in replaced.items() if stage in mapping}
    errors = _judge_renames(configuration, renamed, [stage for stage in stages if stage not in leaving])
    targets = {}
    for stage in mapping:
        if stage not in stages:
            errors.append(
                Finding(point("mapping", stage), "unknown_stage", "mapping_of_unknown_stage", {"stage": stage})
            )
    policy = compile_policy(configuration, version=0) if mapping else None
    for stage in stages:
        if stage not in mapping or stage in renamed or (stage in configuration.stages and stage not in leaving):
            continue
        target = _read_target(mapping[stage])
        if target is None or policy is None:
            errors.append(Finding(point("mapping", stage), "invalid_mapping"))
        elif refusal := _judge_target(policy, leaving.get(stage, stage), target):
            sentence = {"sentence": say(refusal.message)}
            errors.append(Finding(point("mapping", stage), refusal.code, "refused_target", sentence))
        else:
            targets[stage] = target
    return targets, errors


def _judge_renames(configuration: Configuration, renamed: Mapping[str, Any], stages: Collection[str]) -> list[Finding]:
    """What is wrong with the renames: the database holds every name once, whatever its case, at every moment."""
    errors = []
    staying = {fold_text(stage): stage for stage in stages if stage not in renamed}
    taken: set[str] = set()
    for old, new in renamed.items():
        place = point("renamed", old)
        if old not in stages:
            errors.append(Finding(place, "unknown_stage", "renamed_unknown_stage", {"stage": old}))
        elif not isinstance(new, str):
            errors.append(Finding(place, "unknown_stage", "name_not_text"))
        elif new not in configuration.stages:
            errors.append(Finding(place, "unknown_stage", "name_not_new", {"name": new}))
        elif new in taken or fold_text(new) in staying:
            errors.append(Finding(place, "name_taken", params={"name": new, "stage": old}))
        else:
            taken.add(new)
    for index, name in enumerate(configuration.stages):
        there = staying.get(fold_text(name), name)
        if there != name and name not in taken:
            errors.append(Finding(point("stages", index), "rename_needed", params={"name": name, "stage": there}))
    return errors


def _read_target(value: Any) -> Target | None:
    if isinstance(value, str):
        return Target(value)
    if not isinstance(value, Mapping) or not value.keys() <= {"to", "reason_code"}:
        return None
    to, reason_code = value.get("to"), value.get("reason_code")
    if not isinstance(to, str) or not isinstance(reason_code, str | None):
        return None
    return Target(to, reason_code)


def read_targets(
    configuration: Configuration,
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    counts: Mapping[str, int],
    stages: Collection[str],
    *,
    names: Mapping[str, str],
    is_return: bool,
) -> dict[str, Target]:
    """The mapping, judged by the new rules. Every stage that goes away and holds customers must be in it.

    Raises InvalidConfiguration with every error, MappingNeeded.
    """
    targets, errors = judge_plan(configuration, renamed=renamed, mapping=mapping, stages=stages, is_return=is_return)
    if errors:
        raise InvalidConfiguration(tuple(errors))
    gone = {
        stage: count
        for stage, count in counts.items()
        if count and names.get(stage, stage) not in configuration.stages and stage not in targets
    }
    if gone:
        raise MappingNeeded(gone)
    return targets


def _judge_target(policy: Policy, stage: str, target: Target) -> Refused | None:
    no_customer = UUID(int=0)
    decision = decide(
        policy,
        Status(customer_id=no_customer, stage=stage, version=1),
        Change(customer_id=no_customer, stage=target.stage, reason_code=target.reason_code),
        may_update=True,
    )
    return decision if isinstance(decision, Refused) else None
