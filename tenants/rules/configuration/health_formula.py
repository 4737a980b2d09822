"""What a tenant calls healthy: the parts of the score and its bands, as immutable values.

A score is ``start`` less the points that each part takes, within 0 and 100; negative points are given. What a part
measures is one of MEASURES; how it is computed of a customer is for the app that keeps customers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

# Of a stage, of figures that sources report, of what people write down. Of figures alone a customer may have none.
CATEGORY: Final = "category"
STAGE_MEASURES: Final = ("days_over", "days_in_stage", "percent_of_expected")
FIGURE_MEASURES: Final = ("overdue_share", "csat", "open_issues", "days_to_renewal")
WORK_MEASURES: Final = ("days_since_note", "overdue_tasks")
MEASURES: Final = (CATEGORY, *FIGURE_MEASURES, *STAGE_MEASURES, *WORK_MEASURES)
# What is known of every customer: there is nothing to say of where it is missing.
ALWAYS_KNOWN: Final = (CATEGORY, "days_over", "days_in_stage", "overdue_tasks")
FULL_SCORE: Final = 100


@dataclass(frozen=True, slots=True)
class HealthStep:
    """What a part takes where its measure is ``at_least`` or ``at_most`` a number (``limit``)."""

    bound: str
    limit: float
    points: int

    def holds(self, value: float) -> bool:
        """Whether a value is within it."""
        return value >= self.limit if self.bound == "at_least" else value <= self.limit


@dataclass(frozen=True)
class HealthPart:
    """One part of the score; it takes points in one of three ways.

    By ``categories``: so many for stages of that category (of the measure ``category`` alone). By ``steps``: those of
    the first that holds. Else evenly, from none at ``begin`` to ``points`` at ``end`` and beyond. ``if_missing``: where
    the measure is not known. ``weight``: how much of the data it counts for; None: as much as its points, of figures.
    """

    name: str
    measure: str
    points: int = 0
    begin: float = 0.0
    end: float = 0.0
    steps: tuple[HealthStep, ...] = ()
    categories: tuple[tuple[str, int], ...] = ()
    if_missing: int = 0
    weight: int | None = None

    @property
    def all_points(self) -> tuple[int, ...]:
        """Everything that it may take, but for what lies evenly between."""
        given = self.categories or tuple((step.bound, step.points) for step in self.steps)
        return (0, self.points, self.if_missing, *(points for _of, points in given))

    @property
    def most(self) -> int:
        """The most points that it takes, at least 0."""
        return max(self.all_points)

    @cached_property
    def data_weight(self) -> int:
        """How much of the data it counts for."""
        if self.weight is not None:
            return self.weight
        return max(map(abs, self.all_points)) if self.measure in FIGURE_MEASURES else 0


@dataclass(frozen=True)
class HealthFormula:
    """How the score is made. ``good_from``, ``watch_from``: the lowest scores of the two upper bands."""

    parts: tuple[HealthPart, ...]
    start: int = FULL_SCORE
    good_from: int = 70
    watch_from: int = 40

    @cached_property
    def needs_figures(self) -> bool:
        """Whether a customer of whom no figure is known has no score."""
        return any(part.measure in FIGURE_MEASURES for part in self.parts)

    @property
    def needs_work(self) -> bool:
        """Whether notes and tasks count."""
        return any(part.measure in WORK_MEASURES for part in self.parts)

    def points_of(self, category: str) -> int:
        """What the category of a stage takes by itself."""
        return sum(dict(part.categories).get(category, 0) for part in self.parts)


USUAL_HEALTH: Final = HealthFormula(
    (
        HealthPart("stage", CATEGORY, categories=(("risk", 35), ("lost", 65)), weight=30),
        HealthPart("overdue_balance", "overdue_share", 25, 0, 25),
        HealthPart("satisfaction", "csat", 20, 4, 2),
        HealthPart("issues", "open_issues", 15, 0, 5),
        HealthPart("time_in_stage", "days_over", 15, 0, 60),
        HealthPart("renewal", "days_to_renewal", 10, 90, 0),
    )
)


def write_health(formula: HealthFormula) -> dict[str, Any]:
    """The formula as it is written in the configuration."""
    return {
        "start": formula.start,
        "good_from": formula.good_from,
        "watch_from": formula.watch_from,
        "parts": [write_part(part) for part in formula.parts],
    }


def write_part(part: HealthPart) -> dict[str, Any]:
    """One part as it is written in the configuration."""
    written: dict[str, Any] = {"name": part.name, "measure": part.measure}
    if part.measure == CATEGORY:
        written["categories"] = dict(part.categories)
    elif part.steps:
        written["steps"] = [{step.bound: write_number(step.limit), "points": step.points} for step in part.steps]
    else:
        written |= {"points": part.points, "from": write_number(part.begin), "to": write_number(part.end)}
    optional: Mapping[str, int | None] = {"if_missing": part.if_missing or None, "weight": part.weight}
    return written | {key: value for key, value in optional.items() if value is not None}


def write_number(number: float) -> float | int:
    """Whole numbers without a point."""
    return int(number) if number == int(number) else number
