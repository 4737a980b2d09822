"""What the clients do, a role each. A step is a request or two; between steps they think."""

import datetime as dt
import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

from confluent_kafka import Producer

from tests.load.clients import Caller, new_key
from tests.load.journal import Journal, Wanted

CALM_STAGE, RISK_STAGE, REASON = "Active", "At-Risk", "Low Engagement"
PASSWORD: Final = "correct horse battery staple"
BATCH: Final = 10
API: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Customer:
    """One that is in one of the two stages between which clients move them."""

    id: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What all clients of a run share."""

    journal: Journal
    customers: Sequence[Customer]
    brokers: str
    tenant: str
    person: str


class Role:
    """One client. ``share``: the customers that no other client of its kind touches."""

    # Of all customers, from and to which share of them: changes of different kinds do not meet.
    part: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, scene: Scene, caller: Caller, share: Sequence[Customer], seed: int) -> None:
        self.scene, self.caller, self.journal = scene, caller, scene.journal
        self.share, self.random, self.turn = share, Random(seed), 0

    def begin(self) -> None:
        """Before the first step."""

    def step(self) -> None:
        """Once."""
        raise NotImplementedError

    def hand_over(self) -> None:
        """After the last: what it still has on its way is taken, and so counts among what is waited for."""

    def end(self) -> None:
        """After all of it was dealt with."""

    def next_customer(self) -> Customer:
        """Its own, one after the other."""
        self.turn += 1
        return self.share[self.turn % len(self.share)]

    def pick_recent(self) -> str:
        """A customer that was changed lately, by anyone, or any."""
        recent = list(self.journal.recent)
        return self.random.choice(recent) if recent else self.random.choice(self.scene.customers).id

    def read_lifecycle(self, customer_id: str) -> Mapping[str, Any] | None:
        """Its stage and version, compared with what is known of it."""
        kind = "GET lifecycle"
        reply = self.caller.ask(kind, "GET", f"{API}/customers/{customer_id}/lifecycle")
        if not reply.is_good:
            return None
        self.journal.show(kind, customer_id, reply.body["version"], reply.began)
        body: Mapping[str, Any] = reply.body
        return body

    def read_summary(self, customer_id: str) -> None:
        """The same of the summary, which is kept in Valkey."""
        kind = "GET summary"
        reply = self.caller.ask(kind, "GET", f"{API}/customers/{customer_id}/lifecycle/summary")
        if reply.is_good:
            self.journal.show(kind, customer_id, reply.body["version"], reply.began)


class Mover(Role):
    """Moves customers to and fro, one at a time, half of them with the version that it has read."""

    part = (0.0, 0.7)

    def step(self) -> None:
        customer = self.next_customer().id
        if self.random.random() < 0.6:
            # Changed a round ago, so that everyone has to see it; and read before that: a copy may be there.
            self.read_summary(customer)
        now = self.read_lifecycle(customer)
        if now is None:
            return
        body = {"stage": CALM_STAGE}
        if now["stage"] != RISK_STAGE:
            body = {"stage": RISK_STAGE, "reason_code": REASON}
        headers = new_key()
        if self.random.random() < 0.5:
            headers["If-Match"] = f'"{now["version"]}"'
        began = time.monotonic()
        reply = self.caller.ask(
            "PATCH lifecycle",
            "PATCH",
            f"{API}/customers/{customer}/lifecycle",
            expected=(409, 412),
            json=body,
            headers=headers,
        )
        if reply.is_good:
            version = int(reply.headers["ETag"].strip('W/"'))
            if version > now["version"]:
                self.journal.confirm(customer, version, body["stage"])
        elif reply.status not in (409, 412):
            self.journal.unknown.append(Wanted(customer, body["stage"], began))


class BulkMover(Role):
    """Moves ten at once."""

    part = (0.7, 0.9)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._stages: dict[str, str] = {}

    def step(self) -> None:
        chosen = [self.next_customer().id for _ in range(min(BATCH, len(self.share)))]
        items = []
        for customer in chosen:
            if customer not in self._stages:
                now = self.read_lifecycle(customer)
                if now is None:
                    return
                self._stages[customer] = now["stage"]
            to_risk = self._stages[customer] != RISK_STAGE
            body = {"stage": RISK_STAGE, "reason_code": REASON} if to_risk else {"stage": CALM_STAGE}
            items.append({"customer_id": customer, **body})
        began = time.monotonic()
        reply = self.caller.ask(
            "POST transitions", "POST", f"{API}/lifecycle/transitions", json={"items": items}, headers=new_key()
        )
        if not reply.is_good:
            self.journal.unknown += [Wanted(item["customer_id"], item["stage"], began) for item in items]
            self._stages.clear()
            return
        for item, result in zip(items, reply.body["results"], strict=True):
            if result["success"] and result["changed"]:
                self.journal.confirm(item["customer_id"], result["version"], item["stage"])
                self._stages[item["customer_id"]] = item["stage"]
            else:
                self._stages.pop(item["customer_id"], None)


class Reader(Role):
    """Reads one customer in one of three ways: mostly one that was changed lately."""

    def step(self) -> None:
        customer = self.pick_recent()
        turn = self.random.randrange(3)
        if turn == 0:
            self.read_lifecycle(customer)
        elif turn == 1:
            self.read_summary(customer)
        else:
            self._read_profile(customer)

    def _read_profile(self, customer: str) -> None:
        kind = "GET customer"
        reply = self.caller.ask(kind, "GET", f"{API}/customers/{customer}")
        if reply.is_good:
            self.journal.show(kind, customer, reply.body["lifecycle"]["version"], reply.began)
            number = read_number(reply.body["company"]["industry"])
            self.journal.show(f"{kind} (industry)", f"industry {reply.body['external_id']}", number, reply.began)


class Lister(Role):
    """Reads lists and totals."""

    def step(self) -> None:
        turn = self.random.randrange(4)
        if turn == 3:
            self.caller.ask("GET totals", "GET", f"{API}/lifecycle/summary")
            return
        kind = "GET list"
        query = "limit=100" if turn else f"limit=100&stage={self.random.choice((CALM_STAGE, RISK_STAGE))}"
        reply = self.caller.ask(kind, "GET", f"{API}/customers?{query}")
        for row in reply.body["results"] if reply.is_good else ():
            self.journal.show(kind, row["id"], row["version"], reply.began)
            self.journal.show(
                f"{kind} (industry)", f"industry {row['external_id']}", read_number(row["industry"]), reply.began
            )


class Putter(Role):
    """Says what a system knows of five customers at once, numbered."""

    def step(self) -> None:
        chosen = [self.next_customer().external_id for _ in range(min(5, len(self.share)))]
        numbers = {one: self.turn * 10 + place for place, one in enumerate(chosen)}
        time_ = dt.datetime.now(dt.UTC).isoformat()
        items = [
            {"external_id": one, "source": "/crm", "time": time_, "industry": f"i{number}"}
            for one, number in numbers.items()
        ]
        reply = self.caller.ask("PUT customers", "PUT", f"{API}/customers", json={"items": items}, headers=new_key())
        if not reply.is_good:
            for one, number in numbers.items():
                self.journal.put_unknown[one].add(number)
            return
        for result in reply.body["results"]:
            one = result["external_id"]
            if result["success"] and result["outcome"] in ("applied", "duplicate", "noop"):
                self.journal.put[one] = numbers[one]
                self.journal.acknowledge(f"industry {one}", numbers[one])
            else:
                self.journal.trouble.append(f"PUT of {one}: {result}"[:300])


class Noter(Role):
    """Writes a note and reads it back a while later; now and then a task, and does it."""

    part = (0.9, 1.0)
    _last: tuple[str, str] | None = None

    def step(self) -> None:
        if self._last is not None:
            customer, note = self._last
            kind = "GET notes"
            reply = self.caller.ask(kind, "GET", f"{API}/customers/{customer}/notes?limit=100")
            if reply.is_good:
                found = any(row["id"] == note for row in reply.body["results"])
                self.journal.show(kind, f"note {note}", int(found), reply.began)
            self._last = None
            return
        if self.random.random() < 0.4:
            self._do_task()
            return
        customer, text = self.next_customer().id, f"load {uuid.uuid4()}"
        reply = self.caller.ask(
            "POST note", "POST", f"{API}/customers/{customer}/notes", json={"text": text}, headers=new_key()
        )
        if reply.is_good:
            self.journal.notes[reply.body["id"]] = text
            self.journal.acknowledge(f"note {reply.body['id']}", 1)
            self._last = customer, reply.body["id"]
        else:
            self.journal.texts_unknown.add(text)

    def _do_task(self) -> None:
        customer, title = self.next_customer().id, f"load {uuid.uuid4()}"
        path = f"{API}/customers/{customer}/tasks"
        reply = self.caller.ask("POST task", "POST", path, json={"title": title}, headers=new_key())
        if not reply.is_good:
            self.journal.texts_unknown.add(title)
            return
        task = reply.body["id"]
        self.journal.tasks[task] = title
        headers = new_key() | {"If-Match": f'"{reply.body["version"]}"'}
        done = self.caller.ask("PATCH task", "PATCH", f"{path}/{task}", json={"done": True}, headers=headers)
        if done.is_good:
            self.journal.tasks_done.add(task)


class Sender(Role):
    """Sends numbered events by Kafka; what the broker has taken has to arrive."""

    def begin(self) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": self.scene.brokers,
                "enable.idempotence": False,
                "max.in.flight.requests.per.connection": 1,
                "linger.ms": 5,
                "log_level": 0,
            }
        )

    def step(self) -> None:
        for _ in range(3):
            customer = self.next_customer()
            event_id, number = uuid.uuid4().hex, self.turn
            event = {
                "specversion": "1.0",
                "id": event_id,
                "source": "/crm",
                "type": "customer.updated",
                "time": dt.datetime.now(dt.UTC).isoformat(),
                "tenantid": self.scene.tenant,
                "data": {"external_id": customer.external_id, "segment": f"s{number}"},
            }
            self._producer.produce(
                "customer.updated",
                json.dumps(event).encode(),
                customer.external_id.encode(),
                on_delivery=lambda error, _, id_=event_id, one=(customer.external_id, number): self._note(
                    error, id_, one
                ),
            )
        self._producer.poll(0)

    def _note(self, error: Any, event_id: str, one: tuple[str, int]) -> None:
        if error is None:
            self.journal.events[event_id] = one
        else:
            self.journal.event_errors += 1

    def hand_over(self) -> None:
        self._producer.flush(30)


class Feeder(Role):
    """Follows the feed of changes from where it was when it began."""

    def begin(self) -> None:
        self.rows: list[tuple[int, str]] = []
        self.journal.feeds.append(self.rows)
        self._after = ""
        while self._read(10):
            pass
        self.rows.clear()

    def step(self) -> None:
        self._read(5)

    def end(self) -> None:
        while self._read(50):
            pass

    def _read(self, pages: int) -> bool:
        for _ in range(pages):
            path = f"{API}/lifecycle/history?limit=200&after={self._after}"
            reply = self.caller.ask("GET feed", "GET", path)
            if not reply.is_good:
                return False
            self.rows += [(row["position"], row["id"]) for row in reply.body["results"]]
            self._after = reply.body["next_cursor"]
            if not reply.body["has_more"]:
                return False
        return True


def read_number(text: str) -> int:
    """Of a numbered value; 0 of one that was there before."""
    return int(text[1:]) if re.fullmatch(r"[is]\d+", text) else 0
