"""What the rows of a form have in common: findings filed at them, conditions, boxes of stages and categories.

A *reference* is the key of a stage row, or ``?`` and a name that is none of this draft's stages.
"""

import dataclasses
from dataclasses import dataclass

from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.errors import Finding

UNKNOWN = "?"
# What a condition asks without a value: whether something is known. In the document both are ``exists``.
EXISTS, MISSING = "exists", "missing"

# By the name of the field that they are about.
Findings = dict[str, list[Finding]]


class CannotLayOut(Exception):
    """The JSON says something that rows cannot hold: a list where a text belongs, say. Until then it stays JSON."""


def name_unknown(reference: str) -> str:
    """The name in a reference to what is no stage; empty of other references."""
    return reference.removeprefix(UNKNOWN) if reference.startswith(UNKNOWN) else ""


def list_unknown(references: set[str]) -> list[str]:
    """References to what is no stage, in order."""
    return sorted(reference for reference in references if reference.startswith(UNKNOWN))


@dataclass(slots=True)
class ConditionRow:
    """One condition of a rule. ``value`` as it is typed: see ``read_value``.

    ``op``: an operator of the document, or ``missing`` for what is not known. ``number``: its place in the names of
    the form.
    """

    field: str = ""
    op: str = "eq"
    value: str = ""
    number: int = 0
    findings: Findings = dataclasses.field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in."""
        return not (self.field or self.value)


class Reported:
    """A row with findings."""

    __slots__ = ()
    findings: Findings

    @property
    def own_findings(self) -> list[Finding]:
        """Findings of the row as a whole."""
        return self.findings.get("", [])

    @property
    def all_findings(self) -> list[Finding]:
        """Findings of the row and of everything in it."""
        return [finding for findings in self.findings.values() for finding in findings]


class Conditioned(Reported):
    """A rule with conditions, that leads to a stage."""

    __slots__ = ()
    when: list[ConditionRow]
    to: str

    @property
    def when_shown(self) -> list[ConditionRow]:
        """The conditions, and an empty line for one more.

        That keeps its number as long as it is empty: what is typed into it while the server answers is put back by it.
        """
        filled = [row for row in self.when if not row.is_blank]
        empty = [row.number for row in self.when if row.is_blank]
        number = empty[-1] if empty else max((row.number for row in self.when), default=-1) + 1
        return [*filled, ConditionRow(number=number)]

    @property
    def unknown_to(self) -> str:
        """The name that the rule leads to, if it is none of a stage."""
        return name_unknown(self.to)

    @property
    def all_findings(self) -> list[Finding]:
        """Findings of the rule and of its conditions."""
        parts = [self.findings, *(condition.findings for condition in self.when)]
        return [finding for part in parts for findings in part.values() for finding in findings]


class Concerned(Reported):
    """What looks at customers of some stages and categories, or ``everywhere``: then neither is looked at.

    Nothing chosen is an error and not everywhere, so that no one makes it that by taking the last mark away.
    """

    __slots__ = ()
    everywhere: bool
    stages: set[str]
    categories: set[str]

    @property
    def unknown_stages(self) -> list[str]:
        """References to what is no stage."""
        return list_unknown(self.stages)

    @property
    def unknown_categories(self) -> list[str]:
        """Names that are no category."""
        return sorted(self.categories - set(CATEGORIES))
