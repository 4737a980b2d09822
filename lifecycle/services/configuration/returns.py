"""The way back from a publication: the names and the stages that its customers had before."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from lifecycle.models import StageMigration
from lifecycle.services.configuration.plans import Target
from lifecycle.services.configuration.stage_migrations import customers_of, request_of
from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.definitions import Configuration
from tenants.rules.configuration.renames import name_replaced


def rename_back(
    undone: ConfigurationVersion, configuration: Configuration, *, stages: Collection[str]
) -> dict[str, str]:
    """The renames that undo those of a version, back to the former ``configuration``. A stage that was leaving already
    when it was renamed has no name to come back to: it goes away again.
    """
    there = configuration.stages
    return {new: old for old, new in undone.renamed.items() if new in stages and old in there}


def propose_mapping_back(
    undone: ConfigurationVersion,
    former: ConfigurationVersion,
    configuration: Configuration,
    *,
    renamed: Mapping[str, str],
    stages: Collection[str],
) -> dict[str, Any]:
    """Where customers of stages that the former version does not have go when it is taken back, unless said otherwise:
    where the undone version's own mapping came from. ``configuration`` is the former one, ``renamed`` what
    ``rename_back`` gives, ``stages`` are those that there are now.
    """
    replaced = name_replaced(renamed, stages=stages, new_stages=configuration.stages)
    kept = set(configuration.stages) - replaced.keys()
    back: dict[str, Any] = {}
    for old, new in undone.renamed.items():
        goal = _find_goal(configuration, old, former) if old not in configuration.stages else None
        if goal is not None:
            back[new] = {"to": goal.stage, "reason_code": goal.reason_code}
    for old, target in undone.mapping.items():
        goal = _find_goal(configuration, old, former)
        if goal is None:
            continue
        # The stage that they were brought to, and the one that is not empty yet.
        for stage in (target["to"], undone.renamed.get(old, old)):
            if stage not in kept:
                back.setdefault(stage, {"to": goal.stage, "reason_code": goal.reason_code})
    return {stage: target for stage, target in back.items() if stage in stages}


def make_moves_back(
    undone: ConfigurationVersion,
    former: ConfigurationVersion,
    configuration: Configuration,
    version: ConfigurationVersion,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> tuple[StageMigration, ...]:
    """Arrange that customers whom the ``undone`` version moved, and who have not moved since, return."""
    moves = []
    for old, target in undone.mapping.items():
        stands_in = version.renamed.get(target["to"], target["to"])
        goal = _find_goal(configuration, old, former)
        if goal is None or goal.stage == stands_in:
            continue
        probe = StageMigration(
            tenant_id=tenant.id,
            configuration_version=version.number or 0,
            from_stage=stands_in,
            to_stage=goal.stage,
            reason_code=goal.reason_code or "",
            request_id=request_of(version),
            undo_request_id=undone.request_id,
            undo_from_stage=undone.renamed.get(old, old),
            actor=actor.name,
            actor_kind=actor.kind,
            created_at=now,
            total=0,
        )
        probe.total = customers_of(probe).count()
        if probe.total:
            moves.append(probe)
    return tuple(StageMigration.objects.bulk_create(moves))


def leave_to_returns(moves: Collection[StageMigration], returns: Collection[StageMigration]) -> None:
    """Count no one twice: who returns from a stage that goes away does not go by its mapping."""
    for move in moves:
        returning = sum(back.total for back in returns if back.from_stage == move.from_stage)
        if returning:
            move.total = max(0, move.total - returning)
            move.save(update_fields=["total"])


def _find_goal(configuration: Configuration, stage: str, former: ConfigurationVersion) -> Target | None:
    """Where customers go that were taken out of ``stage``: there, or where the former version was sending them."""
    if stage in configuration.stages:
        return Target(stage, _any_reason(configuration, stage) or None)
    names = {new: old for old, new in former.renamed.items()}
    sent_to = former.mapping.get(stage) or former.mapping.get(names.get(stage, stage))
    return Target(sent_to["to"], sent_to["reason_code"]) if sent_to else None


def _any_reason(configuration: Configuration, stage: str) -> str:
    """The reason recorded for a return to a stage that asks for one: the first accepted, or what it is."""
    definition = configuration.definition(stage)
    if not definition.requires_reason:
        return ""
    return definition.reason_codes[0] if definition.reason_codes else "Configuration taken back"
