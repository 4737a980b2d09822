"""Rules about customers at risk: conditions over figures and time that propose or make a move, and their JSON.

Which figures there are is for the app that keeps customers to say; it does so once, when Django starts.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.conditions import Condition

PROPOSE: Final = "propose"
MOVE: Final = "move"
ACTIONS: Final = (PROPOSE, MOVE)
LONGEST_NAME: Final = 100
LONGEST_WAIT_DAYS: Final = 365

Unit = Literal["amount", "percent", "count", "score", "days", "text"]


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that a rule can look at: its path and what its values are."""

    path: str
    unit: Unit

    @property
    def is_number(self) -> bool:
        """Whether values are compared as numbers."""
        return self.unit != "text"


_FIGURES: dict[str, Figure] = {}


def declare_figures(figures: tuple[Figure, ...]) -> None:
    """Say which figures rules can look at."""
    _FIGURES.clear()
    _FIGURES.update({figure.path: figure for figure in figures})


def figures_of_rules() -> tuple[Figure, ...]:
    """What a rule can look at, in order."""
    return tuple(_FIGURES.values())


def find_figure(path: str) -> Figure | None:
    """The figure of that path, or None."""
    return _FIGURES.get(path)


@dataclass(frozen=True, slots=True)
class RiskRule:
    """A rule of the tenant about customers at risk.

    It fires once in each unbroken stretch of time in which all conditions hold, ``for_days`` after its start, if the
    customer is then in one of the stages that it looks at: those named and those of the categories named; with neither
    every stage that is not lost. Never in ``to``. ``action``: whether it proposes the move or makes it.
    """

    name: str
    when: tuple[Condition, ...]
    to: str
    action: str = PROPOSE
    for_days: int = 0
    stages: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    reason_code: str | None = None
    enabled: bool = True

    def looks_at(self, stage: str, category: str) -> bool:
        """Whether customers in this stage of this category are looked at."""
        if stage == self.to:
            return False
        if not self.stages and not self.categories:
            return category != LOST
        return stage in self.stages or category in self.categories


def write_risk_rule(rule: RiskRule) -> dict[str, Any]:
    """The canonical JSON of a rule: what is as usual is left out."""
    written: dict[str, Any] = {"name": rule.name, "when": [condition.to_document() for condition in rule.when]}
    if rule.for_days:
        written["for_days"] = rule.for_days
    narrowed = {"stages": list(rule.stages), "categories": list(rule.categories)}
    written |= {key: value for key, value in narrowed.items() if value}
    written |= {"action": rule.action, "to": rule.to}
    if rule.reason_code is not None:
        written["reason_code"] = rule.reason_code
    if not rule.enabled:
        written["enabled"] = False
    return written
