"""A history row as the CloudEvent that goes out on ``audit.lifecycle.updated``. The note is never part of it."""

from typing import Final

import orjson

from audit.services.recording import DEPTH
from lifecycle.rules.envelopes import STRUCTURED_TYPE, Headers
from lifecycle.services.events.outbox import Pending

TYPE: Final = "audit.lifecycle.updated"
SOURCE: Final = "/customer360/lifecycle"
SCHEMA: Final = f"urn:customer360:schema:{TYPE}:1"
HEADERS: Final[Headers] = (("content-type", f"{STRUCTURED_TYPE}; charset=UTF-8".encode()),)


def announce(pending: Pending, *, tenant: str) -> tuple[bytes | None, Headers]:
    """The value and the headers of a pending message: of a history row its CloudEvent, else what was kept.

    The traceparent of the request that made a change is a header of it (W3C Trace Context), not part of the event.
    """
    row = pending.history
    if row is None:
        return pending.value, pending.headers
    document = {
        "specversion": "1.0",
        "id": row["id"],
        "source": SOURCE,
        "type": TYPE,
        "subject": row["customer_id"],
        "time": row["changed_at"],
        "datacontenttype": "application/json",
        "dataschema": SCHEMA,
        "tenantid": tenant,
        **{name: int(value or b"0") for name, value in pending.headers if name == DEPTH},
        "data": {**row, "tenant": tenant},
    }
    return orjson.dumps(document, option=orjson.OPT_UTC_Z), (
        *HEADERS,
        *(header for header in pending.headers if header[0] != DEPTH),
    )
