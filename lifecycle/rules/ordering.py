"""The order in which messages of several logs take effect together."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from lifecycle.rules.envelopes import Event, Received

_EARLIEST = datetime.min.replace(tzinfo=UTC)


def merge_logs(messages: Iterable[Received]) -> list[Received]:
    """Messages of one log stay in its order; between logs the earlier event comes first.

    By time alone a log whose clock jumps would overtake itself.
    """
    logs: dict[tuple[str, int], list[Received]] = defaultdict(list)
    for received in messages:
        logs[received.message.topic, received.message.partition].append(received)
    if len(logs) == 1:
        return sorted(*logs.values(), key=lambda received: received.message.offset)
    for log in logs.values():
        log.sort(key=lambda received: received.message.offset, reverse=True)
    heads = [(_time(log[-1]), name) for name, log in logs.items()]
    heapq.heapify(heads)
    merged: list[Received] = []
    while heads:
        _, name = heapq.heappop(heads)
        merged.append(logs[name].pop())
        if logs[name]:
            heapq.heappush(heads, (_time(logs[name][-1]), name))
    return merged


def _time(received: Received) -> datetime:
    return received.event.time if isinstance(received.event, Event) else _EARLIEST
