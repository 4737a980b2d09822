"""How an open page learns that something changed: tickets and the address of the event stream [AC-1].

The stream process needs no database: a page that was allowed to show a customer carries a signed ticket that says so.
The stream tells version numbers only; what changed is fetched from the ordinary, permission-checked view.
"""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest

from tenants.services.accounts.session_news import KEPT_SECONDS, SESSION_ID

SALT = "customer360.live"
TICKET_AGE = timedelta(seconds=KEPT_SECONDS)
WHOLE_TENANT = "*"
DEFAULT_PATH = "/live"
# In the place of a customer: only what concerns the person themselves.
PERSON_ALONE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What its bearer may listen to: one customer, or (``customer_id`` None) all of the tenant, and their own news.

    It is over with the session it was made in (``session_id``; '' for one that has none), and with all sessions of the
    person that were ended after ``issued_at``, in seconds since 1970.
    """

    tenant_id: UUID
    user_id: str
    customer_id: UUID | None
    session_id: str = ""
    issued_at: float = 0.0


class InvalidTicket(Exception):
    """The ticket is forged, garbled or older than 12 hours. A reloaded page brings a new one."""


def issue_ticket(ticket: Ticket) -> str:
    """Sign a ticket; it is good for 12 hours."""
    customer = str(ticket.customer_id) if ticket.customer_id else WHOLE_TENANT
    parts = [str(ticket.tenant_id), ticket.user_id, customer, ticket.session_id, ticket.issued_at or time.time()]
    return signing.dumps(parts, salt=SALT)


def read_ticket(text: str) -> Ticket:
    """The ticket that ``issue_ticket`` signed. Raises InvalidTicket."""
    try:
        tenant, user_id, customer, *session = signing.loads(text, salt=SALT, max_age=TICKET_AGE)
        return Ticket(UUID(tenant), user_id, None if customer == WHOLE_TENANT else UUID(customer), *session)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidTicket("The ticket is not valid, or has expired: reload the page.") from error


def stream_url(request: HttpRequest, ticket: Ticket) -> str:
    """The address at which the page of this request listens, as long as its session goes on."""
    ticket = replace(ticket, session_id=str(request.session.get(SESSION_ID, "")))
    room = f"customers/{ticket.customer_id}" if ticket.customer_id else "tenant"
    path = urlsplit(settings.EVENT_STREAM_URL).path.rstrip("/") or DEFAULT_PATH
    return f"{stream_origin(request)}{path}/{room}?{urlencode({'ticket': issue_ticket(ticket)})}"


def stream_origin(request: HttpRequest) -> str:
    """Scheme, host and port of the stream; empty when it is this very origin (behind the proxy).

    In development it is another port of the host by which the browser calls this page, be it a name or an address:
    a page of ``localhost`` may not depend on ``127.0.0.1``.
    """
    address = urlsplit(settings.EVENT_STREAM_URL)
    if not address.netloc:
        return ""
    if not settings.DEBUG:
        return f"{address.scheme}://{address.netloc}"
    host = request.get_host()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return f"{address.scheme}://{name}" + (f":{address.port}" if address.port else "")
