"""The filters of the customer list: one entry each, read by the API, its description, the page and the statements.

A filter chooses stages, or has a condition in SQL, or both. Aliases in conditions are those of ``list_statements``.
Everything that a caller says is a parameter of the statement; only conditions written here become SQL.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import connection
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.actors import TenantRef
from tenants.models import User
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import clean_line, fold_text, shorten_text
from tenants.rules.values import sort_key

LONGEST_STAY: Final = 3650
MOST_SUGGESTED: Final = 200
# Names that filters had before: addresses and saved views may still have them.
FORMER_NAMES: Final[Mapping[str, str]] = {"renewing_within": "renewal_within"}

# A walk from one owner to the next along the index, whatever the number of their customers.
_OWNERS: Final = """
WITH RECURSIVE owners AS (
    (SELECT owner_key, owner FROM lifecycle_customer
      WHERE tenant_id = %(tenant_id)s::uuid AND owner_key > '' ORDER BY owner_key LIMIT 1)
    UNION ALL
    SELECT following.owner_key, following.owner
      FROM owners, LATERAL (
           SELECT c.owner_key, c.owner FROM lifecycle_customer c
            WHERE c.tenant_id = %(tenant_id)s::uuid AND c.owner_key > owners.owner_key ORDER BY c.owner_key LIMIT 1
      ) AS following
)
SELECT owner_key, owner FROM owners LIMIT %(most)s
"""

Kind = Literal["stages", "category", "flag", "text", "days"]


def _none(_value: Any, _now: dt.datetime) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class ListFilter:
    """One filter. ``name`` is its parameter, ``help`` what the API's description says of it.

    ``condition`` is what must hold of a customer, with the tables it ``needs`` and its ``parameters``, made of the
    value and the time. ``stages`` are those that customers must be in. ``label``: of its field on the page, where it
    has one; ``words`` say it in a sentence, ``{}`` for the value; ``suggest`` offers values, with their meanings.
    ``indexed``: an index finds those who pass.
    """

    name: str
    kind: Kind
    help: str
    condition: str = ""
    needs: frozenset[str] = frozenset()
    parameters: Callable[[Any, dt.datetime], Mapping[str, Any]] = _none
    stages: Callable[[Any, Policy], Collection[str]] | None = None
    longest: int = 0
    label: str | Promise = ""
    any_label: str | Promise = ""
    words: str | Promise = ""
    suggest: Callable[[TenantRef], list[tuple[str, str]]] | None = None
    indexed: bool = False

    def say(self, value: Any) -> str:
        """The filter in words, to follow “customers”."""
        return str(self.words).format(shorten_text(value))


def rename_parameters(parameters: QueryDict) -> QueryDict:
    """The parameters by the names that they have now; of one that is given by both, the present one counts."""
    if not any(name in parameters for name in FORMER_NAMES):
        return parameters
    renamed = parameters.copy()
    for former, name in FORMER_NAMES.items():
        if former in renamed:
            renamed.setlistdefault(name, renamed.pop(former))
    return renamed


def suggest_owners(tenant: TenantRef) -> list[tuple[str, str]]:
    """People who may own customers. One statement."""
    people = User.objects.filter(tenant_id=tenant.id, is_active=True, is_service_account=False)
    return list(people.order_by("username").values_list("username", "full_name")[:MOST_SUGGESTED])


def list_owners(tenant: TenantRef) -> list[tuple[str, str]]:
    """Everybody whose customers can be asked for, in the order of their names: people who may own customers, and those
    who own some without an account. At most one more than MOST_SUGGESTED. Two statements.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OWNERS, {"tenant_id": tenant.id, "most": MOST_SUGGESTED + 1})
        owning = dict(cursor.fetchall())
    people = (
        User.objects.filter(Q(is_active=True) | Q(username__in=owning), tenant_id=tenant.id, is_service_account=False)
        .order_by("username")
        .values_list("username", "full_name")[: MOST_SUGGESTED + 1]
    )
    called = Counter(name for _username, name in people if name)
    for username, name in people:
        owning[username] = f"{name} ({username})" if called[name] > 1 else name or username
    return sorted(owning.items(), key=lambda pair: sort_key(pair[1]))[: MOST_SUGGESTED + 1]


def _renewal_window(days: int, now: dt.datetime) -> dict[str, Any]:
    today = timezone.localdate(now)
    return {"renewing_from": today, "renewing_to": today + dt.timedelta(days=days)}


LIST_FILTERS: Final[Mapping[str, ListFilter]] = {
    entry.name: entry
    for entry in (
        ListFilter(
            "stage",
            "stages",
            "Only customers in this stage; repeat it for several.",
            stages=lambda names, _policy: names,
        ),
        ListFilter(
            "category",
            "category",
            "Only customers in stages with this meaning.",
            stages=lambda category, policy: policy.stages_in(category),
        ),
        ListFilter(
            "at_risk",
            "flag",
            "true: only customers in stages of category risk.",
            stages=lambda _asked, policy: policy.stages_in("risk"),
        ),
        ListFilter(
            "stuck",
            "flag",
            "true: only customers over the days that are expected for their stage.",
            stages=lambda _asked, policy: [stage for stage in policy.stages if policy.max_days(stage) is not None],
            condition="s.stage_entered_at <= w.cutoff",
        ),
        ListFilter(
            "owner",
            "text",
            "Only customers of this account manager.",
            condition="c.owner_key = %(owner)s::text",
            needs=frozenset({"customer"}),
            parameters=lambda owner, _now: {"owner": fold_text(owner)},
            indexed=True,
            longest=150,
            label=_("Owner"),
            any_label=_("Any owner"),
            words=_("owned by “{}”"),
            suggest=list_owners,
        ),
        ListFilter(
            "industry",
            "text",
            "Only customers of this industry, in whatever case.",
            condition="c.industry_key = lower(%(industry)s::text)",
            needs=frozenset({"customer"}),
            parameters=lambda industry, _now: {"industry": clean_line(industry)},
            indexed=True,
            longest=100,
            label=_("Industry"),
            any_label=_("Any industry"),
            words=_("in the industry “{}”"),
        ),
        ListFilter(
            "renewal_within",
            "days",
            "Only customers whose renewal is due within so many days from today (the day in UTC).",
            condition="b.renewal_on BETWEEN %(renewing_from)s::date AND %(renewing_to)s::date",
            needs=frozenset({"billing"}),
            parameters=_renewal_window,
            indexed=True,
        ),
    )
}
