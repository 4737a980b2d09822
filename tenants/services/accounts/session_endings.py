"""Ending all that a person has open, for the services that shut somebody out or give them another password."""

import datetime as dt
from uuid import UUID

from tenants.models import OpenSession
from tenants.services.accounts.open_sessions import end_pages
from tenants.services.accounts.session_news import announce_end
from tenants.services.accounts.tokens import revoke_refresh_tokens


def end_everything(user_id: UUID, *, now: dt.datetime, but: UUID | None = None) -> None:
    """End sessions, refresh tokens and open streams, but one session of the pages. Access tokens end with the stamp,
    or with the membership, that the caller changes in the same transaction. At most five statements.
    """
    revoke_refresh_tokens(user_id, now=now)
    rows = OpenSession.objects.filter(user_id=user_id)
    end_pages(list(rows if but is None else rows.exclude(id=but)))
    announce_end(user_id, now=now, but=but)
