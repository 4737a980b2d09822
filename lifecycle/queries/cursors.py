"""Opaque positions in a list. A cursor belongs to one tenant and one question, and says nothing to anyone else."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from django.conf import settings
from django.utils.translation import gettext as _

SIGNATURE_BYTES = 12


class InvalidCursor(Exception):
    """The cursor was altered, or belongs to another list."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This page link has expired: follow the links in next and previous as they are, or start again without"
                " a cursor."
            )
        )


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after the row (or before it, ``backward``) whose sort key and id are given.

    ``as_of`` is the time by which the whole list is judged, where the order depends on the time.
    """

    key: Any
    id: str
    backward: bool = False
    as_of: str | None = None


def encode_cursor(position: Position, *, question: bytes) -> str:
    """The position as text for an address. ``question`` is whatever the list depends on."""
    payload = orjson.dumps([position.key, position.id, position.backward, position.as_of])
    return base64.urlsafe_b64encode(_sign(payload, question) + payload).rstrip(b"=").decode()


def decode_cursor(text: str, *, question: bytes) -> Position:
    """The position that ``encode_cursor`` was given with the same question. Raises InvalidCursor."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise InvalidCursor from error
    signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(payload, question)):
        raise InvalidCursor
    return Position(*orjson.loads(payload))


def _sign(payload: bytes, question: bytes) -> bytes:
    key = hmac.digest(settings.SECRET_KEY.encode(), b"lifecycle.queries.cursors", sha256)
    return hmac.digest(key, question + b"\0" + payload, sha256)[:SIGNATURE_BYTES]
