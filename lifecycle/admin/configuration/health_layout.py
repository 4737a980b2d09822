"""From the contract's JSON of a tenant's health to rows: strictly, so that the form never leaves out anything."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from lifecycle.admin.configuration.fitting import is_same, read_object
from lifecycle.admin.configuration.health_sheet import (
    FIELDS,
    MOST_PART_ROWS,
    NUMBERS,
    HealthSheet,
    PartRow,
    read_steps,
    write_step,
)
from lifecycle.admin.configuration.rows import CannotLayOut
from lifecycle.admin.configuration.typed import read_value, write_value
from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.health_formula import CATEGORY
from tenants.rules.configuration.health_reader import KEYS, MOST_HEALTH_STEPS, PART_KEYS
from tenants.sentences.figures import say_number


def lay_out_health(value: Any) -> HealthSheet:
    """The rows of a formula; writing them gives one that means the same. Raises CannotLayOut."""
    known = read_object(value, "“health”", KEYS, ("parts",))
    parts = known["parts"]
    if not isinstance(parts, list | tuple):
        raise CannotLayOut(_("“%(key)s” is not a list.") % {"key": "parts"})
    if len(parts) > MOST_PART_ROWS:
        shown = {"key": "parts", "count": say_number(len(parts)), "most": MOST_PART_ROWS}
        raise CannotLayOut(_("“%(key)s” has %(count)s rows; the form shows at most %(most)s.") % shown)
    sheet = HealthSheet(is_own=True, parts=[_lay_out_part(str(index), part) for index, part in enumerate(parts)])
    for name in NUMBERS:
        setattr(sheet, name, _type(known.get(name), name))
    return sheet


def _lay_out_part(key: str, item: Any) -> PartRow:
    part = read_object(item, _("A part of health"), PART_KEYS, ("name", "measure"))
    measure = _text(part["measure"], "measure")
    categories = part.get("categories")
    if categories is not None:
        categories = read_object(categories, "“categories”", CATEGORIES)
        if not categories and measure != CATEGORY:
            raise CannotLayOut(_("“%(key)s” has an entry that the form does not support.") % {"key": "categories"})
    typed: dict[str, Any] = {name: _type(part.get(of), of) for of, name in FIELDS.items()}
    return PartRow(
        key=key,
        name=_text(part["name"], "name"),
        measure=measure,
        steps=_steps(part.get("steps")),
        categories={name: _type(points, "categories", blank=False) for name, points in (categories or {}).items()},
        **typed,
    )


def _steps(value: Any) -> str:
    if value is None:
        return ""
    listed = list(value) if isinstance(value, list | tuple) else []
    try:
        text = "\n".join([one if isinstance(one, str) else _step(one) for one in listed])
    except (StopIteration, KeyError, AttributeError) as error:
        raise _unsupported("steps") from error
    if not listed or len(listed) > 2 * MOST_HEALTH_STEPS or not is_same(read_steps(text), listed):
        raise _unsupported("steps")
    return text


def _step(step: Any) -> str:
    return write_step({key: write_value(value) for key, value in step.items()})


def _unsupported(key: str) -> CannotLayOut:
    return CannotLayOut(_("“%(key)s” has an entry that the form does not support.") % {"key": key})


def _type(value: Any, key: str, *, blank: bool = True) -> str:
    """A number as it is typed, or what is in its place; empty where there is none."""
    if value is None and blank:
        return ""
    if isinstance(value, Mapping) or value == "":
        raise _unsupported(key)
    typed = write_value(value)
    if not is_same(read_value("eq", typed), value) or len(typed.splitlines()) != 1:
        raise _unsupported(key)
    return typed


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or value != " ".join(value.splitlines()).strip():
        raise CannotLayOut(_("“%(key)s” has a value that is not a line of text.") % {"key": key})
    return value
