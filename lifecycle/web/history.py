"""The history of one customer, as its page shows it: a page at a time, with people's names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lifecycle.services.effects.shown import read_started
from lifecycle.services.transitions.history import read_history
from lifecycle.web.people import name_people_then
from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE

PAGE = 15


@dataclass(frozen=True, slots=True)
class Steps:
    """Transitions, newest first, and the ``before`` of those that follow (None: there are none)."""

    rows: Sequence[Mapping[str, Any]]
    before: int | None


def show_steps(customer_id: UUID, *, tenant: TenantRef, viewer: Identity, before: int | None = None) -> Steps:
    """A page of transitions with a lower sequence than ``before``; empty when there is no such customer.

    Each is a row of ``read_history`` with ``who``, ``for_whom``, what it ``started``, and whether the viewer may undo
    it if it is the latest. A bounded number of statements.
    """
    page = read_history(customer_id, tenant=tenant, before=before, limit=PAGE)
    if page is None:
        return Steps([], None)
    asked = [
        (row[name], row["recorded_at"]) for row in page.rows for name in ("changed_by", "on_behalf_of") if row[name]
    ]
    names = name_people_then(asked, tenant=tenant, viewer=viewer)
    started = read_started([row["id"] for row in page.rows], tenant=tenant)
    rows = [
        row
        | {
            "who": names[row["changed_by"], row["recorded_at"]],
            "for_whom": names.get((row["on_behalf_of"], row["recorded_at"]), ""),
            "started": started.get(row["id"], ()),
            "may_undo": _may_undo(row, viewer),
        }
        for row in page.rows
    ]
    return Steps(rows, page.next_before)


def _may_undo(row: Mapping[str, Any], viewer: Identity) -> bool:
    own = str(viewer.user_id) in (row["changed_by"], row["on_behalf_of"])
    return bool(row["from_stage"] and viewer.may(UPDATE_LIFECYCLE) and (own or viewer.may(CONFIGURE_STAGES)))


def show_missed(customer_id: UUID, *, tenant: TenantRef, viewer: Identity, since: int) -> Sequence[Mapping[str, Any]]:
    """What happened after the version ``since``, newest first; the latest page of it."""
    steps = show_steps(customer_id, tenant=tenant, viewer=viewer)
    return [row for row in steps.rows if row["sequence"] > since]
