"""Which log-ins of a person go on: noted when they begin, seen to five minutes, forgotten when they end.

What ends a session is its own row in ``django_session`` or the family of its refresh tokens; these rows are what its
owner recognizes it by. A row whose session is gone is shown to no one and deleted with what has expired.
"""

import datetime as dt
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from django.contrib.sessions.models import Session
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest

from storage.servers import MAIN_ALIAS, is_away
from tenants.models import OpenSession, RefreshToken, User
from tenants.rules.browsers import BETWEEN, Visitor, mask_address, name_program
from tenants.services.accounts.session_news import SESSION_ID, announce_end
from tenants.services.proxies import client_address

# How exact "last seen" is: a page that is looked at must not become a write.
SEEN_GRAIN: Final = dt.timedelta(minutes=5)
# Sessions of the pages that one person has at once; the one that was not seen for longest ends with the next.
MOST_PAGES: Final = 50
# A row is kept a little longer than the session may last, which each write into it begins again.
SPARE: Final = dt.timedelta(hours=1)
# How many are shown.
MOST_SHOWN: Final = 100
KEPT: Final = 10_000

_seen: dict[UUID, float] = {}
_seen_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session as its owner sees it. ``browser`` and ``system`` are names, '' where they are not known."""

    id: UUID
    is_program: bool
    browser: str
    system: str
    address: str
    began_at: dt.datetime
    seen_at: dt.datetime


def describe_visitor(request: HttpRequest) -> Visitor:
    """From where a request comes, as far as it is kept."""
    return Visitor(mask_address(client_address(request)), name_program(request.META.get("HTTP_USER_AGENT", "")))


def read_session_id(request: HttpRequest) -> UUID | None:
    """The id of the request's own session of the pages; None before it has one."""
    try:
        return UUID(request.session.get(SESSION_ID, ""))
    except (ValueError, TypeError, AttributeError):
        return None


def begin_page_session(request: HttpRequest, user_id: UUID, *, now: dt.datetime) -> UUID:
    """Note that somebody logged in to the pages. Call once the session has its key. At most five statements."""
    before = read_session_id(request)
    if before is not None:
        OpenSession.objects.filter(id=before, user_id=user_id).delete()
    visitor, session_id = describe_visitor(request), uuid4()
    request.session[SESSION_ID] = str(session_id)
    if request.session.session_key is None:
        request.session.create()
    _note(session_id, user_id, visitor, key=request.session.session_key, until=_until(request), now=now)
    surplus = OpenSession.objects.filter(user_id=user_id, session_key__isnull=False).order_by("-seen_at")[MOST_PAGES:]
    end_pages(list(surplus))
    return session_id


def begin_program_session(
    session_id: UUID, user_id: UUID, visitor: Visitor, *, until: dt.datetime, now: dt.datetime
) -> None:
    """Note that a program logged in; ``session_id`` is the family of its tokens. One statement."""
    _note(session_id, user_id, visitor, key=None, until=until, now=now)


def see_page_session(request: HttpRequest, *, now: dt.datetime) -> None:
    """Keep when a session of the pages was used last, and from where. No statement more often than SEEN_GRAIN."""
    session_id = read_session_id(request)
    if session_id is None or not _is_due(session_id):
        return
    visitor = describe_visitor(request)
    # A super admin's sessions are noted on main, wherever they work.
    on_main = is_away() and getattr(request.user, "tenant_id", None) is None
    rows = OpenSession.objects.using(MAIN_ALIAS if on_main else DEFAULT_DB_ALIAS)
    rows.filter(id=session_id, seen_at__lte=now - SEEN_GRAIN).update(
        seen_at=now, address=visitor.address, program=visitor.program, expires_at=_until(request)
    )


def see_program_session(session_id: UUID, visitor: Visitor | None, *, until: dt.datetime, now: dt.datetime) -> None:
    """Keep when a program refreshed its tokens. One statement; one that was ended does not come back by it."""
    kept = {"address": visitor.address, "program": visitor.program} if visitor else {}
    OpenSession.objects.filter(id=session_id).update(seen_at=now, expires_at=until, **kept)


def follow_page_session(request: HttpRequest) -> None:
    """The session has another key (``update_session_auth_hash``): its row follows. One statement."""
    session_id = read_session_id(request)
    if session_id is not None:
        OpenSession.objects.filter(id=session_id).update(session_key=request.session.session_key)


def leave_page_session(request: HttpRequest, *, now: dt.datetime) -> None:
    """Its person logs out: the row goes, and open streams are hung up. One statement. Call before the session ends."""
    session_id, user = read_session_id(request), request.user
    if session_id is not None and isinstance(user, User):
        OpenSession.objects.filter(id=session_id, user_id=user.id).delete()
        announce_end(user.id, session_id=session_id, now=now)


def list_sessions(user_id: UUID, *, now: dt.datetime) -> list[ShownSession]:
    """The person's sessions that go on, the one that was used last first, MOST_SHOWN at most. Three statements."""
    rows = OpenSession.objects.filter(user_id=user_id, expires_at__gt=now).order_by("-seen_at", "id")[:MOST_SHOWN]
    keys = [row.session_key for row in rows if row.session_key]
    families = [row.id for row in rows if not row.session_key]
    live = set(Session.objects.filter(session_key__in=keys, expire_date__gt=now).values_list("session_key", flat=True))
    good = RefreshToken.objects.filter(family__in=families, revoked_at__isnull=True, expires_at__gt=now)
    alive = set(good.values_list("family", flat=True).distinct())
    return [_show(row) for row in rows if (row.session_key in live if row.session_key else row.id in alive)]


def end_pages(rows: Sequence[OpenSession]) -> None:
    """End sessions of the pages: their next request is no one's. Two statements, none without rows."""
    if rows:
        Session.objects.filter(session_key__in=[row.session_key for row in rows if row.session_key]).delete()
        OpenSession.objects.filter(id__in=[row.id for row in rows]).delete()


def _note(
    session_id: UUID, user_id: UUID, visitor: Visitor, *, key: str | None, until: dt.datetime, now: dt.datetime
) -> None:
    OpenSession.objects.create(
        id=session_id,
        user_id=user_id,
        session_key=key,
        address=visitor.address,
        program=visitor.program,
        began_at=now,
        seen_at=now,
        expires_at=until,
    )


def _show(row: OpenSession) -> ShownSession:
    browser, _, system = row.program.partition(BETWEEN)
    return ShownSession(row.id, not row.session_key, browser, system, row.address, row.began_at, row.seen_at)


def _until(request: HttpRequest) -> dt.datetime:
    until: dt.datetime = request.session.get_expiry_date()
    return until + SPARE


def _is_due(session_id: UUID) -> bool:
    """Whether this process has not kept it for SEEN_GRAIN."""
    now = time.monotonic()
    with _seen_lock:
        if now - _seen.get(session_id, float("-inf")) < SEEN_GRAIN.total_seconds():
            return False
        while len(_seen) >= KEPT:
            del _seen[next(iter(_seen))]
        _seen[session_id] = now
    return True
