"""The run: send the load, inject the faults, wait until everything is quiet, and count."""

import argparse
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from psycopg.rows import dict_row

from lifecycle.rules.schemas import TYPES
from local import signals
from tests.messaging.chaos.load import CONFIGURATION, STAGES, Expected, Sent, make_load
from tests.messaging.chaos.mutants import MUTANTS
from tests.messaging.chaos.running import say, try_mutants
from tests.messaging.chaos.world import GROUP, Post, World, Zygote, build_world
from tests.messaging.chaos.zygote import POINTS

SETTLE_SECONDS = 300.0
# Longer than a busy machine needs to answer.
READ_SECONDS = 120.0
# A relay that dies has this many messages on their way at most.
WINDOW = 2000
# Changes that are made when all is calm again.
PEACEFUL = 100


def main() -> int:
    """Exit status 0 only if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.messaging.chaos")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=30, help="at least so many, of consumers and relays together")
    parser.add_argument("--seconds", type=float, default=120.0, help="over which the events are sent")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="half a minute, for the test suite")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default="", help="make this mistake; the run must fail")
    parser.add_argument("--mutants", action="store_true", help="a quick run with each mistake; each must fail")
    parser.add_argument("--kafka", action="store_true", help="on three brokers of Apache Kafka, which are killed too")
    parser.add_argument("--keep-logs", help="copy the workers' logs into this folder")
    options = parser.parse_args()
    if options.mutants:
        more = ["--kafka"] if options.kafka else []
        return try_mutants("tests.messaging.chaos", MUTANTS, seed=options.seed, more=more)
    if options.quick:
        options.events, options.customers, options.kills, options.seconds = 3_000, 300, 8, 14.0
    with build_world(kafka=options.kafka) as world:
        os.environ.update(world.env, **world.direct)
        try:
            wrong = Run(world, options).go()
        finally:
            if options.keep_logs:
                import shutil

                shutil.copytree(world.logs, options.keep_logs, dirs_exist_ok=True)
    for sentence in wrong:
        say(f"WRONG: {sentence}")
    say("chaos: everything is as it must be" if not wrong else f"chaos: {len(wrong)} things are wrong")
    return 1 if wrong else 0


class Run:
    """One run."""

    def __init__(self, world: World, options: argparse.Namespace) -> None:
        self.world = world
        self.options = options
        self.random = Random(options.seed)
        self.injected: Counter[str] = Counter()
        self.poison_places: dict[tuple[str, int, int], Sent] = {}
        self.ends: Counter[tuple[str, int]] = Counter()
        self.sending_failed: list[Any] = []
        self.sent_all = threading.Event()

    def go(self) -> list[str]:
        """Everything, in order; what is wrong."""
        tenants = self._prepare()
        load, poison, expected = make_load(
            tenants, events=self.options.events, customers=self.options.customers, seed=self.options.seed
        )
        say(
            f"{len(load):,} messages: {len(expected.events):,} events for {self.options.customers:,} customers of"
            f" {len(tenants)} tenants, {expected.duplicates:,} duplicates, {expected.late:,} late,"
            f" {len(poison):,} poison"
        )
        zygote = Zygote(self.world)
        try:
            began = time.monotonic()
            posts = self._man(zygote)
            sender = threading.Thread(target=self._send, args=(load,), daemon=True)
            sender.start()
            self._inject(posts)
            sender.join()
            self._calm(posts)
            self._survey(poison)
            settled = self._await_quiet(expected)
            say(f"quiet after {time.monotonic() - began:.0f} s" if settled else "never quiet")
            peaceful = self._move_in_peace() if settled else []
            statuses = {post.name: post.kill(signal.SIGTERM) for post in posts if post.pid}
        finally:
            zygote.end()
        for kind, count in sorted(self.injected.items()):
            say(f"  injected {count:4}  {kind}")
        return self._count(expected, statuses, settled, peaceful)

    def _prepare(self) -> list[str]:
        import django

        django.setup()
        from django.core.management import call_command
        from django.utils import timezone

        from lifecycle.messaging.clients import ensure_topics
        from lifecycle.services.configuration.publication import publish_configuration
        from tenants.actors import system_actor
        from tenants.context import tenant_context
        from tenants.services.accounts.people import create_tenant

        call_command("provision_database", verbosity=0)
        call_command("migrate", verbosity=0)
        slugs = ["acme", "globex"]
        for slug in slugs:
            tenant = create_tenant(slug=slug, name=slug, actor=system_actor("chaos"), now=timezone.now())
            with tenant_context(tenant.id):
                publish_configuration(CONFIGURATION, tenant=tenant, actor=system_actor("chaos"), now=timezone.now())
        ensure_topics([*TYPES, "audit.lifecycle.updated", "lifecycle.dead-letter"])
        return slugs

    def _move_in_peace(self) -> list[str]:
        """Now that no one dies any more, each change goes out exactly once: the ids of some, after they have."""
        from django.db import connections
        from django.utils import timezone

        from lifecycle.rules.transitions import Change
        from lifecycle.services.customers.recording import CustomerFacts, record_customers
        from lifecycle.services.transitions.apply import Call, apply
        from tenants.actors import system_actor
        from tenants.context import tenant_context
        from tenants.services.directory import find_tenant

        facts = CustomerFacts(external_id="peace", source="/crm", occurred_at=timezone.now(), event_id="peace-0")
        ids = []
        # Ours were opened before the database was restarted.
        connections.close_all()
        tenant, actor = find_tenant("acme"), system_actor("chaos")
        assert tenant is not None
        with tenant_context(tenant.id):
            (made,) = record_customers(
                [facts], tenant=tenant, actor=actor, source="Import", now=timezone.now(), create=True
            )
        for number in range(1, PEACEFUL + 1):
            change = Change(made.customer_id, STAGES[number % len(STAGES)], event_id=f"peace-{number}")  # type: ignore[arg-type]
            with tenant_context(tenant.id):
                (outcome,) = apply(Call(tenant, actor, "API", timezone.now()), [change])
            ids.append(str(outcome.history_id))
            time.sleep(0.005)
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._connect() as database:
            while time.monotonic() < deadline:
                if not database.execute("SELECT FROM audit_outbox WHERE published_at IS NULL LIMIT 1").fetchall():
                    break
                signals.pause(0.3)
        return ids

    def _man(self, zygote: Zygote) -> list[Post]:
        mutant = self.options.mutant
        consume = ("consume_events", "--group", GROUP, "--batch-size", "100")
        posts = [
            Post(zygote, "consumer-1", *consume, mutant=mutant),
            Post(zygote, "consumer-2", *consume, mutant=mutant),
            Post(zygote, "relay-1", "relay_events", mutant=mutant),
            Post(zygote, "relay-2", "relay_events", mutant=mutant),
            # Joins and leaves.
            Post(zygote, "consumer-3", *consume, mutant=mutant),
        ]
        for post in posts[:4]:
            post.man()
        return posts

    def _send(self, load: list[Sent]) -> None:
        """Send everything, evenly over the time, in order for each key."""
        producer = Producer(
            {
                "bootstrap.servers": self.world.env["KAFKA_BOOTSTRAP_SERVERS"],
                # The embedded broker forgets to answer when an idempotent producer repeats itself. One request at a
                # time keeps the order; what is appended twice is one more duplicate.
                "enable.idempotence": self.world.kafka is not None,
                "max.in.flight.requests.per.connection": 1,
                "acks": "all",
                "message.timeout.ms": 0,
                "message.max.bytes": 8_000_000,
                "linger.ms": 5,
                "log_level": 0,
            }
        )
        began = time.monotonic()

        def note(error: Any, _: Any) -> None:
            if error is not None:
                self.sending_failed.append(error)

        for number, one in enumerate(load):
            due = began + self.options.seconds * number / len(load)
            if (ahead := due - time.monotonic()) > 0.01:
                time.sleep(ahead)
            producer.produce(one.topic, one.value, one.key, headers=list(one.headers), on_delivery=note)
            producer.poll(0)
        while producer.flush(5):
            pass
        self.sent_all.set()

    # --- faults -----------------------------------------------------------------------------------------------

    def _inject(self, posts: list[Post]) -> None:
        """One fault after another, in an order of chance, until all are sent and enough have been killed."""
        consumers, relays, guest = posts[:2], posts[2:4], posts[4]
        rare = [self._restart_postgresql, self._crash_postgresql, self._cut_database, self._stall_database]
        away = [self._cut_broker, self._lose_broker]
        if self.world.kafka is not None:
            away = [self._kill_kafka, self._freeze_kafka]
            rare += [] if self.options.quick else [self._restart_kafka, self._elect_leaders]
        rare += [*away, lambda: self._join_and_leave(guest), lambda: self._silence_relays(relays)]
        self.random.shuffle(rare)
        if self.options.quick:
            rare = [
                self._crash_postgresql,
                self._cut_database,
                away[1],
                lambda: self._join_and_leave(guest),
                away[0],
                lambda: self._silence_relays(relays),
            ]
        queue = list(rare)
        pause = self.options.seconds / (self.options.kills + 3 * len(rare))
        kills = turn = 0
        while kills < self.options.kills or not self.sent_all.is_set() or queue:
            post = self.random.choice(consumers + relays)
            kills += self._kill(post)
            time.sleep(self.random.uniform(0.5, 1.5) * pause)
            kills += self._replace_the_dead(consumers + relays)
            signals.check()
            turn += 1
            self._begin_period("lifecycle_inboxevent" if turn % 2 else "audit_outbox")
            if turn % 4 == 0:
                if queue:
                    queue.pop()()
                elif not self.options.quick and not self.sent_all.is_set():
                    queue = list(rare)
        self.injected["kills altogether"] = kills

    def _kill(self, post: Post) -> int:
        """Kill a worker, or let it run into a fuse that was lit when it was started."""
        if not post.is_alive():
            return 0
        if post.fuse is not None and self.random.random() < 0.7:
            return 0
        post.kill()
        self.injected[f"kill -9 of a {post.name[:-2]} at a random moment"] += 1
        self._restart(post)
        return 1

    def _replace_the_dead(self, posts: list[Post]) -> int:
        count = 0
        for post in posts:
            if post.pid and not post.is_alive():
                status = post.wait()
                if status == -signal.SIGKILL and post.fuse is not None:
                    self.injected[f"kill -9 at: {post.fuse[0]}"] += 1
                    count += 1
                else:
                    self.injected[f"{post.name} ended by itself with status {status}"] += 1
                self._restart(post)
        return count

    def _restart(self, post: Post) -> None:
        kind = post.name[:-2]
        points = [point for point in POINTS if point.startswith(kind)]
        fuse = (self.random.choice(points), self.random.randrange(1, 12)) if self.random.random() < 0.7 else None
        post.man(fuse)

    def _begin_period(self, table: str) -> None:
        """Between two batches, whichever they are: what was filed before is known and published all the same."""
        try:
            with self._connect() as database:
                database.execute("SET ROLE c360_owner")
                database.execute("SET lock_timeout = '2s'")
                database.execute("SELECT begin_period(%s, clock_timestamp())", [table])
        except psycopg.Error:
            self.injected["no period begins while something holds the table, or nothing is there"] += 1
        else:
            self.injected[f"a period of {table} begins"] += 1

    def _restart_postgresql(self) -> None:
        self.world.restart_postgresql(crash=False)
        self.injected["restart of PostgreSQL"] += 1

    def _crash_postgresql(self) -> None:
        self.world.restart_postgresql(crash=True)
        self.injected["crash of PostgreSQL"] += 1

    def _cut_database(self) -> None:
        for _ in range(5):
            self.injected["database connections cut"] += self.world.database.cut()
            time.sleep(0.3)

    def _stall_database(self) -> None:
        self.world.database.stall(3)
        self.injected["database silent for 3 s"] += 1

    def _cut_broker(self) -> None:
        assert self.world.broker is not None
        for _ in range(3):
            self.injected["broker connections cut"] += self.world.broker.cut()
            time.sleep(0.5)

    def _lose_broker(self) -> None:
        assert self.world.broker is not None
        seconds = 3.0 if self.options.quick else 8.0
        self.world.broker.refuse(seconds)
        self.injected[f"broker away for {seconds:.0f} s"] += 1

    def _kill_kafka(self) -> None:
        """One of the brokers, and only when the others are whole: what two of three have is safe."""
        self._stop_kafka(signal.SIGKILL)
        self.injected["Kafka: kill -9 of a broker"] += 1

    def _restart_kafka(self) -> None:
        """In order, which moves the partitions that it leads first."""
        self._stop_kafka(signal.SIGTERM)
        self.injected["Kafka: restart of a broker"] += 1

    def _stop_kafka(self, signum: int) -> None:
        brokers = self.world.kafka
        assert brokers is not None
        brokers.make_whole()
        number = self.random.choice(brokers.numbers)
        brokers.stop(number, signum=signum)
        # Long enough to be missed.
        time.sleep(4.0)
        brokers.start(number)

    def _freeze_kafka(self) -> None:
        """All of them stand still, and then go on as if nothing had been."""
        assert self.world.kafka is not None
        seconds = 3.0 if self.options.quick else 8.0
        self.world.kafka.freeze(seconds)
        self.injected[f"Kafka: all brokers silent for {seconds:.0f} s"] += 1

    def _elect_leaders(self) -> None:
        """Have every partition led where it was at first."""
        assert self.world.kafka is not None
        self.world.kafka.make_whole()
        self.world.kafka.elect_all_preferred()
        self.injected["Kafka: leaders elected"] += 1

    def _join_and_leave(self, guest: Post) -> None:
        guest.man()
        time.sleep(2.5)
        if self.world.kafka is None:
            # The embedded broker goes on to take a member that left while the group was forming for its leader, and
            # waits for that one's assignments for ever: what no one had then is never read. Who dies is forgotten.
            guest.kill()
            self.injected["consumer joined and died"] += 1
        else:
            status = guest.kill(signal.SIGTERM)
            self.injected[f"consumer joined and left (status {status})"] += 1
        guest.pid = 0

    def _silence_relays(self, relays: list[Post]) -> None:
        for relay in relays:
            relay.kill()
        time.sleep(2.0 if self.options.quick else 10.0)
        self.injected["no relay for a while: the outbox grows"] += 1
        for relay in relays:
            relay.man()

    def _calm(self, posts: list[Post]) -> None:
        """No more faults: workers without fuses."""
        if self.world.kafka is not None:
            self.world.kafka.make_whole()
        for post in posts[:4]:
            if not post.is_alive():
                post.wait()
                post.man()
            elif post.fuse is not None:
                post.kill()
                post.man()

    # --- counting ---------------------------------------------------------------------------------------------

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        url = self.world.direct["DATABASE_ADMIN_URL"].rpartition("/")[0] + "/c360"
        return psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def _await_quiet(self, expected: Expected) -> bool:
        """Wait until everything has been dealt with and published, or for too long."""
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._connect() as database:
            while time.monotonic() < deadline:
                row = database.execute(
                    "SELECT (SELECT count(*) FROM lifecycle_inboxevent WHERE outcome <> 'parked') AS done,"
                    " (SELECT count(*) FROM lifecycle_parkedevent) AS parked,"
                    " (SELECT count(*) FROM audit_outbox WHERE published_at IS NULL) AS pending"
                ).fetchone()
                assert row is not None
                done = (
                    row["done"] >= len(expected.events) + len(self.poison_places)
                    and not row["parked"]
                    and not row["pending"]
                )
                if done and self._lag() == 0:
                    # What is dealt with twice would come now.
                    time.sleep(2)
                    return True
                signals.pause(0.3)
            say(f"still: {row}")
        return False

    def _count(self, expected: Expected, statuses: dict[str, int], settled: bool, peaceful: Sequence[str]) -> list[str]:
        from tests.messaging.chaos import checks

        wrong = [] if settled else [f"not everything was done after {SETTLE_SECONDS:.0f} s"]
        wrong += [f"{name} ended with status {status}" for name, status in statuses.items() if status != 0]
        wrong += [f"{kind}: {count}" for kind, count in self.injected.items() if "ended by itself" in kind]
        if self.sending_failed:
            wrong.append(f"{len(self.sending_failed)} messages could not be sent at all: {self.sending_failed[0]}")
        audit, dead_letters = self._read(["audit.lifecycle.updated"]), self._read(["lifecycle.dead-letter"])
        deaths = sum(count for kind, count in self.injected.items() if "relay" in kind and "kill" in kind)
        upsets = deaths + sum(
            count
            for kind, count in self.injected.items()
            if "PostgreSQL" in kind or "database" in kind or "Kafka" in kind
        )
        with self._connect() as database:
            wrong += checks.check_inbox(database, expected)
            wrong += checks.check_values(database, expected)
            found, rows = checks.check_histories(database, expected)
            wrong += found
            found, repeated = checks.check_published(rows, audit, allowed=upsets * WINDOW)
            wrong += found
            wrong += checks.check_peace(peaceful, audit)
            found, stored_again = checks.check_poison(database, self.poison_places, dead_letters)
            wrong += found
            outcomes = checks.select(
                database, "SELECT outcome, count(*) FROM lifecycle_inboxevent GROUP BY 1 ORDER BY 1"
            )
            unpublished = checks.select(database, "SELECT count(*) FROM audit_outbox WHERE published_at IS NULL")
        say("  counted  " + ", ".join(f"{row['count']:,} {row['outcome']}" for row in outcomes))
        say(
            f"  counted  {len(rows):,} history rows, {len(audit):,} published ({repeated:,} again),"
            f" {len(self.poison_places):,} poison, {len(dead_letters):,} dead letters published"
            f" ({stored_again:,} again), {unpublished[0]['count']:,} pending, lag {self._lag():,}"
        )
        return wrong

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.world.env["KAFKA_BOOTSTRAP_SERVERS"],
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )

    def _read(self, topics: Sequence[str]) -> list[Any]:
        """Every message of some topics, those of a partition in the order of its log."""
        consumer = self._consumer(uuid4().hex)
        known = consumer.list_topics(timeout=READ_SECONDS).topics
        places = [(topic, number) for topic in topics for number in known[topic].partitions]
        ends = {place: self._find_end(consumer, place) for place in places}
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in places])
        at = dict.fromkeys(places, 0)
        messages: list[Any] = []
        # What the embedded broker says is the least, and silence after that is the end; before, it is a busy machine.
        silence = 2.0 if self.world.kafka is None else 0.0
        heard_at = time.monotonic()
        while (quiet := time.monotonic() - heard_at) < READ_SECONDS:
            if quiet >= silence and all(at[place] >= end for place, end in ends.items()):
                break
            for message in consumer.consume(1000, 0.2):
                place = (message.topic(), message.partition())
                if message.error() is None:
                    messages.append(message)
                    at[place] = message.offset() + 1
                    heard_at = time.monotonic()
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    # Behind the marks of transactions, which have offsets and are no messages.
                    at[place] = message.offset()
        consumer.close()
        return messages

    def _find_end(self, consumer: Consumer, place: tuple[str, int]) -> int:
        _, end = consumer.get_watermark_offsets(TopicPartition(*place), timeout=READ_SECONDS)
        return int(end)

    def _survey(self, poison: list[Sent]) -> None:
        """What is really in the log: a message may have been appended twice when its acknowledgement was lost."""
        numbered = {dict(one.headers)["number"]: one for one in poison}
        for message in self._read(list(TYPES)):
            place = (message.topic(), message.partition())
            self.ends[place] = max(self.ends[place], message.offset() + 1)
            number = dict(message.headers() or ()).get("number")
            if number is not None:
                self.poison_places[(*place, message.offset())] = numbered[number]

    def _lag(self) -> int:
        """Messages that the group has not committed, by what was really produced; -1 when the broker is silent."""
        consumer = self._consumer(GROUP)
        try:
            places = consumer.committed([TopicPartition(*place) for place in self.ends], timeout=10)
        except KafkaException:
            return -1
        finally:
            consumer.close()
        return sum(self.ends[place.topic, place.partition] - max(place.offset, 0) for place in places)


if __name__ == "__main__":
    sys.exit(main())
