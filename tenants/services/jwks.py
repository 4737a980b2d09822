"""Public keys of identity providers: fetched over HTTPS, kept, refreshed when an unknown key id appears.

A key set serves for ``FRESH_SECONDS``; then it is fetched anew. If the provider cannot be reached its last known keys
serve for ``STALE_SECONDS``. Unknown key ids cause at most one fetch in ``COOLDOWN_SECONDS``, whatever their number.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from jwt import PyJWK
from jwt.exceptions import PyJWKError

log = structlog.get_logger(__name__)

FRESH_SECONDS = 300.0
STALE_SECONDS = 24 * 3600.0
COOLDOWN_SECONDS = 10.0
TIMEOUT_SECONDS = 3.0
LARGEST_SET = 256 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class KeysUnavailable(Exception):
    """The provider's keys are not known and cannot be fetched now; trying again later may do."""


@dataclass
class _KeySet:
    keys: dict[str, PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


_sets: dict[str, _KeySet] = {}
_sets_lock = threading.Lock()


def check_url(url: str) -> str | None:
    """Why an address may not be fetched, or None.

    HTTPS only; plain HTTP to this machine where LOOPBACK_ISSUERS allows it.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"The key set's address is no address: {error}."
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return None
    if settings.LOOPBACK_ISSUERS and parts.scheme == "http" and parts.hostname in LOOPBACK:
        return None
    return "The key set's address must be an https:// address without a user name."


def find_key(url: str, key_id: str) -> PyJWK | None:
    """The provider's key of that id, or None when the provider has no such key. Raises KeysUnavailable."""
    with _sets_lock:
        known = _sets.setdefault(url, _KeySet())
    age = time.monotonic() - known.fetched_at
    if key_id in known.keys and age < FRESH_SECONDS:
        return known.keys[key_id]
    with known.lock:
        # Whoever waited for the lock may find the work done.
        if time.monotonic() - known.tried_at >= COOLDOWN_SECONDS or not known.keys:
            _refresh(url, known)
    if not known.keys or time.monotonic() - known.fetched_at > STALE_SECONDS:
        raise KeysUnavailable("The identity provider's keys cannot be read at the moment.")
    return known.keys.get(key_id)


def forget_keys() -> None:
    """Drop every key set; for tests and after an issuer was changed."""
    with _sets_lock:
        _sets.clear()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _refresh(url: str, known: _KeySet) -> None:
    known.tried_at = time.monotonic()
    if (fault := check_url(url)) is not None:
        log.warning("key set refused", url=url, reason=fault)
        return
    try:
        with _opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            body = answer.read(LARGEST_SET + 1)
        if len(body) > LARGEST_SET:
            raise ValueError("the key set is too large")
        known.keys = _read_keys(json.loads(body))
        known.fetched_at = time.monotonic()
    except (urllib.error.URLError, OSError, ValueError) as error:
        log.warning("key set could not be fetched", url=url, error=str(error))


def _read_keys(document: Any) -> dict[str, PyJWK]:
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is not a key set")
    keys = {}
    for entry in entries:
        # A set may hold keys for other purposes and of kinds we do not use: they are passed over, not fatal.
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        if entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            keys[entry["kid"]] = PyJWK(entry)
        except PyJWKError as error:
            log.info("key passed over", kid=entry["kid"], error=str(error))
    return keys
