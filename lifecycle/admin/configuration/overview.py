"""The first page of the configuration: what is live, what is being moved, drafts, and every version before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _

from lifecycle.admin.configuration.judging import draw, read_live_state
from lifecycle.admin.configuration.moved import read_moves, say_moved
from lifecycle.models import StageMigration
from lifecycle.services.configuration.stage_migrations import unfinished_moves
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import diff_configurations
from tenants.rules.configuration.policy import Policy
from tenants.rules.configuration.starters import STARTERS
from tenants.sentences import describe_change
from tenants.services.accounts.members import Recorded, name_members_then
from tenants.services.configuration.policies import policy_of

VERSIONS_A_PAGE = 20
SENTENCES = 6


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage of a published version, for reading."""

    name: str
    category: str
    color: str
    customers: int | None
    is_initial: bool
    leads_to: tuple[str, ...]
    requires_reason: bool
    reason_codes: tuple[str, ...] | None
    max_days: int | None
    guidance: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One published version, and what it changed."""

    version: ConfigurationVersion
    who: str
    changes: Sequence[str]
    more: int
    is_live: bool
    moved: str


def gather_overview(tenant: TenantRef, *, before: int | None = None, published: int | None = None) -> dict[str, Any]:
    """Everything on the page. ``before``: only versions with a lower number are listed. ``published``: the number of
    the version of which it is said first what becomes of the customers that it moves.
    """
    live_state = read_live_state(tenant)
    drafts = list(ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=True).order_by("-updated_at"))
    versions = read_versions(tenant, before=before)
    names = name_members_then(
        [
            *((draft.created_by, draft.created_at) for draft in drafts),
            *((row.published_by, row.published_at) for row in versions if row.published_at is not None),
        ],
        tenant=tenant,
    )
    listed = versions[:VERSIONS_A_PAGE]
    moves = read_moves(listed, live_state=live_state)
    lines = [
        describe_version(
            version,
            former,
            names=names,
            live=live_state.number,
            moved=say_moved(version, moves, live_state=live_state),
        )
        for version, former in zip(listed, [*versions[1:], None], strict=False)
    ]
    return {
        "live_state": live_state,
        "lines": describe_stages(live_state.policy, live_state.customers),
        "is_open": live_state.policy is not None and live_state.policy.configuration.is_open,
        "picture": draw(live_state.policy, live_state=live_state, renamed={}, title=_("The live lifecycle"))
        if live_state.policy
        else None,
        "moves": list_moves(tenant),
        "drafts": [(draft, names[draft.created_by, draft.created_at]) for draft in drafts],
        "versions": lines,
        "report": next((line.moved for line in lines if line.version.number == published), ""),
        "older": listed[-1].number if len(versions) > VERSIONS_A_PAGE else None,
        "can_revert": live_state.number > 1,
        "starters": [] if live_state.number else describe_starters(),
    }


def describe_starters() -> list[tuple[str, Mapping[str, Any]]]:
    """The lifecycles to begin with: each with its title, for whom it is, and its stages in order."""
    return [
        (key, {"title": _(one.title), "summary": _(one.summary), "way": one.document["stages"]})
        for key, one in STARTERS.items()
    ]


def read_versions(tenant: TenantRef, *, before: int | None = None) -> list[ConfigurationVersion]:
    """A page of published versions, newest first, and the one before them to compare the last with. One statement."""
    rows = ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=False)
    if before is not None:
        rows = rows.filter(number__lt=before)
    return list(rows.order_by("-number")[: VERSIONS_A_PAGE + 1])


def describe_version(
    version: ConfigurationVersion,
    former: ConfigurationVersion | None,
    *,
    names: Mapping[Recorded, str],
    live: int,
    moved: str,
    most: int | None = SENTENCES,
) -> VersionLine:
    """A version in words; ``former`` is the one before it, ``moved`` says what became of its customers."""
    sentences = compare_versions(former, version)
    return VersionLine(
        version=version,
        who=names[version.published_by, version.published_at] if version.published_at is not None else "",
        changes=sentences[:most],
        more=max(0, len(sentences) - most) if most is not None else 0,
        is_live=version.number == live,
        moved=moved,
    )


def compare_versions(former: ConfigurationVersion | None, version: ConfigurationVersion) -> list[str]:
    """What a version changed, in words."""
    if former is None:
        return [_("The first version.")]
    before, after = policy_of(former), policy_of(version)
    if before is None or after is None:
        return [_("It cannot be compared: one of the two was published under older rules.")]
    changes = diff_configurations(before.configuration, after.configuration, renamed=version.renamed)
    return [describe_change(change) for change in changes] or [_("No changes.")]


def describe_stages(policy: Policy | None, customers: Mapping[str, int] | None) -> list[StageLine]:
    """The table of a version's stages."""
    if policy is None:
        return []
    return [
        StageLine(
            name=stage.name,
            category=stage.category,
            color=policy.color(stage.name),
            customers=None if customers is None else customers.get(stage.name, 0),
            is_initial=stage.name == policy.initial,
            leads_to=stage.to,
            requires_reason=stage.requires_reason,
            reason_codes=stage.reason_codes,
            max_days=stage.max_days,
            guidance=stage.guidance,
        )
        for stage in policy.configuration.definitions
    ]


def list_moves(tenant: TenantRef) -> list[StageMigration]:
    """The moves that are running."""
    return unfinished_moves(tenant)


def count_returning(undone: ConfigurationVersion, *, tenant: TenantRef) -> int:
    """How many customers the publication of a version moved: at most so many go back when it is rolled back."""
    if undone.request_id is None:
        return 0
    moves = StageMigration.objects.filter(tenant_id=tenant.id, request_id=undone.request_id)
    return int(moves.aggregate(total=Sum("moved"))["total"] or 0)
