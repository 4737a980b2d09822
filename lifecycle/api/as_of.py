"""The parameters that ask for a past day."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from audit.models import LifecycleHistory
from lifecycle.api.filters import COLUMNS, read_columns, read_list_query, refuse_parameter
from lifecycle.api.paging import PAGING
from lifecycle.queries.list_columns import ListColumn
from lifecycle.queries.listing import ListQuery, chosen_stages
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, Past, PastQuestion
from lifecycle.services.insight.reading import Stages
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import shorten_text
from tenants.sentences import enumerate_names

AS_OF, KNOWN = "as_of", "known"
AS_OF_PARAMETERS: Final = (
    OpenApiParameter(
        AS_OF,
        OpenApiTypes.DATE,
        description="The customer at the end of this day (UTC); a day ahead counts as today. Needs the right to see"
        " histories. `version` and `configuration_version` are those of then, `transitions` is empty, `stage_now`,"
        " `days_in_stage` and `figures` are added, and 404 says that it was not here yet.",
    ),
    OpenApiParameter(
        KNOWN,
        str,
        enum=[EFFECTIVE, RECORDED],
        description="With as_of: `effective` for how it was by what is known now, which is usual, or `recorded` for how"
        " it was known here by then.",
    ),
)
# What chooses and pages the list of a past day.
OF_THE_LIST: Final = (AS_OF, KNOWN, "stage", "category", "at_risk", "owner", COLUMNS, *PAGING)
AS_OF_THE_LIST: Final = (
    OpenApiParameter(
        AS_OF,
        OpenApiTypes.DATE,
        description="The customers that were here at the end of this day (UTC), by name; a day ahead counts as today."
        " Needs the right to see histories. Name, stage, time in it, figures and health are those of then; the order of"
        " names, owner, segment and industry, also in filters, those of today. Goes with `stage`, `category`,"
        " `at_risk`, `owner`, `columns`, `cursor`, `limit` and `count` alone.",
    ),
    AS_OF_PARAMETERS[1],
)
AS_OF_TOTALS: Final = (
    OpenApiParameter(
        AS_OF,
        OpenApiTypes.DATE,
        description="The customers that were here at the end of this day (UTC); a day ahead counts as today. Needs the"
        " right to see histories. Stages, their names and expected days are those of the configuration of then.",
    ),
    AS_OF_PARAMETERS[1],
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_known(parameters: QueryDict) -> str:
    """Whether the day is asked for as it was, or as it was known by then. Raises RequestRefused."""
    known = parameters.get(KNOWN, EFFECTIVE)
    if known not in (EFFECTIVE, RECORDED):
        sentence = _("The parameter known can be %(one)s or %(other)s, or left out.")
        raise refuse_parameter(KNOWN, sentence % {"one": EFFECTIVE, "other": RECORDED})
    return known


def refuse_known_alone(parameters: QueryDict) -> None:
    """Refuse what says how a day is meant where no day is asked for. Raises RequestRefused."""
    if KNOWN in parameters and AS_OF not in parameters:
        raise refuse_parameter(KNOWN, _("The parameter known goes with as_of."))


def refuse_other_filters(parameters: QueryDict, also: tuple[str, ...] = ()) -> None:
    """Refuse what the list of a past day cannot be asked for. Raises RequestRefused."""
    for name in parameters:
        if name not in (*OF_THE_LIST, *also):
            sentence = _("With as_of the list takes %(names)s, and not %(name)s.")
            names = enumerate_names(OF_THE_LIST)
            raise refuse_parameter(name, sentence % {"names": names, "name": shorten_text(name)})


def read_day(parameters: QueryDict) -> dt.date:
    """The day that is asked for, today at the latest. Raises RequestRefused."""
    text = parameters.get(AS_OF, "")
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return min(dt.date.fromisoformat(text), timezone.now().date())
    except ValueError as error:
        raise refuse_parameter(AS_OF, _("The parameter as_of must be a day, written as 2026-01-31.")) from error


@dataclass(frozen=True, slots=True)
class PastList:
    """What is asked of the list of a past day. ``about`` None: no stage is left, and so no customer."""

    about: PastQuestion | None
    query: ListQuery
    columns: tuple[ListColumn, ...] | None
    stages: Stages


def read_past_list(parameters: QueryDict, *, tenant: TenantRef, policy: Policy, also: tuple[str, ...] = ()) -> PastList:
    """What the parameters ask of a past day, at an address that has some ``also``. Raises RequestRefused."""
    refuse_other_filters(parameters, also)
    day, known = read_day(parameters), read_known(parameters)
    chosen = parameters.copy()
    for name in (AS_OF, KNOWN, "cursor"):
        chosen.pop(name, None)
    query, columns = read_list_query(chosen, tenant=tenant, policy=policy, also=also), read_columns(chosen)
    stages = Stages.of(policy, tenant)
    keys = stages.keys_of(chosen_stages(query, policy))
    about = None if keys == () else PastQuestion(day, known, keys or (), query.filters.get("owner", ""))
    return PastList(about, query, columns, stages)


def describe_past(past: Past, row: LifecycleHistory, policy: Policy) -> dict[str, Any]:
    """A customer at the end of a day. ``row`` brought it to its stage; ``policy`` is the one that was live."""
    return {
        "customer_id": row.customer_id,
        "stage": row.to_stage,
        "stage_now": past.stage_now,
        "stage_entered_at": past.stage_entered_at,
        "days_in_stage": past.days_in_stage,
        "updated_at": row.changed_at,
        "updated_by": row.changed_by,
        "actor_kind": row.actor_kind,
        "source": row.source,
        "reason_code": row.reason_code,
        "version": row.sequence,
        "category": policy.category(row.to_stage),
        "configuration_version": policy.version,
        "transitions": [],
        "figures": {path: {"value": value, "since": since} for path, (value, since) in sorted(past.figures.items())},
    }
