"""The sessions of one's own account, in words."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.models import User
from tenants.services.accounts.open_sessions import ShownSession, list_sessions, read_session_id


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A line of the list. ``name`` is the browser in words; ``address`` masked, '' where it is not known."""

    id: UUID
    name: str
    is_program: bool
    is_this: bool
    address: str
    began_at: dt.datetime
    seen_at: dt.datetime


def show_sessions(request: HttpRequest) -> list[SessionRow]:
    """The sessions of the request's user that go on: this one first, then the one that was used last."""
    user, this = request.user, read_session_id(request)
    if not isinstance(user, User):
        return []
    rows = [
        SessionRow(
            id=session.id,
            name=name_session(session),
            is_program=session.is_program,
            is_this=session.id == this,
            address=session.address,
            began_at=session.began_at,
            seen_at=session.seen_at,
        )
        for session in list_sessions(user.id, now=timezone.now())
    ]
    return sorted(rows, key=lambda row: not row.is_this)


def name_session(session: ShownSession) -> str:
    """``Firefox on Windows``, ``Chrome``, ``Python``; a sentence where nothing is known."""
    if session.browser and session.system:
        return _("%(browser)s on %(system)s") % {"browser": session.browser, "system": session.system}
    return session.browser or (_("A program") if session.is_program else _("A browser"))
