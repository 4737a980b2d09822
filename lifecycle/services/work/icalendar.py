"""Renewals as an iCalendar object (RFC 5545): a whole day each, free time, the same UID for a customer's renewal."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from django.utils.translation import gettext as _

PRODUCT: Final = "-//Customer 360//Renewals//EN"
# Octets of a line, without its line break (3.1).
LONGEST_LINE: Final = 75
MEDIA_TYPE: Final = "text/calendar; charset=utf-8"


def write_calendar(rows: Iterable[Mapping[str, Any]], *, tenant_id: UUID, site: str) -> bytes:
    """The calendar of rows of ``renewals.list_renewals``. ``site``: the address under which pages are found.

    The same rows are the same bytes: DTSTAMP is when Billing reported the figures.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    # What programs call it; most of them do not know RFC 7986 (5.1) yet, but the name before it.
    name = escape(_("Customer 360: Renewals"))
    lines += [f"NAME:{name}", f"X-WR-CALNAME:{name}"]
    for row in rows:
        lines += _write_event(row, tenant_id, site)
    lines.append("END:VCALENDAR")
    return b"".join(folded + b"\r\n" for line in lines for folded in _fold(line))


def _write_event(row: Mapping[str, Any], tenant_id: UUID, site: str) -> Iterator[str]:
    day: dt.date = row["renewal_on"]
    stamp = row["occurred_at"].astimezone(dt.UTC)
    title = _("Renewal: %(name)s") % {"name": row["name"]}
    yield "BEGIN:VEVENT"
    uid = uuid5(NAMESPACE_URL, f"customer360:{tenant_id}:{row['customer_id']}:renewal")
    yield f"UID:{uid}"
    yield f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}"
    yield f"DTSTART;VALUE=DATE:{day:%Y%m%d}"
    yield f"DTEND;VALUE=DATE:{day + dt.timedelta(days=1):%Y%m%d}"
    yield f"SUMMARY:{escape(title)}"
    yield f"DESCRIPTION:{escape(_('Stage: %(stage)s') % {'stage': row['stage']})}"
    yield f"URL:{site}/customers/{row['customer_id']}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def escape(text: str) -> str:
    """A TEXT value (3.3.11)."""
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "")


def _fold(line: str) -> Iterator[bytes]:
    """The line in parts of at most 75 octets, each after the first with a space before it; no character is cut."""
    part = b""
    for character in line:
        octets = character.encode()
        if len(part) + len(octets) > LONGEST_LINE:
            yield part
            part = b" "
        part += octets
    yield part
