"""Reads how a tenant's health is made, and says what a new formula changes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from tenants.rules.configuration.definitions import CATEGORIES, Configuration
from tenants.rules.configuration.document_reader import DocumentReader, Place, name_type
from tenants.rules.configuration.health_formula import (
    ALWAYS_KNOWN,
    CATEGORY,
    FULL_SCORE,
    MEASURES,
    USUAL_HEALTH,
    HealthFormula,
    HealthPart,
    HealthStep,
)

MOST_PARTS: Final = 20
MOST_HEALTH_STEPS: Final = 10
LONGEST_PART: Final = 60
LARGEST_BOUND: Final = 10**6
BOUNDS: Final = ("at_least", "at_most")
KEYS: Final = ("start", "good_from", "watch_from", "parts")
PART_KEYS: Final = ("name", "measure", "points", "from", "to", "steps", "categories", "if_missing", "weight")


def read_health(reader: DocumentReader, document: Mapping[str, Any]) -> HealthFormula:
    """The formula of the document, the usual one without."""
    place: Place = ("health",)
    if "health" not in document:
        return USUAL_HEALTH
    known = reader.read_object(document["health"], place, "health", KEYS, required=("parts",))
    if known is None:
        return USUAL_HEALTH
    start = _read_integer(reader, known, "start", place, 0, FULL_SCORE, FULL_SCORE)
    good = _read_integer(reader, known, "good_from", place, 1, FULL_SCORE, USUAL_HEALTH.good_from)
    watch = _read_integer(reader, known, "watch_from", place, 1, FULL_SCORE, USUAL_HEALTH.watch_from)
    if watch >= good:
        reader.add_error((*place, "watch_from"), "bands_crossed", good=good)
    parts: list[HealthPart] = []
    if "parts" in known:
        seen: set[str] = set()
        for item, where in reader.read_list(known["parts"], (*place, "parts"), "health_parts", MOST_PARTS):
            part = _read_part(reader, item, where, seen)
            if part is not None:
                parts.append(part)
    return HealthFormula(tuple(parts), start, good, watch)


def _read_integer(
    reader: DocumentReader, known: Mapping[str, Any], key: str, place: Place, least: int, most: int, usual: int
) -> int:
    if known.get(key) is None:
        return usual
    number = reader.read_integer(known[key], (*place, key), f"health_{key}", least, most)
    return usual if number is None else number


def _read_part(reader: DocumentReader, item: object, place: Place, seen: set[str]) -> HealthPart | None:
    known = reader.read_object(item, place, "health_part", PART_KEYS, required=("name", "measure"))
    if known is None or "name" not in known or "measure" not in known:
        return None
    name = reader.read_text(known["name"], (*place, "name"), "name", LONGEST_PART)
    is_new = name is not None and reader.is_new(name, (*place, "name"), seen)
    measure = reader.read_choice(known["measure"], (*place, "measure"), "measure", MEASURES)
    if_missing = _read_integer(reader, known, "if_missing", place, -FULL_SCORE, FULL_SCORE, 0)
    weight = None
    if known.get("weight") is not None:
        weight = reader.read_integer(known["weight"], (*place, "weight"), "health_weight", 0, FULL_SCORE)
    if name is None or not is_new or measure is None:
        return None
    if if_missing and measure in ALWAYS_KNOWN:
        reader.add_error((*place, "if_missing"), "measure_never_missing", measure=measure)
    part = HealthPart(name, measure, if_missing=if_missing, weight=weight)
    if measure == CATEGORY:
        _refuse_keys(reader, known, place, ("points", "from", "to", "steps"), measure)
        if known.get("categories") is None:
            reader.add_error((*place, "categories"), "missing_key", subject="health_part", key="categories")
            return None
        return replace(part, categories=_read_categories(reader, known["categories"], (*place, "categories")))
    _refuse_keys(reader, known, place, ("categories",), measure)
    if known.get("steps") is None:
        return _read_even(reader, known, place, part)
    if any(known.get(key) is not None for key in ("points", "from", "to")):
        reader.add_error((*place, "steps"), "steps_or_points")
    return replace(part, steps=_read_steps(reader, known["steps"], (*place, "steps")))


def _refuse_keys(
    reader: DocumentReader, known: Mapping[str, Any], place: Place, keys: tuple[str, ...], measure: str
) -> None:
    for key in keys:
        if known.get(key) is not None:
            reader.add_error((*place, key), "key_of_other_measure", key=key, measure=measure)


def _read_even(reader: DocumentReader, known: Mapping[str, Any], place: Place, part: HealthPart) -> HealthPart | None:
    missing = [key for key in ("points", "from", "to") if known.get(key) is None]
    for key in missing:
        reader.add_error((*place, key), "missing_key", subject="health_part", key=key)
    if missing:
        return None
    points = reader.read_integer(known["points"], (*place, "points"), "health_points", -FULL_SCORE, FULL_SCORE)
    begin = _read_bound(reader, known["from"], (*place, "from"))
    end = _read_bound(reader, known["to"], (*place, "to"))
    if points is None or begin is None or end is None:
        return None
    if begin == end:
        reader.add_error((*place, "to"), "bounds_equal")
        return None
    return replace(part, points=points, begin=begin, end=end)


def _read_bound(reader: DocumentReader, value: object, place: Place) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        reader.add_error(place, "wrong_type", "bound_not_number", type=name_type(value))
        return None
    if not -LARGEST_BOUND <= value <= LARGEST_BOUND or (isinstance(value, float) and not math.isfinite(value)):
        reader.add_error(place, "out_of_range", "number_too_large", most=LARGEST_BOUND)
        return None
    # Finer bounds would differ by less than floats can tell apart once they are divided by.
    return round(float(value), 4)


def _read_steps(reader: DocumentReader, value: object, place: Place) -> tuple[HealthStep, ...]:
    steps: list[HealthStep] = []
    for item, where in reader.read_list(value, place, "health_steps", MOST_HEALTH_STEPS):
        known = reader.read_object(item, where, "health_step", (*BOUNDS, "points"), required=("points",))
        if known is None or "points" not in known:
            continue
        given = [bound for bound in BOUNDS if known.get(bound) is not None]
        points = reader.read_integer(known["points"], (*where, "points"), "health_points", -FULL_SCORE, FULL_SCORE)
        if len(given) != 1:
            reader.add_error(where, "one_bound")
            continue
        limit = _read_bound(reader, known[given[0]], (*where, given[0]))
        if points is not None and limit is not None:
            steps.append(HealthStep(given[0], limit, points))
    return tuple(steps)


def _read_categories(reader: DocumentReader, value: object, place: Place) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, Mapping):
        reader.add_error(place, "wrong_type", "not_object", subject="health_categories", type=name_type(value))
        return ()
    if not value:
        reader.add_error(place, "empty", subject="health_categories")
    found: dict[str, int] = {}
    for name, number in list(value.items())[: 2 * len(CATEGORIES)]:
        category = reader.read_choice(name, (*place, str(name)), "category", CATEGORIES)
        points = reader.read_integer(number, (*place, str(name)), "health_points", -FULL_SCORE, FULL_SCORE)
        if category is not None and points is not None:
            found[category] = points
    # In the order of the categories, so that equal formulas are equal.
    return tuple((category, found[category]) for category in CATEGORIES if category in found)


def note_health(reader: DocumentReader, configuration: Configuration) -> None:
    """Warn of a formula that says less than its author may think."""
    formula = configuration.health
    if formula == USUAL_HEALTH:
        # It says what it says of every tenant.
        return
    takes = FULL_SCORE - formula.start + sum(part.most for part in formula.parts)
    if takes <= FULL_SCORE - formula.watch_from:
        reader.add_warning(("health", "watch_from"), "never_poor", watch=formula.watch_from, lowest=FULL_SCORE - takes)
    for index, part in enumerate(formula.parts):
        place = ("health", "parts", index)
        if not any(part.all_points):
            reader.add_warning(place, "part_takes_nothing", name=part.name)
        for number, step in enumerate(part.steps):
            if any(_covers(other, step) for other in part.steps[:number]):
                reader.add_warning((*place, "steps", number), "step_behind_another")
        has_target = any(stage.max_days for stage in configuration.definitions)
        if part.measure in ("days_over", "percent_of_expected") and not has_target:
            reader.add_warning(place, "no_expected_days", name=part.name)


def _covers(other: HealthStep, step: HealthStep) -> bool:
    """Whether ``other`` holds wherever ``step`` does."""
    if other.bound != step.bound:
        return False
    return other.limit <= step.limit if step.bound == "at_least" else other.limit >= step.limit


def diff_health(old: HealthFormula, new: HealthFormula) -> Iterator[tuple[str, dict[str, Any]]]:
    """What differs between two formulas: messages and their parameters."""
    if (old.good_from, old.watch_from) != (new.good_from, new.watch_from):
        yield "health_bands", {"good": new.good_from, "watch": new.watch_from}
    if old.start != new.start:
        yield "health_start", {"start": new.start, "before": old.start}
    before, now = ({part.name: part for part in one.parts} for one in (old, new))
    for name in before:
        if name not in now:
            yield "health_part_removed", {"part": name}
    for name, part in now.items():
        if name not in before:
            yield "health_part_added", {"part": name, "measure": part.measure, "most": part.most}
        elif before[name] != part:
            yield "health_part_changed", {"part": name, "measure": part.measure, "most": part.most}
    kept = [name for name in before if name in now]
    if kept != [name for name in now if name in before]:
        yield "health_parts_reordered", {}
