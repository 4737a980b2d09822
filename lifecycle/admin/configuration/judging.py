"""What a draft is compared with, and what is to be said about it: findings, changes in words, the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from lifecycle.admin.configuration.diagram import draw_svg, place_stages
from lifecycle.admin.configuration.diagram_words import describe_diagram
from lifecycle.models import CustomerLifecycleStatus
from lifecycle.services.configuration.plans import complete_renames, judge_plan
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import (
    WARNING,
    Configuration,
    Finding,
    diff_configurations,
    read_configuration,
)
from tenants.rules.configuration.errors import errors_in, point
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.rules.configuration.widening import warn_of_widening
from tenants.sentences import describe_change
from tenants.services.configuration import versions
from tenants.services.configuration.policies import policy_of


@dataclass(frozen=True, slots=True)
class LiveState:
    """The live configuration and who is where. ``leaving``: stages that are being emptied."""

    tenant: TenantRef
    version: ConfigurationVersion | None
    policy: Policy | None
    customers: Mapping[str, int]
    leaving: tuple[str, ...]

    @property
    def number(self) -> int:
        """The number of the live version; 0 when there is none."""
        return (self.version.number or 0) if self.version else 0

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the live version, in order."""
        return self.policy.stages if self.policy else ()

    @property
    def held(self) -> tuple[str, ...]:
        """Every stage that a publication has to answer for: the live ones, and those not emptied yet."""
        return (*self.stages, *(stage for stage in self.leaving if self.customers.get(stage)))


@dataclass(frozen=True, slots=True)
class Picture:
    """A diagram as SVG and in words."""

    svg: str
    words: list[str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said about a draft. With errors in the document nothing is known beyond them.

    ``changes`` are sentences.
    """

    findings: tuple[Finding, ...]
    plan_findings: tuple[Finding, ...] = ()
    configuration: Configuration | None = None
    changes: tuple[str, ...] = ()
    picture: Picture | None = None

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Of the document, then of what becomes of the stages of today."""
        return (*self.findings, *self.plan_findings)

    @property
    def errors(self) -> list[Finding]:
        """What keeps it from being published."""
        return errors_in(self.all_findings)

    @property
    def warnings(self) -> list[Finding]:
        """What is possible but probably not meant."""
        return [finding for finding in self.findings if finding.severity == WARNING]


def read_live_state(tenant: TenantRef) -> LiveState:
    """The tenant as it is now. Four statements, inside the tenant's context."""
    version = versions.live_version(tenant)
    counts = CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage()
    return LiveState(
        tenant=tenant,
        version=version,
        policy=policy_of(version),
        customers=counts,
        leaving=tuple(versions.leaving_stages(tenant)),
    )


def judge(
    document: Any,
    *,
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    live_state: LiveState,
    is_upright: bool = False,
) -> Judgement:
    """Everything that is to be said about a draft. The document is read once; no statement."""
    configuration, findings = read_configuration(document)
    if configuration is None:
        return Judgement(tuple(findings))
    return judge_configuration(
        configuration, findings, renamed=renamed, mapping=mapping, live_state=live_state, is_upright=is_upright
    )


def judge_configuration(
    configuration: Configuration,
    findings: Sequence[Finding] = (),
    *,
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    live_state: LiveState,
    is_return: bool = False,
    is_upright: bool = False,
) -> Judgement:
    """The same about a configuration that was read already; ``is_return``: about the version to go back to.

    ``is_upright``: the picture is for a narrow place.
    """
    stages = (*live_state.stages, *live_state.leaving)
    targets, plan_findings = judge_plan(
        configuration, renamed=renamed, mapping=mapping, stages=stages, is_return=is_return
    )
    renamed = complete_renames(configuration, renamed, stages=stages)
    named = {finding.path for finding in plan_findings}
    plan_findings += [
        Finding(place, "mapping_needed", params={"stage": stage, "count": count})
        for stage in live_state.held
        if (count := live_state.customers.get(stage, 0))
        and renamed.get(stage, stage) not in configuration.stages
        and stage not in targets
        and (place := point("mapping", stage)) not in named
    ]
    live = live_state.policy
    changes = diff_configurations(live.configuration, configuration, renamed=renamed) if live else []
    return Judgement(
        findings=(*findings, *warn_of_widening(changes, configuration)),
        plan_findings=tuple(plan_findings),
        configuration=configuration,
        changes=tuple(map(describe_change, changes)),
        picture=draw(
            compile_policy(configuration, version=live_state.number + 1),
            live_state=live_state,
            renamed=renamed,
            is_upright=is_upright,
        ),
    )


def draw(
    policy: Policy,
    *,
    live_state: LiveState,
    renamed: Mapping[str, str],
    title: str = "",
    alone: bool = False,
    is_upright: bool = False,
) -> Picture:
    """The picture of a policy beside the live one, with the customers of today; ``alone`` without both."""
    diagram = place_stages(
        policy,
        renamed=renamed,
        live=None if alone else live_state.policy,
        customers=None if alone else live_state.customers,
        is_upright=is_upright,
    )
    return Picture(draw_svg(diagram, title=title or _("The lifecycle as a diagram")), describe_diagram(diagram))
