"""The stage that a past day is asked for, and its figures in words."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.rules.fields import FIELDS
from lifecycle.rules.figures import CURRENCY
from lifecycle.sentences.fields import name_field
from lifecycle.services.insight.as_of import PastQuestion, read_stage_counts
from lifecycle.services.insight.reading import Stages
from lifecycle.web.list_page import say_no_stage
from lifecycle.web.naming import OWNER, spell_value
from lifecycle.web.people import name_owners
from tenants.actors import TenantRef
from tenants.rules.texts import clean_line
from tenants.services.configuration.versions import find_renamed

# In the order of the fields: those of the company first.
_ORDER: Final = {field.path: number for number, field in enumerate(FIELDS)}


@dataclass(frozen=True, slots=True)
class ChosenStage:
    """What the stage that is asked for is called today, and its keys: none for any stage, or where there is no such
    stage, which ``unknown`` says.
    """

    name: str = ""
    keys: tuple[str, ...] = ()
    unknown: str = ""


def choose_stage(asked: str, about: PastQuestion, *, stages: Stages, tenant: TenantRef) -> ChosenStage:
    """The stage of that name: one of today, one that has gone in which someone was on the day, or one that was called
    so before. Two statements, and none for a stage of today. Call inside the tenant's context.
    """
    if not asked:
        return ChosenStage()
    name = stages.policy.canonical_stage(asked)
    if name is None:
        name = clean_line(asked)
        there = {one.stage for one in read_stage_counts(about, tenant=tenant)}
        gone = tuple(sorted(key for key in there if key not in stages.keys and stages.name(key) == name))
        if gone:
            return ChosenStage(name, gone)
        name = find_renamed(name, tenant) or ""
    keys = stages.keys_of([name]) or ()
    return ChosenStage(name, keys) if keys else ChosenStage(unknown=say_no_stage(asked, stages.policy))


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as it held on the day, and since when."""

    label: str
    text: str
    since: dt.datetime


def describe_figures(figures: Mapping[str, tuple[Any, dt.datetime]], *, tenant: TenantRef) -> list[Figure]:
    """The figures, in the order of the fields that they are. One statement at most."""
    owners = name_owners([figures.get(OWNER, ("", None))[0]], tenant=tenant)
    currency = str(figures.get(CURRENCY, ("", None))[0] or "")
    return [
        Figure(name_field(path), spell_value(path, figures[path][0], currency, owners), figures[path][1])
        for path in sorted(figures, key=lambda path: (_ORDER.get(path, len(_ORDER)), path))
    ]
