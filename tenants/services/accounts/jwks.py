"""Public keys of identity providers: kept, and fetched beside the requests, never by one.

A request takes the keys that are known when it comes. Where its key is not known a fetch begins; the request that began
it, and at most ``MOST_WAITING`` of a process, gives it ``PATIENCE_SECONDS``, all others are answered at once. One
provider has one fetch at a time; what failed is not tried again for a while, longer with every failure; any number of
unknown key ids cause one fetch. Known keys serve for ``STALE_SECONDS`` when the provider is away, and are fetched again
in the background once they are older than ``FRESH_SECONDS``.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.utils.translation import gettext as _
from jwt import PyJWK
from prometheus_client import Counter

from tenants.services.accounts.provider_fetching import WHOLE_SECONDS, fetch_keys

log = structlog.get_logger(__name__)

FRESH_SECONDS = 300.0
STALE_SECONDS = 24 * 3600.0
# Between the end of a fetch and the next one; doubled by each failure in a row.
COOLDOWN_SECONDS = 10.0
LONGEST_COOLDOWN_SECONDS = 120.0
# Of all providers together: a silent one holds a thread for seconds.
MOST_FETCHES = 16
# Of these, before a token has asked: the others are left to tokens that come in the meantime.
MOST_AHEAD = MOST_FETCHES // 2
RETRY_SECONDS = 2
# The first token after a start, or after a rotation, need not be refused because it is the first.
PATIENCE_SECONDS = 0.5
MOST_WAITING = 2
# An ID token need not name its key where the provider has one (OpenID Connect Core 1.0, 10.1).
THE_ONLY_KEY = ""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

fetches = Counter("customer360_issuer_key_fetches_total", "Key sets of identity providers fetched.", ["outcome"])


class KeysUnavailable(Exception):
    """The provider's keys are not known at the moment; ``retry_after`` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(_("The identity provider's keys are not known at the moment. Try again in a few seconds."))


@dataclass
class _KeySet:
    keys: Mapping[str, PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    ended_at: float = float("-inf")
    failures: int = 0
    fetching: threading.Event | None = None

    def find(self, key_id: str) -> PyJWK | None:
        """The key of that id; for THE_ONLY_KEY the one there is, if there is one alone."""
        if key_id == THE_ONLY_KEY:
            return next(iter(self.keys.values())) if len(self.keys) == 1 else None
        return self.keys.get(key_id)

    @property
    def next_try_at(self) -> float:
        """When the next fetch may begin."""
        wait: float = COOLDOWN_SECONDS * 2 ** max(0, self.failures - 1)
        return self.ended_at + min(wait, LONGEST_COOLDOWN_SECONDS)


_sets: dict[str, _KeySet] = {}
# Held for moments only: nothing is awaited under it.
_lock = threading.Lock()
_slots = threading.BoundedSemaphore(MOST_FETCHES)
_waiting = threading.BoundedSemaphore(MOST_WAITING)


def check_url(url: str, what: str = "") -> str | None:
    """Why an address of a provider may not be used, or None. ``what`` it is; empty: the address of its key set.

    HTTPS only; plain HTTP to this machine where LOOPBACK_ISSUERS allows it.
    """
    what = what or _("The key set's address")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return _("%(what)s is not an address: %(error)s.") % {"what": what, "error": error}
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return None
    if settings.LOOPBACK_ISSUERS and parts.scheme == "http" and parts.hostname in LOOPBACK:
        return None
    return _("%(what)s must be an https:// address without a user name.") % {"what": what}


def find_key(url: str, key_id: str) -> PyJWK | None:
    """The provider's key of that id, or None when the provider has no such key. Never waits for long.

    Raises KeysUnavailable while no keys are known, and for an unknown id while they are being fetched: the provider
    may have a new one.
    """
    begun = _begin_if_needed(url, key_id)
    if begun is not None and _waiting.acquire(blocking=False):
        try:
            begun.wait(PATIENCE_SECONDS)
        finally:
            _waiting.release()
    now = time.monotonic()
    with _lock:
        known = _sets.setdefault(url, _KeySet())
        is_usable = now - known.fetched_at <= STALE_SECONDS
        key = known.find(key_id) if is_usable else None
        if key is None and (known.fetching or not is_usable):
            wait = max(RETRY_SECONDS, 0 if known.fetching else known.next_try_at - now)
            raise KeysUnavailable(int(-(-wait // 1)))
        return key


def _begin_if_needed(url: str, key_id: str) -> threading.Event | None:
    """Begin a fetch when the key is missing or old. What a request may wait for, if this one has begun it."""
    now = time.monotonic()
    with _lock:
        known = _sets.setdefault(url, _KeySet())
        age = now - known.fetched_at
        if known.find(key_id) is not None and age < FRESH_SECONDS:
            return None
        has_begun = _begin_fetch(url, known, now)
        return known.fetching if has_begun and not (known.find(key_id) is not None and age <= STALE_SECONDS) else None


def fetch_ahead(urls: Iterable[str]) -> None:
    """Fetch these key sets, so that they are known when the first token comes: MOST_AHEAD at a time, each for
    WHOLE_SECONDS at most. Returns when the last of them have begun.
    """
    under_way = deque[threading.Event]()
    for url in urls:
        if len(under_way) == MOST_AHEAD:
            under_way.popleft().wait(WHOLE_SECONDS)
        with _lock:
            known = _sets.setdefault(url, _KeySet())
            if _begin_fetch(url, known, time.monotonic()) and known.fetching:
                under_way.append(known.fetching)


def forget_keys() -> None:
    """Drop every key set; for tests and after an issuer was changed."""
    with _lock:
        _sets.clear()


def _begin_fetch(url: str, known: _KeySet, now: float) -> bool:
    """Start a fetch unless one runs, one has just been, or too many run. The caller holds the lock."""
    if known.fetching or now < known.next_try_at:
        return False
    if (refusal := check_url(url)) is not None:
        log.warning("key set refused", url=url, reason=refusal)
        known.ended_at, known.failures = now, 10
        return False
    if not _slots.acquire(blocking=False):
        return False
    known.fetching = threading.Event()
    try:
        threading.Thread(target=_fetch, args=(url, known), name="issuer-keys", daemon=True).start()
        return True
    except RuntimeError as error:
        # The system gives no more threads.
        log.warning("key set could not be fetched", url=url, error=str(error))
        known.fetching = None
        _slots.release()
        return False


def _fetch(url: str, known: _KeySet) -> None:
    keys: Mapping[str, PyJWK] | None = None
    try:
        keys = fetch_keys(url)
    except (OSError, ValueError) as error:
        log.warning("key set could not be fetched", url=url, error=str(error))
    finally:
        _slots.release()
        fetches.labels("failed" if keys is None else "fetched").inc()
        with _lock:
            now = time.monotonic()
            done, known.fetching = known.fetching, None
            known.ended_at = now
            if keys is None:
                known.failures = min(known.failures + 1, 10)
            else:
                known.keys, known.fetched_at, known.failures = keys, now, 0
        if done is not None:
            done.set()
