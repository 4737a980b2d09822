"""A draft as the form shows it: rows of stages, rules and effects, that are the contract's JSON in another shape.

Rows refer to one another by key and not by name, so that a stage can be renamed without losing its transitions. What
they have in common, and what a reference is, is in ``rows``.
"""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from lifecycle.admin.configuration.health_sheet import HealthSheet
from lifecycle.admin.configuration.rows import (
    UNKNOWN,
    Concerned,
    Conditioned,
    ConditionRow,
    Findings,
    list_unknown,
    name_unknown,
)
from lifecycle.admin.configuration.source_rows import SourceRow
from tenants.rules.configuration.definitions import DEFAULT_CATEGORY, EFFECT_SOURCES
from tenants.rules.configuration.effect_kinds import KIND_FIELDS, KINDS
from tenants.rules.configuration.risk_rules import PROPOSE

# More than the rules allow, so that they can say so; what has more is edited as JSON, and of a forged form not read.
MOST_ROWS = {"stage": 60, "rule": 120, "effect": 120, "risk": 30}
MOST_CONDITIONS = 20
MOST_STEPS = 10
# Of a whole number. What is longer stays text, which the rules refuse as such.
MOST_DIGITS = 20
# References in one list, and names in it that are no stages.
MOST_REFERENCES = 100
MOST_UNKNOWN = 40


@dataclass(slots=True)
class StageRow:
    """One stage. ``origin`` is the name that it has in the live version, empty for a new one. ``to``: references."""

    key: str
    name: str = ""
    origin: str = ""
    category: str = DEFAULT_CATEGORY
    color: str = ""
    requires_reason: bool = False
    reasons: str = ""
    days: str = ""
    guidance: str = ""
    to: set[str] = field(default_factory=set)
    findings: Findings = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in: such a row is left out."""
        return not (self.name or self.origin or self.color or self.reasons or self.days or self.guidance)

    @property
    def is_renamed(self) -> bool:
        """Whether customers of the live stage come along under another name."""
        return bool(self.origin) and self.origin != self.name

    @property
    def reason_list(self) -> list[str]:
        """The reasons that it accepts, to be offered; none: any text is taken."""
        return self.reasons.splitlines()

    @property
    def list_id(self) -> str:
        """The id of the list of its reasons in the page."""
        return f"reasons-of-{self.key}"

    @property
    def label(self) -> str:
        """What the stage is called where it is referred to."""
        return self.name or _("(no name yet)")


@dataclass(slots=True)
class RuleRow(Conditioned):
    """One event rule. ``from_any``: it speaks of customers in every stage, and ``origins`` is not looked at."""

    key: str
    event: str = ""
    to: str = ""
    from_any: bool = True
    origins: set[str] = field(default_factory=set)
    reason: str = ""
    when: list[ConditionRow] = field(default_factory=list)
    findings: Findings = field(default_factory=dict)
    # Asked to be shown in a form that folds its rows, and what a folded one carries (see ``folding``).
    is_open: bool = False
    folded: str = ""
    target: str = ""

    @property
    def unknown_origins(self) -> list[str]:
        """References to what is no stage."""
        return list_unknown(self.origins)


@dataclass(slots=True)
class StepRow:
    """One step of an escalation. ``to``: a recipient a line; ``after``: minutes, as typed."""

    to: str = ""
    after: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in."""
        return not (self.to or self.after)


@dataclass(slots=True)
class EffectRow(Concerned):
    """One effect. ``to``: a recipient a line; numbers as typed. ``origins``: the stages that it must come from."""

    key: str
    name: str = ""
    on: str = "enter"
    kind: str = "alert"
    to: str = ""
    template: str = ""
    everywhere: bool = False
    stages: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    origins: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    topic: str = ""
    subject: str = ""
    body: str = ""
    delay_minutes: str = ""
    hold_minutes: str = ""
    cap_per_hour: str = ""
    escalate: list[StepRow] = field(default_factory=list)
    enabled: bool = True
    findings: Findings = field(default_factory=dict)
    is_open: bool = False
    folded: str = ""

    @property
    def unknown_origins(self) -> list[str]:
        """References to what is no stage, of those that it must come from."""
        return list_unknown(self.origins)

    @property
    def unknown_sources(self) -> list[str]:
        """Names that are no source."""
        return sorted(self.sources - set(EFFECT_SOURCES))

    @property
    def steps_shown(self) -> list[StepRow]:
        """The steps of the escalation, and an empty line for one more."""
        return [*(step for step in self.escalate if not step.is_blank), StepRow()]

    @property
    def uses(self) -> dict[str, str]:
        """The fields that not every kind has a use for -> the classes of style that hide those without any."""
        return {
            name: " ".join(
                [
                    "of-kind",
                    *(f"of-{kind.name}" for kind in KINDS.values() if name in kind.fields),
                    *(["filled"] if getattr(self, name) or self.findings.get(name) else []),
                ]
            )
            for name in KIND_FIELDS
        }

    @property
    def says_more(self) -> bool:
        """Whether anything is filled in, or wrong, of what a simple effect does without."""
        more = ("subject", "body", "template", "delay_minutes", "hold_minutes", "cap_per_hour", "sources", "escalate")
        return bool(self.origins or self.findings.get("from")) or any(
            getattr(self, name) or self.findings.get(name) for name in more
        )


@dataclass(slots=True)
class RiskRow(Conditioned, Concerned):
    """One at-risk rule. ``days`` as typed."""

    key: str
    name: str = ""
    when: list[ConditionRow] = field(default_factory=list)
    days: str = ""
    everywhere: bool = True
    stages: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    action: str = PROPOSE
    to: str = ""
    reason: str = ""
    enabled: bool = True
    findings: Findings = field(default_factory=dict)
    is_open: bool = False
    folded: str = ""
    target: str = ""


@dataclass(slots=True)
class GoneRow:
    """A stage of today that the draft does not have: where its customers shall go."""

    stage: str
    customers: int = 0
    to: str = ""
    reason: str = ""
    findings: Findings = field(default_factory=dict)

    @property
    def unknown_to(self) -> str:
        """The name of the target, if it is none of a stage."""
        return name_unknown(self.to)


@dataclass(slots=True)
class Sheet:
    """A whole draft. ``is_open``: every stage leads to every other, and the matrix is not looked at."""

    stages: list[StageRow] = field(default_factory=list)
    initial: str = ""
    is_open: bool = True
    rules: list[RuleRow] = field(default_factory=list)
    effects: list[EffectRow] = field(default_factory=list)
    risks: list[RiskRow] = field(default_factory=list)
    gone: list[GoneRow] = field(default_factory=list)
    # The tenant's currency, and the worth of others: "USD 0.92", one per line.
    currency: str = ""
    rates: str = ""
    # Which source goes first, a field a row.
    sources: list[SourceRow] = field(default_factory=list)
    health: HealthSheet = field(default_factory=HealthSheet)
    findings: Findings = field(default_factory=dict)
    # A sent form had more than can be shown: it must not be taken for the whole.
    is_cut: bool = False

    @property
    def present(self) -> list[StageRow]:
        """The stages that are filled in."""
        return [row for row in self.stages if not row.is_blank]

    @property
    def unknown_initial(self) -> str:
        """The name of the initial stage, if it is none of a stage."""
        return name_unknown(self.initial)

    @property
    def columns(self) -> int:
        """The columns of the matrix."""
        return max(1, len(self.present) + len(self.unknown_targets))

    @property
    def unknown_targets(self) -> list[str]:
        """References of the matrix to what is no stage, each once."""
        return list_unknown(set[str]().union(*(row.to for row in self.stages)))

    def name_of(self, reference: str) -> str:
        """The name behind a reference; empty if there is none."""
        if reference.startswith(UNKNOWN):
            return reference.removeprefix(UNKNOWN)
        return next((row.name for row in self.stages if row.key == reference), "")

    def reference_to(self, name: str) -> str:
        """The reference of a name: to its row, or to a name that is none of the stages."""
        return next((row.key for row in self.present if row.name == name), f"{UNKNOWN}{name}")

    def new_key(self) -> str:
        """A key that no row has."""
        keys = [row.key for rows in (self.stages, self.rules, self.effects, self.risks) for row in rows]
        return str(max(map(int, keys), default=-1) + 1)
