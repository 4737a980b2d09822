"""Ending sessions one by one: their owner's own, from the account page."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from rest_framework_simplejwt.settings import api_settings

from tenants.models import OpenSession, User
from tenants.services.accounts import people
from tenants.services.accounts.membership import announce_change
from tenants.services.accounts.open_sessions import end_pages
from tenants.services.accounts.own_account import as_oneself
from tenants.services.accounts.people import context_of, lock_user, record_person
from tenants.services.accounts.session_news import announce_end
from tenants.services.accounts.tokens import revoke_family

# How much longer than its life an access token is believed (SIMPLE_JWT's LEEWAY), and no clock is exact.
_SPARE: Final = dt.timedelta(minutes=1)


class NoSuchSession(Exception):
    """The person has no such session, or has no longer."""


def end_session(user_id: UUID, session_id: UUID, *, now: dt.datetime) -> None:
    """End one of one's own sessions: its next request, its tokens and its open streams are over.

    Raises NoSuchSession, also for another person's; PersonChangeRefused when the account is gone.
    """
    about = as_oneself(user_id)
    with context_of(user_id, about["tenant"]), transaction.atomic():
        user = lock_user(user_id, about["tenant"])
        # Its tokens are locked first, and the row after them, as a program does that refreshes them at this moment
        # (``tokens.rotate``). Two who end the same session take turns at the user.
        row = OpenSession.objects.filter(id=session_id, user_id=user_id).first()
        if row is None:
            raise NoSuchSession
        if row.session_key:
            end_pages([row])
        else:
            revoke_family(session_id, now=now)
            OpenSession.objects.filter(id=session_id).delete()
            user.ended_sessions = _ended(user, session_id, now=now)
            user.save(update_fields=["ended_sessions"])
            announce_change([user_id])
        kind = "pages" if row.session_key else "program"
        record_person(
            "end_session", user, about["tenant"], about["actor"], now, {"session": str(session_id), "kind": kind}
        )
        announce_end(user_id, session_id=session_id, now=now)


def end_other_sessions(user_id: UUID, *, but: UUID | None, now: dt.datetime) -> User:
    """End every session and token of one's own but the one at hand. Raises PersonChangeRefused.

    The session at hand has to carry the user's new hash (``update_session_auth_hash``).
    """
    return people.log_out_everywhere(user_id, now=now, but=but, action="end_other_sessions", **as_oneself(user_id))


def _ended(user: User, session_id: UUID, *, now: dt.datetime) -> dict[str, str]:
    """Those that were ended, while an access token of theirs may live: no more than have been ended in so long."""
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME
    before: Mapping[str, Any] = user.ended_sessions or {}
    kept = {key: until for key, until in before.items() if dt.datetime.fromisoformat(until) > now}
    return {**kept, str(session_id): (now + lifetime + _SPARE).isoformat()}
