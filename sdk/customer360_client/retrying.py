"""Trying again where that is safe, below every operation: as a transport of httpx."""

import asyncio
import email.utils
import random
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

# Refused for now. After 503 it may have been begun, so what cannot be repeated is not.
REFUSED = frozenset({429, 503})
# Something broke: what was asked may have been done.
BROKEN = frozenset({500, 502, 504})
# No PUT for its method alone: a configuration that was published would be published again, or, with If-Match, refused
# as if someone else had published it. Those of customers take a key.
REPEATABLE = frozenset({"GET", "HEAD", "DELETE"})
# The request did not get as far as to be sent.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
KEY = "Idempotency-Key"

# A method, and the addresses of an operation as a regular expression.
Keyed = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Policy:
    """How often it is tried again, how long it is waited at first and at most, and how long altogether."""

    retries: int = 5
    first_delay: float = 0.5
    longest_delay: float = 8.0
    longest_wait: float = 60.0

    def delays(self) -> Iterator[float]:
        """Twice as long each time, with a chance in it, so that many clients do not come at once."""
        for number in range(self.retries):
            whole = min(self.longest_delay, self.first_delay * 2**number)
            yield whole * random.uniform(0.5, 1.0)  # noqa: S311  no secret


class _Attempts:
    """The tries of one request: what to do about each outcome."""

    def __init__(self, request: httpx.Request, policy: Policy, keyed: Keyed) -> None:
        self._delays = policy.delays()
        self._left = policy.longest_wait
        # As it is sent: an id may hold an encoded slash. The installation may lie below another address.
        path = request.url.raw_path.partition(b"?")[0].decode()
        takes_key = any(method == request.method and re.search(f"{pattern}$", path) for method, pattern in keyed)
        if takes_key and KEY not in request.headers:
            request.headers[KEY] = str(uuid.uuid4())
        self._is_safe = request.method in REPEATABLE or (takes_key and KEY in request.headers)

    def after_answer(self, response: httpx.Response) -> float | None:
        """How long to wait before the next try; None: this is the answer."""
        if response.status_code in REFUSED:
            # 503 may follow a commit whose outcome is unknown: only what is safe is sent twice.
            if response.status_code == 429 or self._is_safe:
                return self._wait(_read_retry_after(response.headers.get("Retry-After")))
            return None
        return self._wait(None) if response.status_code in BROKEN and self._is_safe else None

    def after_error(self, error: httpx.TransportError) -> float | None:
        """The same when there is no answer; None: the error is the outcome."""
        return self._wait(None) if self._is_safe or isinstance(error, NOT_SENT) else None

    def _wait(self, asked: float | None) -> float | None:
        delay = next(self._delays, None)
        if delay is None:
            return None
        chosen = delay if asked is None else asked
        if chosen > self._left:
            return None
        self._left -= chosen
        return chosen


class RetryTransport(httpx.BaseTransport):
    """Sends by another transport, and again where that is safe."""

    def __init__(self, inner: httpx.BaseTransport, policy: Policy, keyed: Keyed) -> None:
        self._inner, self._policy, self._keyed = inner, policy, keyed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the last try; its error, if there is none."""
        attempts = _Attempts(request, self._policy, self._keyed)
        request.read()
        while True:
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError as error:
                delay = attempts.after_error(error)
                if delay is None:
                    raise
            else:
                delay = attempts.after_answer(response)
                if delay is None:
                    return response
                response.close()
            time.sleep(delay)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class AsyncRetryTransport(httpx.AsyncBaseTransport):
    """The same for async code."""

    def __init__(self, inner: httpx.AsyncBaseTransport, policy: Policy, keyed: Keyed) -> None:
        self._inner, self._policy, self._keyed = inner, policy, keyed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the last try; its error, if there is none."""
        attempts = _Attempts(request, self._policy, self._keyed)
        await request.aread()
        while True:
            try:
                response = await self._inner.handle_async_request(request)
            except httpx.TransportError as error:
                delay = attempts.after_error(error)
                if delay is None:
                    raise
            else:
                delay = attempts.after_answer(response)
                if delay is None:
                    return response
                await response.aclose()
            await asyncio.sleep(delay)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _read_retry_after(text: str | None) -> float | None:
    """Seconds, from seconds or from a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        timestamp = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, timestamp.timestamp() - time.time())
