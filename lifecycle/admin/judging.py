"""What a draft is compared with, and what is to be said about it: faults, changes in words, the picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.models import CustomerLifecycleStatus
from lifecycle.services.configuration.publication import complete_renames, judge_plan
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.diagram import describe_diagram, draw_svg, lay_out
from tenants.rules.configuration.document import (
    ERROR,
    Configuration,
    ConfigurationChange,
    Fault,
    InvalidConfiguration,
    check_configuration,
    diff_configurations,
    parse_configuration,
)
from tenants.rules.configuration.errors import point
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.rules.texts import quote_text
from tenants.services.configuration import versions


@dataclass(frozen=True, slots=True)
class Today:
    """The live configuration and who stands where. ``leaving``: stages that are being emptied."""

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
    """What is to be said about a draft. With errors in the document nothing is known beyond them."""

    faults: tuple[Fault, ...]
    plan_faults: tuple[Fault, ...] = ()
    configuration: Configuration | None = None
    changes: tuple[ConfigurationChange, ...] = ()
    picture: Picture | None = None

    @property
    def errors(self) -> list[Fault]:
        """What stands in the way of publishing."""
        return [fault for fault in (*self.faults, *self.plan_faults) if fault.severity == ERROR]

    @property
    def warnings(self) -> list[Fault]:
        """What is possible but probably not meant."""
        return [fault for fault in self.faults if fault.severity != ERROR]


def look_at_today(tenant: TenantRef) -> Today:
    """The tenant as it is now. Four statements, inside the tenant's context."""
    version = versions.live_version(tenant)
    counts = CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage()
    return Today(
        tenant=tenant,
        version=version,
        policy=compile_version(version),
        customers=counts,
        leaving=tuple(versions.leaving_stages(tenant)),
    )


def compile_version(version: ConfigurationVersion | None) -> Policy | None:
    """The policy of a version; None without one, or when it was published under older rules than today's."""
    if version is None:
        return None
    try:
        return compile_policy(parse_configuration(version.document), version=version.number or 0)
    except InvalidConfiguration:
        return None


def judge(
    document: Any, *, renamed: Mapping[str, str], mapping: Mapping[str, Any], today: Today, is_return: bool = False
) -> Judgement:
    """Everything that is to be said about a draft, or (``is_return``) about the version to go back to. No statement."""
    faults = tuple(check_configuration(document))
    if any(fault.severity == ERROR for fault in faults):
        return Judgement(faults)
    configuration = parse_configuration(document)
    stages = (*today.stages, *today.leaving)
    targets, plan_faults = judge_plan(
        configuration, renamed=renamed, mapping=mapping, stages=stages, is_return=is_return
    )
    renamed = complete_renames(configuration, renamed, stages=stages)
    named = {fault.path for fault in plan_faults}
    plan_faults += [
        Fault(place, "mapping_needed", f"{describe_count(count)} in {quote_text(stage)}: choose their target stage.")
        for stage in today.held
        if (count := today.customers.get(stage, 0))
        and renamed.get(stage, stage) not in configuration.stages
        and stage not in targets
        and (place := point("mapping", stage)) not in named
    ]
    live = today.policy
    return Judgement(
        faults=faults,
        plan_faults=tuple(plan_faults),
        configuration=configuration,
        changes=tuple(diff_configurations(live.configuration, configuration, renamed=renamed) if live else ()),
        picture=draw(compile_policy(configuration, version=today.number + 1), today=today, renamed=renamed),
    )


def draw(policy: Policy, *, today: Today, renamed: Mapping[str, str], title: str = "", alone: bool = False) -> Picture:
    """The picture of a policy beside the live one, with the customers of today; ``alone`` without both."""
    beside = {} if alone else {"live": today.policy, "customers": today.customers}
    diagram = lay_out(policy, renamed=renamed, **beside)  # type: ignore[arg-type]
    return Picture(draw_svg(diagram, title=title or "The lifecycle as a diagram"), describe_diagram(diagram))


def describe_count(count: int) -> str:
    """How many customers stand, as the beginning of a sentence."""
    return "1 customer is" if count == 1 else f"{count:,} customers are"
