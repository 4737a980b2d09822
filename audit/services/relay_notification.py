"""The notification of the relay, after commits that put something into the outbox."""

import time
from typing import Final

import structlog
from django.db import connections, transaction

from storage.database.results import execute

log = structlog.get_logger(__name__)

CHANNEL: Final = "c360_outbox"
# A NOTIFY takes a lock that all notifying transactions share: many writers notify every so often only, and the relay,
# once awake, looks again by itself.
QUIET_SECONDS: Final = 0.02
NOTIFY: Final = f"BEGIN; SET LOCAL synchronous_commit TO off; NOTIFY {CHANNEL}; COMMIT".encode()

# Not 0, which is when the machine was started.
NEVER: Final = float("-inf")

_notified_at: dict[str, float] = {}


def notify_relay_after_commit(*, using: str = "default") -> None:
    """Notify the relay, once the current transaction has committed, that there is something to publish.

    After the commit and not within it: a NOTIFY inside the transaction makes all committing transactions take turns.
    Outside a transaction it goes out at once. Losing it costs the tenth of a second after which the relay looks anyway.
    """
    transaction.on_commit(lambda: _notify(using), using=using, robust=True)


def _notify(using: str) -> None:
    now = time.monotonic()
    if now - _notified_at.get(using, NEVER) < QUIET_SECONDS:
        return
    _notified_at[using] = now
    raw = connections[using].connection
    try:
        # Past Django's bookkeeping: it is no query of any request, and nothing depends on it. It need not wait
        # for the disk either.
        execute(raw.pgconn, NOTIFY)
    except Exception as error:
        log.info("relay not notified, it will look by itself", error=type(error).__name__)
