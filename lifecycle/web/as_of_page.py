"""The figures of a past day in words."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.rules.fields import FIELDS
from lifecycle.rules.figures import CURRENCY
from lifecycle.sentences.fields import name_field
from lifecycle.web.naming import spell_value

# In the order of the fields: those of the company first.
_ORDER: Final = {field.path: number for number, field in enumerate(FIELDS)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as it held on the day, and since when."""

    label: str
    text: str
    since: dt.datetime


def describe_figures(figures: Mapping[str, tuple[Any, dt.datetime]]) -> list[Figure]:
    """The figures, in the order of the fields that they are."""
    currency = str(figures.get(CURRENCY, ("", None))[0] or "")
    return [
        Figure(name_field(path), spell_value(path, figures[path][0], currency), figures[path][1])
        for path in sorted(figures, key=lambda path: (_ORDER.get(path, len(_ORDER)), path))
    ]
