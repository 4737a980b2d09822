"""Names resolved within a time: getaddrinfo itself has none, and a silent name server holds it for half a minute."""

import socket
import threading
from typing import Final

# Threads that may wait for name servers at once. Each name has one, however many ask for it.
MOST_LOOKUPS: Final = 64


class LookupFailed(Exception):
    """The name has no address now, as the sentence says. It may have one later."""


class _Lookup:
    """One question, asked in a thread of its own. The thread is a daemon: it keeps no process from ending."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.done = threading.Event()
        self.addresses: tuple[str, ...] = ()
        self.failure = ""

    def run(self) -> None:
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            self.addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        except (OSError, UnicodeError) as error:
            self.failure = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a valid name"
        finally:
            with _lock:
                _running.pop(self.host, None)
            self.done.set()


_running: dict[str, _Lookup] = {}
_lock = threading.Lock()


def look_up(host: str, *, seconds: float) -> tuple[str, ...]:
    """The addresses of a name in the system's order, each once; at least one.

    Raises LookupFailed when there are none, when the answer takes longer, and when too many look-ups wait already.
    """
    with _lock:
        lookup = _running.get(host)
        if lookup is None:
            if len(_running) >= MOST_LOOKUPS:
                raise LookupFailed("Too many names are being looked up at the moment.")
            lookup = _running[host] = _Lookup(host)
            try:
                threading.Thread(target=lookup.run, name="look-up", daemon=True).start()
            except RuntimeError as error:
                del _running[host]
                raise LookupFailed("The system gives no more threads for looking names up.") from error
    if not lookup.done.wait(max(0.0, seconds)):
        raise LookupFailed(f"The name {host} was not resolved within {seconds:.3g} s.")
    if not lookup.addresses:
        raise LookupFailed(f"The name {host} has no address: {lookup.failure or 'the answer is empty'}.")
    return lookup.addresses
