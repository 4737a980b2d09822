"""Journals against the database, the topic, the effects and the feed: what is lost, doubled or out of order."""

import itertools
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, Final

from tests.load.journal import Journal
from tests.load.roles import read_number
from tests.load.world import TENANT, World
from tests.moving.counting import read_topic

# Longer than the lease of an effect whose worker was killed.
SETTLE_SECONDS: Final = 240.0
TENANT_ID: Final = f"(SELECT id FROM tenants_tenant WHERE slug = '{TENANT}')"


@dataclass(slots=True)
class Found:
    """What is wrong, by what it is."""

    lost: list[str]
    doubled: list[str]
    disordered: list[str]
    repeated: int = 0
    counted: str = ""

    @property
    def wrong(self) -> list[str]:
        """All of it."""
        kinds = (("lost", self.lost), ("doubled", self.doubled), ("out of order", self.disordered))
        return [f"{kind}: {sentence}" for kind, found in kinds for sentence in found]


def await_quiet(world: World, journal: Journal, *, seconds: float = SETTLE_SECONDS) -> bool:
    """Until everything that was sent or promised has been dealt with, or for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        known = {
            row[0] for row in world.ask(f"SELECT event_id FROM lifecycle_inboxevent WHERE tenant_id = {TENANT_ID}")
        }
        ((waiting,),) = world.ask(
            "SELECT (SELECT count(*) FROM audit_outbox WHERE published_at IS NULL)"
            f" + (SELECT count(*) FROM lifecycle_effect WHERE tenant_id = {TENANT_ID} AND kind = 'alert'"
            "     AND state IN ('due', 'sending'))"
        )
        if not waiting and journal.events.keys() <= known:
            return True
        world.revive()
        time.sleep(0.3)
    return False


def check(world: World, journal: Journal, *, since: str) -> Found:
    """Everything. ``since``: the database's clock as the load began."""
    found = Found([], [], [])
    rows = world.ask(
        f"SELECT id::text, customer_id::text, sequence, to_stage, changed_by, recorded_at >= '{since}'"
        " FROM customer_lifecycle_history"
        f" WHERE tenant_id = {TENANT_ID} ORDER BY customer_id, sequence"
    )
    _check_changes(world, journal, rows, found)
    _check_texts(world, journal, found)
    _check_values(world, journal, found)
    _check_events(world, journal, found)
    _check_effects(world, found)
    _check_feeds(journal, rows, found)
    _check_topic(world, rows, found)
    found.counted = (
        f"{len(journal.confirmed):,} changes, {len(journal.notes):,} notes, {len(journal.tasks):,} tasks,"
        f" {len(journal.put):,} customers put, {len(journal.events):,} events, {len(rows):,} rows of history,"
        f" {sum(map(len, journal.feeds)):,} rows by feed"
    )
    return found


def _check_changes(world: World, journal: Journal, rows: list[Any], found: Found) -> None:
    there = {(customer, sequence): stage for _, customer, sequence, stage, *_ in rows}
    for (customer, version), stage in journal.confirmed.items():
        if there.get((customer, version)) != stage:
            found.lost.append(
                f"version {version} of {customer} ({stage}) was confirmed: {there.get((customer, version))}"
            )
    ours = {row[0] for row in world.ask("SELECT id::text FROM tenants_user WHERE username LIKE 'load%'")}
    more: Counter[str] = Counter()
    for _, customer, sequence, _, changed_by, _ in rows:
        if changed_by in ours and (customer, sequence) not in journal.confirmed:
            more[customer] += 1
    unknown = Counter(one.customer for one in journal.unknown)
    for customer, count in more.items():
        if count > unknown[customer]:
            found.doubled.append(
                f"{customer} was changed {count} times more than was confirmed, {unknown[customer]} ends are unknown"
            )
    last: dict[str, int] = {}
    for _, customer, sequence, *_ in rows:
        if sequence != last.get(customer, 0) + 1:
            found.disordered.append(f"{customer}: {sequence} follows {last.get(customer, 0)}")
        last[customer] = sequence


def _check_texts(world: World, journal: Journal, found: Found) -> None:
    """Notes and tasks: those that were answered are there, and no more than were asked for."""
    for table, known, what in (
        ("lifecycle_note", journal.notes, "note"),
        ("lifecycle_task", journal.tasks, "task"),
    ):
        rows = world.ask(
            f"SELECT n.id::text FROM {table} n JOIN tenants_user u ON u.id::text = n.created_by"
            f" WHERE n.tenant_id = {TENANT_ID} AND u.username LIKE 'load%'"
        )
        there = {id_ for (id_,) in rows}
        found.lost += [f"{what} {id_}" for id_ in known.keys() - there]
        if len(there - known.keys()) > len(journal.texts_unknown):
            found.doubled.append(
                f"{len(there - known.keys())} {what}s more than were confirmed,"
                f" {len(journal.texts_unknown)} ends are unknown"
            )
    done = {row[0] for row in world.ask("SELECT id::text FROM lifecycle_task WHERE done_at IS NOT NULL")}
    found.lost += [f"task {id_} was done" for id_ in journal.tasks_done - done]


def _check_values(world: World, journal: Journal, found: Found) -> None:
    rows = dict(world.ask(f"SELECT external_id, industry FROM lifecycle_customer WHERE tenant_id = {TENANT_ID}"))
    for external_id, number in journal.put.items():
        value = read_number(rows[external_id])
        if value != number and value not in journal.put_unknown[external_id]:
            found.lost.append(f"PUT {number} of {external_id} was confirmed, and {rows[external_id]} is there")


def _check_events(world: World, journal: Journal, found: Found) -> None:
    rows = world.ask(f"SELECT event_id, outcome FROM lifecycle_inboxevent WHERE tenant_id = {TENANT_ID}")
    counts = Counter(event_id for event_id, _ in rows)
    missing = [id_ for id_ in journal.events if not counts[id_]]
    if missing:
        found.lost.append(f"{len(missing)} of {len(journal.events)} events, the first is {missing[0]}")
    doubled = [id_ for id_ in journal.events if counts[id_] > 1]
    if doubled:
        found.doubled.append(f"{len(doubled)} events were dealt with twice")
    dead = [id_ for id_, outcome in rows if id_ in journal.events and outcome in ("dead", "parked")]
    if dead:
        found.lost.append(f"{len(dead)} events are dead or parked")
    last: dict[str, int] = {}
    for external_id, number in journal.events.values():
        last[external_id] = max(number, last.get(external_id, 0))
    known = dict(world.ask(f"SELECT external_id, segment FROM lifecycle_customer WHERE tenant_id = {TENANT_ID}"))
    older = [one for one, number in last.items() if read_number(known[one]) < number]
    if older:
        found.lost.append(f"{len(older)} customers do not have their last event, the first is {older[0]}")


def _check_effects(world: World, found: Found) -> None:
    ((planned, ended, notified, distinct),) = world.ask(
        "SELECT count(*), count(*) FILTER (WHERE state IN ('done', 'suppressed', 'held', 'cancelled')),"
        f" (SELECT count(*) FROM lifecycle_notification WHERE tenant_id = {TENANT_ID}),"
        f" (SELECT count(DISTINCT (effect_id, user_id)) FROM lifecycle_notification WHERE tenant_id = {TENANT_ID})"
        f" FROM lifecycle_effect WHERE tenant_id = {TENANT_ID} AND kind = 'alert'"
    )
    if ended < planned:
        found.lost.append(f"{planned - ended} of {planned} alerts")
    if notified != distinct:
        found.doubled.append(f"{notified - distinct} notifications")


def _check_feeds(journal: Journal, rows: list[Any], found: Found) -> None:
    everything = {row[0] for row in rows}
    for number, feed in enumerate(journal.feeds):
        positions = [position for position, _ in feed]
        if any(later != earlier + 1 for earlier, later in itertools.pairwise(positions)):
            found.disordered.append(f"feed {number} has gaps or repeats itself")
        ids = [id_ for _, id_ in feed]
        if len(set(ids)) != len(ids):
            found.doubled.append(f"feed {number}: {len(ids) - len(set(ids))} changes came twice")
        if foreign := set(ids) - everything:
            found.doubled.append(f"feed {number}: {len(foreign)} changes that do not exist")
        confirmed = set(journal.confirmed)
        known = {(customer, sequence): id_ for id_, customer, sequence, *_ in rows}
        missing = [known[key] for key in confirmed if key in known and known[key] not in set(ids)] if feed else []
        if missing:
            found.lost.append(f"feed {number}: {len(missing)} confirmed changes never came")


def _check_topic(world: World, rows: list[Any], found: Found) -> None:
    times: Counter[str] = Counter()
    last: dict[str, int] = defaultdict(int)
    fresh = [row[0] for row in rows if row[-1]]
    left = set(fresh)
    for message in read_topic(world.services.env["KAFKA_BOOTSTRAP_SERVERS"], is_whole=lambda: not left):
        data = message["data"]
        times[data["id"]] += 1
        left.discard(data["id"])
        if times[data["id"]] == 1:
            if data["sequence"] <= last[data["customer_id"]]:
                found.disordered.append(
                    f"published of {data['customer_id']}: {data['sequence']} after {last[data['customer_id']]}"
                )
            last[data["customer_id"]] = data["sequence"]
    missing = [id_ for id_ in fresh if not times[id_]]
    if missing:
        known = world.ask(
            "SELECT h.customer_id::text, h.sequence, h.recorded_at::text, o.id::text, o.published_at::text"
            " FROM customer_lifecycle_history h LEFT JOIN audit_outbox o ON o.history_id = h.id"
            f" WHERE h.id = '{missing[0]}'"
        )
        found.lost.append(f"{len(missing)} of {len(fresh)} changes were never published, the first is {known}")
    found.repeated = sum(count - 1 for count in times.values())
