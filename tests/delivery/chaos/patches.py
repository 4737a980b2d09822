"""What the run changes in its workers: seconds for hours, the endpoint's name; and mistakes that it must find out."""

import datetime as dt
import socket
from typing import Any

from tests.delivery.chaos.servers import NAME

LEASE_SECONDS = 3.0
DELIVERY_SECONDS = 1.0


def hurry() -> None:
    """Leases and retries of seconds, no caps; the endpoint is on this machine."""
    from lifecycle.delivery import retries, senders, worker
    from lifecycle.services.effects import brakes, queue

    queue.LEASE = dt.timedelta(seconds=LEASE_SECONDS)  # type: ignore[misc]
    worker.LOOK_AFTER_SECONDS = 0.5  # type: ignore[misc]
    senders.WEBHOOK_SECONDS = senders.MAIL_SECONDS = DELIVERY_SECONDS  # type: ignore[misc]
    retries.DELAYS = (0.0, *[0.3] * 30)  # type: ignore[misc,assignment]
    senders.MOST_MAIL_TRIES = 30  # type: ignore[misc]
    brakes.EMAILS_AN_HOUR = brakes.EMAILS_A_DAY_TO_USERS = 1_000_000  # type: ignore[misc]
    inner = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        return inner("127.0.0.1" if host == NAME else host, *args, **options)

    socket.getaddrinfo = getaddrinfo


def keep_caps() -> None:
    """As in production, but that an owner may receive any number: the cap of the effect is what is looked at."""
    from lifecycle.services.effects import brakes

    brakes.EMAILS_A_DAY_TO_USERS = 1_000_000  # type: ignore[misc]


def resend_unknown() -> None:
    """A mail that was handed over by a worker that died is sent again."""
    from lifecycle.delivery import senders

    hurry()
    senders.hand_over = lambda _: True


def mark_nothing() -> None:
    """What may have arrived twice does not say so."""
    from lifecycle.services.effects import queue

    hurry()
    queue._LAPSE = queue._LAPSE.replace("may_be_twice OR kind = 'webhook'", "may_be_twice")  # type: ignore[misc]


def give_up() -> None:
    """What a worker that died was holding is left."""
    from lifecycle.delivery import worker

    hurry()
    worker.recover_lapsed = lambda: 0


MUTANTS = {function.__name__: function for function in (resend_unknown, mark_nothing, give_up)}
