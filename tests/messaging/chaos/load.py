"""What is sent: stories of customers with duplicates, late events and poison; and what must have come of them."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

STAGES = ["New", "Red", "Green", "Blue"]
CONFIGURATION: dict[str, Any] = {
    "stages": STAGES,
    "event_rules": [
        *(
            {"event": event, "to": stage, "when": [{"field": where, "op": "eq", "value": stage}]}
            for event, where in (("customer.updated", "segment"), ("support.issue.closed", "severity"))
            for stage in STAGES[1:]
        ),
        {"event": "contract.renewed", "to": "Green"},
    ],
}
SOURCES = {
    "customer.created": "/crm",
    "customer.updated": "/crm",
    "contract.renewed": "/billing",
    "support.issue.closed": "/support",
}
# The column in which the newest value of each type must stand at the end.
COLUMNS = {
    "customer.updated": "segment",
    "contract.renewed": "contract_id",
    "support.issue.closed": "last_issue_id",
}
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message. ``event_id`` is None for poison."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    event_id: str | None = None


@dataclass
class Expected:
    """What must be true at the end."""

    # (tenant, event id) of all valid events.
    events: set[tuple[str, str]] = field(default_factory=set)
    # (tenant, customer) -> column -> value.
    values: dict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    # (tenant, customer) -> stage, where exactly one event is the newest that moves anybody.
    stages: dict[tuple[str, str], str] = field(default_factory=dict)
    duplicates: int = 0
    late: int = 0


def make_load(
    tenants: Sequence[str], *, events: int, customers: int, seed: int
) -> tuple[list[Sent], list[Sent], Expected]:
    """Everything in the order in which it is sent, the poison in it once more by itself, and what must come of it."""
    random = Random(seed)
    names = [(tenants[number % len(tenants)], f"c{number:05}") for number in range(customers)]
    documents = _tell_stories(names, events=events, random=random)
    expected = Expected()
    log = _make_late(documents, random, expected)
    _note_expected(log, expected)
    sent = [_encode(document, random) for document in log]
    _insert_duplicates(sent, random, expected)
    poison = [_make_poison(number, random, tenants) for number in range(max(10, events // 100))]
    for one in poison:
        sent.insert(random.randrange(len(sent)), one)
    return sent, poison, expected


def _tell_stories(names: list[tuple[str, str]], *, events: int, random: Random) -> list[dict[str, Any]]:
    """Creations first in time, then bursts of events of one customer in one second: only the log tells which came
    last, and anyone who applies a burst twice moves the customer to and fro.
    """
    head = [_document(name, "customer.created", START, {"name": f"Company {name[1]}"}) for name in names]
    rest: list[dict[str, Any]] = []
    second = 1
    while len(head) + len(rest) < events:
        second += random.randrange(2)
        name = random.choice(names)
        event_type = random.choice(("customer.updated", "contract.renewed", "support.issue.closed"))
        for _ in range(min(random.choice((1, 2, 3, 4)), events - len(head) - len(rest))):
            number = len(rest)
            stage = random.choice(STAGES[1:])
            data: dict[str, Any] = {"segment": stage}
            if event_type == "contract.renewed":
                data = {"contract_id": f"K{number}", "arr": random.randrange(1000)}
            elif event_type == "support.issue.closed":
                data = {"issue_id": f"S{number}", "severity": stage, "csat": random.randrange(6)}
            rest.append(_document(name, event_type, START + dt.timedelta(seconds=second), data))
    # Some are created after their first events: those have to wait.
    for document in head:
        rest.insert(random.randrange(max(1, len(rest) // 2)), document)
    return rest


def _document(name: tuple[str, str], event_type: str, time: dt.datetime, data: dict[str, Any]) -> dict[str, Any]:
    _document.count += 1  # type: ignore[attr-defined]
    return {
        "specversion": "1.0",
        "id": f"e{_document.count}",  # type: ignore[attr-defined]
        "source": SOURCES[event_type],
        "type": event_type,
        "time": time.isoformat(),
        "tenantid": name[0],
        "data": {"external_id": name[1], **data},
    }


_document.count = 0  # type: ignore[attr-defined]


def _make_late(documents: list[dict[str, Any]], random: Random, expected: Expected) -> list[dict[str, Any]]:
    """5% are sent long after their time."""
    log = list(documents)
    for _ in range(len(log) // 20):
        place = random.randrange(len(log))
        document = log.pop(place)
        log.insert(min(len(log), place + random.randrange(1, max(2, len(log) // 4))), document)
        expected.late += 1
    return log


def _note_expected(log: list[dict[str, Any]], expected: Expected) -> None:
    newest: dict[tuple[tuple[str, str], str], str] = {}
    moving: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for document in log:
        name = (document["tenantid"], document["data"]["external_id"])
        event_type, data = document["type"], document["data"]
        expected.events.add((name[0], document["id"]))
        column = COLUMNS.get(event_type)
        if column is None:
            continue
        value = data.get("segment") or data.get("contract_id") or data.get("issue_id")
        # Of one second the later in the log wins.
        if newest.get((name, column), "") <= document["time"]:
            newest[name, column] = document["time"]
            expected.values[name][column] = value
        target = "Green" if event_type == "contract.renewed" else data.get("segment") or data.get("severity")
        moving[name].append((document["time"], target))
    for name, moves in moving.items():
        last = max(time for time, _ in moves)
        targets = {target for time, target in moves if time == last}
        if len(targets) == 1:
            expected.stages[name] = targets.pop()


def _encode(document: dict[str, Any], random: Random) -> Sent:
    key = document["data"]["external_id"].encode()
    if random.random() < 0.2:
        headers = [(f"ce_{name}", str(value).encode()) for name, value in document.items() if name != "data"]
        headers.append(("content-type", b"application/json"))
        return Sent(document["type"], key, orjson.dumps(document["data"]), headers, document["id"])
    return Sent(document["type"], key, orjson.dumps(document), (), document["id"])


def _insert_duplicates(sent: list[Sent], random: Random, expected: Expected) -> None:
    """10% come again, at once or much later."""
    for _ in range(len(sent) // 10):
        place = random.randrange(len(sent))
        again = min(len(sent), place + random.choice((1, 2, 50, 1000)))
        sent.insert(again, sent[place])
        expected.duplicates += 1


def _make_poison(number: int, random: Random, tenants: Sequence[str]) -> Sent:
    name = (random.choice(tenants), f"p{number}")
    good = _document(name, "customer.updated", START, {"segment": "Red"})
    key = name[1].encode()
    headers: list[tuple[str, bytes | None]] = [("number", str(number).encode())]
    kinds: list[Sent] = [
        Sent("customer.updated", key, b"\xff\xfe not json " + key, headers),
        Sent("customer.updated", key, b"", headers),
        Sent("contract.renewed", key, None, [*headers, ("empty", None)]),
        Sent("customer.updated", key, orjson.dumps(good | {"data": {"external_id": 5}}), headers),
        Sent("customer.updated", b"other", orjson.dumps(good), headers),
        Sent("customer.updated", None, orjson.dumps(good), headers),
        Sent("customer.updated", key, orjson.dumps(good | {"tenantid": "no one-here"}), headers),
        Sent("customer.updated", key, orjson.dumps(good | {"type": "customer.deleted"}), headers),
        Sent("customer.updated", key, orjson.dumps(good | {"source": "/billing"}), headers),
        Sent("customer.updated", key, orjson.dumps(good | {"time": "2099-01-01T00:00:00Z"}), headers),
        Sent("support.issue.closed", key, key + b"x" * (900_000 if number % 100 == 10 else 9_000), headers),
    ]
    return kinds[number % len(kinds)]
