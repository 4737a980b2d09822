"""One webhook, signed as Standard Webhooks 1.0 has it and delivered within a time, or a sentence that says why not.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import datetime as dt
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Final, Literal

from standardwebhooks import Webhook
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from lifecycle.delivery.addresses import AddressUnavailable
from lifecycle.delivery.bounds import Bounds, TooMuchSent, bounded
from lifecycle.delivery.connections import Connection, Connections, tls_context
from lifecycle.delivery.retries import read_retry_after
from lifecycle.rules.webhook_secrets import read_secret
from lifecycle.sentences import say_for_record
from lifecycle.services.effects.addresses import AddressRefused, Endpoint

DEADLINE_SECONDS: Final = 15.0
LARGEST_BODY: Final = 20_000
# Of the response's body; of all that comes, with headers and interim responses.
MOST_READ: Final = 64 * 1024
MOST_RECEIVED: Final = 192 * 1024
EXCERPT_CHARACTERS: Final = 500
USER_AGENT: Final = "Customer360-Webhooks/1.0"

_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_:-]{1,255}")
# What a response may repeat of what it was sent: secrets, signatures, people's addresses.
_PRIVATE: Final = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]+|v1,[A-Za-z0-9+/=]{20,}|[^\s@<>\"',;:()]{1,64}@[^\s@<>\"',;:()]{1,255}"
)

Outcome = Literal["done", "gone", "retry", "refused"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one try.

    ``done``: answered 2xx. ``gone``: answered 410, send it nothing more. ``retry``: any other answer, or none.
    ``refused``: not sent, and a later try would not be either (address, size, secret).
    """

    outcome: Outcome
    status: int | None = None
    milliseconds: int = 0
    maybe_twice: bool = False
    """Sent on a kept connection that was closed without a response, and again on a new one."""
    may_have_arrived: bool = False
    """Part of the request has left: unless the outcome is ``done``, another try may be the second that is taken."""
    retry_after_seconds: float | None = None
    response_excerpt: str = ""
    error: str = ""


_connections: Final = Connections()


def sign(secrets: Sequence[str], message_id: str, timestamp: dt.datetime, body: str) -> dict[str, str]:
    """The three headers of Standard Webhooks, with a signature by each of the secrets (two while one is replaced).

    Receivers accept a timestamp within five minutes, so each try is signed again. Raises ValueError for no secrets, a
    malformed one, an id that the signature cannot hold, or a timestamp without a zone.
    """
    if not secrets:
        raise ValueError("There is no signing secret.")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("A message id is 1 to 255 letters, digits, hyphens, underscores and colons.")
    if timestamp.tzinfo is None:
        raise ValueError("The timestamp has no time zone.")
    # The package replaces the zone instead of converting it.
    timestamp = timestamp.astimezone(dt.UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(timestamp.timestamp())),
        "webhook-signature": " ".join(Webhook(read_secret(text)).sign(message_id, timestamp, body) for text in secrets),
    }


def send_webhook(
    endpoint: Endpoint,
    *,
    message_id: str,
    body: str,
    secrets: Sequence[str],
    seconds: float = DEADLINE_SECONDS,
    connections: Connections = _connections,
) -> Delivery:
    """POST a body of JSON to an endpoint and say what became of it, within ``seconds`` in all.

    The name is resolved (once a minute) and every address judged; the connection goes to one that was. Nothing is taken
    from the environment, no redirect is followed, and 64 KiB of the response are read.
    """
    began = time.monotonic()
    bounds = Bounds(seconds=seconds, most_bytes=MOST_RECEIVED)
    try:
        content = body.encode()
        if len(content) > LARGEST_BODY:
            raise ValueError(f"The body has {len(content):,} bytes; {LARGEST_BODY:,} is the most.")
        headers = _headers(endpoint) | sign(secrets, message_id, dt.datetime.now(dt.UTC), body)
    except ValueError as error:
        return Delivery(
            "refused", error=str(error) if not isinstance(error, UnicodeError) else "The body is not UTF-8."
        )
    with bounded(bounds):
        delivery = _deliver(endpoint, content, headers, bounds=bounds, connections=connections)
    took = round((time.monotonic() - began) * 1000)
    return replace(delivery, milliseconds=took, may_have_arrived=bounds.has_sent)


def close_idle() -> int:
    """Close connections that have been idle for long. A worker calls it now and then; it costs next to nothing."""
    return _connections.close_idle()


def forget_connections() -> None:
    """Close every idle connection and resolve every name again: at the end of a process, and between tests."""
    _connections.forget()
    tls_context.cache_clear()


def _deliver(
    endpoint: Endpoint, body: bytes, headers: Mapping[str, str], *, bounds: Bounds, connections: Connections
) -> Delivery:
    maybe_twice = False
    try:
        kept = connections.take_idle(endpoint)
        if kept is not None:
            try:
                return _exchange(kept, endpoint, body, headers, connections=connections)
            except (ConnectionError, ssl.SSLError):
                if bounds.bytes_left != MOST_RECEIVED:
                    raise
                # Closed by the other side as it had long been idle, most likely before it read any of this.
                maybe_twice = True
        new = connections.open_new(endpoint, seconds=bounds.remaining())
        return replace(_exchange(new, endpoint, body, headers, connections=connections), maybe_twice=maybe_twice)
    except AddressRefused as refusal:
        return Delivery("refused", error=say_for_record(refusal.message), maybe_twice=maybe_twice)
    except (AddressUnavailable, OSError, HTTPException, HTTPError, ValueError) as error:
        return Delivery("retry", error=_describe(error, endpoint, bounds), maybe_twice=maybe_twice)


def _exchange(
    connection: Connection, endpoint: Endpoint, body: bytes, headers: Mapping[str, str], *, connections: Connections
) -> Delivery:
    """Send and read on one connection, and keep it if it can be used again."""
    response = None
    is_whole = False
    try:
        # What it said before it closed can still be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", endpoint.target, body, headers, preload_content=False, decode_content=False)
        response = connection.getresponse()
        content = b""
        # The status is the answer, whatever becomes of the rest.
        with suppress(OSError, HTTPException, HTTPError, ValueError):
            content = response.read(MOST_READ)
            is_whole = response.closed
        return _judge(response.status, response.headers, content)
    finally:
        if is_whole and connection.is_connected:
            connections.keep(endpoint, connection)
        else:
            if response is not None:
                response.close()
            connection.close()


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {
        "Host": endpoint.host_header,
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
    }


def _judge(status: int, headers: Mapping[str, str], content: bytes) -> Delivery:
    excerpt = _excerpt(content, headers.get("Content-Encoding", ""))
    if 200 <= status < 300:
        return Delivery("done", status, response_excerpt=excerpt)
    if status == 410:
        return Delivery("gone", status, response_excerpt=excerpt, error="Answered 410: it wants nothing more.")
    return Delivery(
        "retry",
        status,
        retry_after_seconds=read_retry_after(headers.get("Retry-After"), now=dt.datetime.now(dt.UTC)),
        response_excerpt=excerpt,
        error=f"Answered {status}." if not 300 <= status < 400 else f"Answered {status}; redirects are not followed.",
    )


def _excerpt(content: bytes, encoding: str) -> str:
    """What of a response can be shown: printable characters, no secrets, signatures or e-mail addresses."""
    if encoding.strip().lower() not in ("", "identity"):
        return "(compressed)"
    # As much as is needed for the excerpt, so that the pattern does not run over 64 KiB.
    text = content[: EXCERPT_CHARACTERS * 8].decode(errors="replace")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return _PRIVATE.sub("(removed)", " ".join(printable.split()))[:EXCERPT_CHARACTERS]


def _describe(error: Exception, endpoint: Endpoint, bounds: Bounds) -> str:
    """One sentence for those who run the endpoint. Never the path of its URL, which may hold a token."""
    match error:
        case AddressUnavailable():
            return str(error)
        case ssl.SSLCertVerificationError():
            return f"The certificate of {endpoint.host} was not accepted: {error.verify_message}."
        case TimeoutError() | HTTPTimeoutError():
            if not bounds.has_sent:
                return "No connection could be made in time."
            return f"There was no response within {bounds.seconds:g} s."
        case ssl.SSLError():
            return f"The encrypted connection failed: {error.reason or 'it was closed'}."
        case ConnectionRefusedError():
            return "The connection was refused."
        case ConnectionError():
            return "The connection was closed before a response came."
        case TooMuchSent():
            return "The response does not end."
        case OSError():
            return f"The connection failed: {error.strerror or 'no reason is known'}."
    return "The response is not valid HTTP."
