"""What one worker takes upon itself at most."""

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one worker process."""

    # Threads that run Django; each keeps its database connections.
    threads: int
    # A body for the API, and a form; the same as config.parsers and Django have it.
    api_bytes: int
    form_bytes: int
    # A form with files (multipart/form-data).
    upload_bytes: int
    # From the end of the headers to the end of the body.
    body_seconds: float
    # A thread waits no longer for a database that says nothing.
    database_seconds: float
    # Requests that wait for a thread, and how long they do before they are sent away.
    waiting: int = 128
    waiting_seconds: float = 10.0
    # Bodies and answers held in memory, all together; what is larger than `in_memory` is in a file of its own.
    held_bytes: int = 64 * MIB
    in_memory: int = MIB
    # An answer that is larger is sent piece by piece, and its reader must take one within `piece_seconds`.
    piece: int = 64 * KIB
    piece_seconds: float = 20.0
    answer_seconds: float = 600.0
    # Of a streamed answer so much is collected before it begins: what ends sooner has a length and no tail to lose.
    collected: int = 64 * KIB
