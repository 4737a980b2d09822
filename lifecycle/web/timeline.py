"""The timeline of one customer, as its page shows it: a page at a time, with people's names."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from lifecycle.rules.precedence import PEOPLE
from lifecycle.sentences.codes import name_source
from lifecycle.sentences.fields import name_field
from lifecycle.services.transitions.history import HistoryPage, read_history
from lifecycle.services.work.encryption import Keys
from lifecycle.services.work.timeline import (
    EFFECT,
    EVENT,
    KINDS,
    NOTE,
    STAGE,
    TASK,
    WHOLE,
    Entry,
    Place,
    TimelinePage,
    read_timeline,
)
from lifecycle.web.naming import OWNER, spell_value
from lifecycle.web.people import say_you
from lifecycle.web.work import may_do
from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE
from tenants.services.accounts.members import Recorded, name_members_and_accounts

PAGE = 15
# What to call each kind where one is chosen.
KIND_LABELS: Mapping[str, Promise] = {
    "": gettext_lazy("Everything"),
    STAGE: gettext_lazy("Stage changes"),
    EVENT: gettext_lazy("Reports"),
    NOTE: gettext_lazy("Notes"),
    TASK: gettext_lazy("Tasks"),
    EFFECT: gettext_lazy("Automations"),
}
# Who did something: the field that names them, and the one that says when.
_PEOPLE: Mapping[str, Sequence[tuple[str, str]]] = {
    STAGE: (("changed_by", "recorded_at"), ("on_behalf_of", "recorded_at")),
    NOTE: (("created_by", "created_at"), ("deleted_by", "deleted_at")),
    TASK: (("created_by", "created_at"), ("done_by", "done_at"), ("assignee_id", "created_at")),
    EVENT: (),
    EFFECT: (),
}


@dataclass(frozen=True, slots=True)
class Steps:
    """Entries, newest first, as rows with their ``type``; and the query of the page that follows (empty: none)."""

    rows: Sequence[Mapping[str, Any]]
    following: str
    kind: str = ""


def show_timeline(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    viewer: Identity,
    kind: str = "",
    before: Place | None = None,
    currency: str = "",
) -> Steps:
    """A page of the timeline; empty when there is no such customer. Nine statements at most.

    ``currency``: the customer's, of amounts that were reported without one.
    """
    page = read_entries(customer_id, tenant=tenant, viewer=viewer, kind=kind, before=before)
    members, owners = name_members_and_accounts(people_of(page), owners_of(page), tenant=tenant)
    return show_entries(page, say_you(members, viewer), owners, viewer, kind=kind, currency=currency)


def read_stages(customer_id: UUID, *, tenant: TenantRef, keys: Keys, live: int) -> HistoryPage | None:
    """The stage changes of the first page, and where the customer has ever been, by the same statement."""
    return read_history(
        customer_id, tenant=tenant, limit=PAGE + 1, keys=keys, live=live, is_known=True, with_visited=True
    )


def read_entries(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    viewer: Identity,
    kind: str = "",
    before: Place | None = None,
    keys: Keys | None = None,
    live: int | None = None,
    stages: HistoryPage | None = None,
) -> TimelinePage:
    """A page of what happened, as far as the viewer may see it, of which people have no names yet."""
    return read_timeline(
        customer_id,
        tenant=tenant,
        now=timezone.now(),
        kinds=(kind,) if kind else WHOLE,
        before=before,
        limit=PAGE,
        sees_texts=viewer.may(UPDATE_LIFECYCLE),
        keys=keys,
        live=live,
        stages=stages,
    )


def people_of(page: TimelinePage) -> set[Recorded]:
    """Who has to be named to show the page."""
    return {
        (str(entry.row[who]), entry.row[when])
        for entry in page.entries
        for who, when in _PEOPLE[entry.kind]
        if entry.row[who]
    }


def owners_of(page: TimelinePage) -> set[str]:
    """Which owners have to be named to show the page: those whom sources have named."""
    events = (entry.row["figures"] for entry in page.entries if entry.kind == EVENT)
    return {owner for figures in events if (owner := figures.get(OWNER))}


def show_entries(
    page: TimelinePage,
    names: Mapping[Recorded, str],
    owners: Mapping[str, str],
    viewer: Identity,
    *,
    kind: str = "",
    currency: str = "",
) -> Steps:
    """The page as it is shown: each row says with ``who`` and its like who it was, and what the viewer may do."""
    following = ""
    if page.following is not None:
        following = urlencode({**({"kind": kind} if kind else {}), **page.following})
    return Steps([_show(entry, names, owners, viewer, currency) for entry in page.entries], following, kind)


def read_place(query: Mapping[str, str]) -> Place:
    """Where the page of an address begins."""
    return {kind: query[kind] for kind in KINDS if kind in query}


def _show(
    entry: Entry,
    names: Mapping[tuple[str, dt.datetime], str],
    owners: Mapping[str, str],
    viewer: Identity,
    currency: str,
) -> Mapping[str, Any]:
    row = entry.row

    def name(who: str, when: str) -> str:
        return names.get((str(row[who]), row[when]), "")

    shown = {**row, "type": entry.kind, "at": entry.at}
    match entry.kind:
        case "stage":
            who, for_whom = name("changed_by", "recorded_at"), name("on_behalf_of", "recorded_at")
            return shown | {"who": who, "for_whom": for_whom, "may_undo": _may_undo(row, viewer)}
        case "note":
            people = {"who": name("created_by", "created_at"), "deleter": name("deleted_by", "deleted_at")}
            return shown | people | may_do(row, viewer)
        case "task":
            return shown | {
                "who": name("created_by", "created_at"),
                "doer": name("done_by", "done_at"),
                "assignee": name("assignee_id", "created_at"),
                "is_own": row["assignee_id"] == viewer.user_id,
                "may_write": viewer.may(UPDATE_LIFECYCLE),
            }
        case "event":
            figures = row["figures"]
            currency = figures.get("billing.currency") or currency
            reported = [
                (name_field(path), spell_value(path, value, currency, owners)) for path, value in figures.items()
            ]
            return shown | {
                "reported": reported,
                "source": row["source"] and name_source(row["source"]),
                "is_by_hand": row["source"] == PEOPLE,
            }
        case _:
            return shown


def _may_undo(row: Mapping[str, Any], viewer: Identity) -> bool:
    own = str(viewer.user_id) in (row["changed_by"], row["on_behalf_of"])
    return bool(row["from_stage"] and viewer.may(UPDATE_LIFECYCLE) and (own or viewer.may(CONFIGURE_STAGES)))


def show_missed(customer_id: UUID, *, tenant: TenantRef, viewer: Identity, since: int) -> Sequence[Mapping[str, Any]]:
    """The stage changes after the version ``since``, newest first; the latest page of them."""
    steps = show_timeline(customer_id, tenant=tenant, viewer=viewer, kind=STAGE)
    return [row for row in steps.rows if row["sequence"] > since]
