"""What must be true when the dust has settled. Each check returns what is wrong, as sentences with numbers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson
import psycopg

from audit.services.chain import row_hash
from tests.messaging.chaos.load import Expected, Sent

Row = dict[str, Any]


def select(database: psycopg.Connection[Row], statement: str, *parameters: Any) -> list[Row]:
    """All rows of a statement, seen by the superuser."""
    return database.execute(statement, parameters).fetchall()


def check_inbox(database: psycopg.Connection[Row], expected: Expected) -> list[str]:
    """Each valid event was dealt with once, and was not refused."""
    rows = select(
        database,
        "SELECT t.slug, e.event_id, e.outcome FROM lifecycle_inboxevent e JOIN tenants_tenant t ON t.id = e.tenant_id"
        " WHERE e.source NOT LIKE 'kafka:%%'",
    )
    counts = Counter((row["slug"], row["event_id"]) for row in rows)
    wrong = []
    if missing := expected.events - counts.keys():
        wrong.append(f"{len(missing)} events were lost, for example {sorted(missing)[:3]}")
    if foreign := counts.keys() - expected.events:
        wrong.append(f"{len(foreign)} events were applied that no one sent, for example {sorted(foreign)[:3]}")
    outcomes = Counter(row["outcome"] for row in rows)
    if outcomes["parked"] or outcomes["dead"]:
        wrong.append(f"{outcomes['parked']} valid events are parked and {outcomes['dead']} are dead")
    return wrong


def check_values(database: psycopg.Connection[Row], expected: Expected) -> list[str]:
    """Each field holds the newest value, the later in the log among those of one second."""
    rows = select(
        database,
        "SELECT t.slug, c.external_id, c.segment, b.contract_id, s.last_issue_id FROM lifecycle_customer c"
        " JOIN tenants_tenant t ON t.id = c.tenant_id"
        " LEFT JOIN lifecycle_billingfigures b ON b.customer_id = c.id"
        " LEFT JOIN lifecycle_supportfigures s ON s.customer_id = c.id",
    )
    found = {(row["slug"], row["external_id"]): row for row in rows}
    wrong = [
        f"{name} {column}: {found.get(name, {}).get(column)!r} instead of {value!r}"
        for name, values in expected.values.items()
        for column, value in values.items()
        if found.get(name, {}).get(column) != value
    ]
    return [f"{len(wrong)} fields hold an older value, for example {wrong[:3]}"] if wrong else []


def check_histories(database: psycopg.Connection[Row], expected: Expected) -> tuple[list[str], list[Row]]:
    """Chains are unbroken, no event has moved a customer twice, no one was moved back, status follows history."""
    rows = select(database, "SELECT * FROM customer_lifecycle_history ORDER BY tenant_id, customer_id, sequence")
    statuses = {
        row["customer_id"]: row
        for row in select(
            database,
            "SELECT s.*, c.external_id, t.slug FROM customer_lifecycle_status s"
            " JOIN lifecycle_customer c ON c.id = s.customer_id JOIN tenants_tenant t ON t.id = s.tenant_id",
        )
    }
    histories: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        histories[row["customer_id"]].append(row)
    wrong = []
    broken = [id_ for id_, history in histories.items() if not _is_unbroken(history)]
    if broken:
        wrong.append(f"{len(broken)} chains are broken, for example {broken[:3]}")
    moved = Counter((row["tenant_id"], row["event_id"]) for row in rows)
    if twice := [key for key, count in moved.items() if count > 1]:
        wrong.append(f"{len(twice)} events have moved a customer twice, for example {twice[:3]}")
    back = sum(
        later["effective_at"] < earlier["effective_at"]
        for history in histories.values()
        for earlier, later in pairwise(history)
    )
    if back:
        wrong.append(f"{back} times a customer was moved by an event older than its stage")
    adrift = [id_ for id_, status in statuses.items() if not _follows(status, histories.get(id_, []))]
    if adrift or statuses.keys() != histories.keys():
        wrong.append(f"{len(adrift)} statuses do not follow from their history, for example {adrift[:3]}")
    stages = {(status["slug"], status["external_id"]): status["stage"] for status in statuses.values()}
    astray = [name for name, stage in expected.stages.items() if stages.get(name) != stage]
    if astray:
        wrong.append(f"{len(astray)} customers are not where their newest event has put them, for example {astray[:3]}")
    return wrong, rows


def _is_unbroken(history: Sequence[Row]) -> bool:
    previous, stage = b"", None
    for number, row in enumerate(history, start=1):
        if (
            row["sequence"] != number
            or row["from_stage"] != stage
            or bytes(row["previous_hash"]) != previous
            or bytes(row["hash"]) != row_hash(row)
        ):
            return False
        previous, stage = bytes(row["hash"]), row["to_stage"]
    return True


def _follows(status: Row, history: Sequence[Row]) -> bool:
    last = history[-1] if history else None
    return last is not None and (status["stage"], status["version"], bytes(status["head_hash"])) == (
        last["to_stage"],
        last["sequence"],
        bytes(last["hash"]),
    )


def check_published(rows: Iterable[Row], messages: Sequence[Any], *, allowed: int) -> tuple[list[str], int]:
    """Every history row went out, in order for each customer; repeated no more often than deaths explain."""
    ids = {str(row["id"]) for row in rows}
    seen: set[str] = set()
    highest: dict[bytes, int] = defaultdict(int)
    disorder = duplicates = 0
    for message in messages:
        data = orjson.loads(message.value())["data"]
        if data["id"] in seen:
            duplicates += 1
            continue
        seen.add(data["id"])
        if data["sequence"] != highest[message.key()] + 1:
            disorder += 1
        highest[message.key()] = data["sequence"]
    wrong = []
    if missing := ids - seen:
        wrong.append(f"{len(missing)} history rows were never published")
    if foreign := seen - ids:
        wrong.append(f"{len(foreign)} published changes are in no history")
    if disorder:
        wrong.append(f"{disorder} changes were published out of their customer's order")
    if duplicates > allowed:
        wrong.append(f"{duplicates} changes were published again; deaths explain {allowed} at most")
    return wrong, duplicates


def check_peace(ids: Sequence[str], messages: Sequence[Any]) -> list[str]:
    """What was changed after the last fault went out exactly once: only one relay leads."""
    counts = Counter(orjson.loads(message.value())["data"]["id"] for message in messages)
    again = [id_ for id_ in ids if counts[id_] != 1]
    return [f"{len(again)} of {len(ids)} changes made in peace did not go out exactly once"] if again else []


def check_poison(
    database: psycopg.Connection[Row],
    poison: Mapping[tuple[str, int, int], Sent],
    messages: Sequence[Any],
) -> tuple[list[str], int]:
    """Each poison message is in the dead-letter topic exactly as it was sent, and once in the table."""
    wrong = []
    arrived: dict[tuple[str, int, int], set[bytes]] = defaultdict(set)
    altered = 0
    for message in messages:
        headers = message.headers() or []
        ours = dict(headers)
        place = (
            ours["dead-letter-topic"].decode(),
            int(ours["dead-letter-partition"]),
            int(ours["dead-letter-offset"]),
        )
        arrived[place].add(ours["dead-letter-id"])
        sent = poison.get(place)
        if sent is not None and (
            message.value() != sent.value
            or message.key() != sent.key
            or headers[: len(sent.headers)] != [tuple(header) for header in sent.headers]
        ):
            altered += 1
    if missing := poison.keys() - arrived.keys():
        wrong.append(f"{len(missing)} poison messages never came to the dead-letter topic, e.g. {sorted(missing)[:3]}")
    if foreign := arrived.keys() - poison.keys():
        wrong.append(f"{len(foreign)} good messages became dead letters, for example {sorted(foreign)[:3]}")
    if altered:
        wrong.append(f"{altered} dead letters are not as they were sent")
    if twice := [place for place, ids in arrived.items() if len(ids) > 1]:
        wrong.append(f"{len(twice)} messages became dead letters twice, for example {twice[:3]}")
    dead_letters = select(database, 'SELECT topic, partition, "offset" FROM lifecycle_deadletter')
    if len(dead_letters) != len(poison):
        wrong.append(f"{len(dead_letters)} dead letters in the table instead of {len(poison)}")
    return wrong, len(messages) - len(arrived)
