"""The published documents are what the code does: schemas, AsyncAPI, the page on alarms, samples."""

import re
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import yaml
from confluent_kafka import KafkaError
from django.conf import settings
from django.core.management import CommandError, call_command
from prometheus_client.metrics import MetricWrapperBase

from audit.services.recording import TOPIC as LIFECYCLE_TOPIC
from lifecycle.management.commands import send_event
from lifecycle.management.stopping import StopRequest
from lifecycle.messaging import describing, metrics, sending
from lifecycle.messaging.announcements import announce
from lifecycle.messaging.clients import KafkaException
from lifecycle.messaging.sending import MOST_WAITING, EventSender, encode
from lifecycle.rules.envelopes import Event, Invalid, Message, read_event
from lifecycle.rules.schemas import FOLDER, TYPES, load_schema
from lifecycle.sentences import say
from lifecycle.services.events.dead_letters import TOPIC as DEAD_LETTER_TOPIC
from lifecycle.services.events.outbox import HISTORY_COLUMNS, Pending
from lifecycle.services.events.samples import Subject, envelope, pick_event, sample_data
from tenants.context import tenant_context
from tenants.rules.configuration.effect_kinds import TOPICS
from tenants.rules.configuration.events import event_types
from tests.late import Late
from tests.messaging.speaking import NOON, Speaker, outcomes

jsonschema = Late("jsonschema")

EVENTS = Path(settings.BASE_DIR) / "docs" / "events"


@pytest.fixture(scope="module")
def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EVENTS / "asyncapi.yaml").read_text())
    return document


def resolve(document: Any, root: dict[str, Any]) -> Any:
    """The document with its references followed, within itself and into files."""
    if isinstance(document, list):
        return [resolve(item, root) for item in document]
    if not isinstance(document, dict):
        return document
    reference = document.get("$ref")
    if reference is None:
        return {name: resolve(value, root) for name, value in document.items()}
    if reference.startswith("#/"):
        found: Any = root
        for step in reference[2:].split("/"):
            found = found[step]
        return resolve(found, root)
    return orjson.loads((EVENTS / reference).read_bytes())


def test_every_topic_is_a_channel_and_every_channel_a_topic(asyncapi: dict[str, Any]) -> None:
    addresses = {channel["address"] for channel in asyncapi["channels"].values()}
    assert addresses == {*TYPES, *TOPICS, LIFECYCLE_TOPIC, DEAD_LETTER_TOPIC}


def test_what_is_consumed_is_received_and_what_is_published_is_sent(asyncapi: dict[str, Any]) -> None:
    actions = {
        resolve(operation["channel"], asyncapi)["address"]: operation["action"]
        for operation in asyncapi["operations"].values()
    }
    sent = dict.fromkeys((*TOPICS, LIFECYCLE_TOPIC, DEAD_LETTER_TOPIC), "send")
    assert actions == {**dict.fromkeys(TYPES, "receive"), **sent}


def test_every_reference_leads_somewhere(asyncapi: dict[str, Any]) -> None:
    resolve(asyncapi, asyncapi)
    text = (EVENTS / "asyncapi.yaml").read_text()
    assert {Path(name).name for name in re.findall(r"\.\./lifecycle/rules/schemas/\S+", text)} == {
        path.name for path in FOLDER.glob("*.json")
    }


def test_the_generated_files_are_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = StringIO()
    call_command("describe_events", "--check", stdout=output)
    assert output.getvalue() == "Everything is up to date.\n"
    stale = tmp_path / "asyncapi.yaml"
    stale.write_bytes(describing.ASYNCAPI.read_bytes().replace(b"From /billing", b"From anybody"))
    monkeypatch.setattr(describing, "ASYNCAPI", stale)
    with pytest.raises(CommandError, match=r"^Out of date: asyncapi\.yaml\. Run manage\.py describe_events\.$"):
        call_command("describe_events", "--check")
    assert b"From anybody" in stale.read_bytes()


def test_every_example_is_valid_by_schema_and_by_the_consumer(asyncapi: dict[str, Any]) -> None:
    examples = 0
    for name, message in resolve(asyncapi["components"]["messages"], asyncapi).items():
        for example in message.get("examples", []):
            if name == DEAD_LETTER_TOPIC:
                continue
            examples += 1
            jsonschema.validate(example["payload"], message["payload"]["schema"])
            if name in TYPES:
                assert isinstance(read_event(encode(example["payload"])), Event), name
    assert examples == len(TYPES) + len(TOPICS) + 1


def test_the_example_of_a_dead_letter_is_one(asyncapi: dict[str, Any]) -> None:
    """Its bytes are refused for just the reason that its headers give."""
    letter = asyncapi["components"]["messages"][DEAD_LETTER_TOPIC]
    (example,) = letter["examples"]
    headers = example["headers"]
    jsonschema.validate(headers, letter["headers"])
    given = (("content-type", headers["content-type"].encode()),)
    error = read_event(Message(headers["dead-letter-topic"], 0, 7, b"C-1001", example["payload"].encode(), given))
    assert isinstance(error, Invalid)
    assert (error.code, say(error.reason)) == (headers["dead-letter-code"], headers["dead-letter-sentence"])


def test_every_schema_is_a_schema_and_names_itself() -> None:
    for path in FOLDER.glob("*.json"):
        schema = orjson.loads(path.read_bytes())
        jsonschema.Draft7Validator.check_schema(schema)
        name, version = re.fullmatch(r"(.+)\.v(\d+)\.json", path.name).groups()  # type: ignore[union-attr]
        assert schema["$id"] == f"urn:customer360:schema:{name}:{version}"


def test_rules_can_speak_of_every_type_of_event() -> None:
    assert event_types() == TYPES


def test_what_is_published_fits_its_schema() -> None:
    row = {
        **dict.fromkeys(HISTORY_COLUMNS, "0195a3f1-8d2e-7c44-9b1a-2f6f0a1b2c3d"),
        "sequence": 1,
        "configuration_version": 1,
        "actor_kind": "user",
        "from_stage": None,
        "source": "UI",
        **dict.fromkeys(("changed_at", "effective_at", "recorded_at"), NOON),
    }
    value, _ = announce(Pending(1, NOON, None, LIFECYCLE_TOPIC, b"k", None, (), NOON, row), tenant="acme")
    document = orjson.loads(value or b"")
    jsonschema.validate(document, load_schema("envelope"))
    jsonschema.validate(document["data"], load_schema(LIFECYCLE_TOPIC))


def test_the_headers_of_a_dead_letter_are_described(acme: Speaker, asyncapi: dict[str, Any]) -> None:
    acme.hear(acme.created("c\0"))
    (row,) = acme.outbox(DEAD_LETTER_TOPIC)
    headers = {name for name, _ in row.headers}
    described = asyncapi["components"]["messages"][DEAD_LETTER_TOPIC]["headers"]
    assert set(described["required"]) == headers
    assert headers < set(described["properties"])


def test_the_page_on_operation_tells_of_every_metric() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
    names = {
        metric._name + ("_total" if metric._type == "counter" else "")
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    }
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}" not in page] == []


# --- samples ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", list(TYPES))
@pytest.mark.parametrize("binary", [False, True])
def test_samples_are_valid(event_type: str, binary: bool) -> None:
    for seed in range(50):
        data = sample_data(event_type, Subject("C-1"), random=Random(seed), now=NOON)
        message = encode(envelope(event_type, data, tenant="acme", now=NOON), binary=binary)
        event = read_event(message)
        assert isinstance(event, Event), event
        assert (event.external_id, event.type, message.key) == ("C-1", event_type, b"C-1")


def test_the_stream_speaks_of_customers_that_exist(acme: Speaker) -> None:
    acme.hear(*[acme.created(f"c{number}") for number in range(5)])
    random = Random(7)
    seen = set()
    with tenant_context(acme.tenant.id):
        documents = [pick_event(acme.tenant, random=random, now=NOON) for _ in range(60)]
    for document in documents:
        assert document is not None
        event = read_event(encode(document))
        assert isinstance(event, Event), event
        seen.add(event.type)
        if event.type != "customer.created":
            assert event.external_id in {f"c{number}" for number in range(5)}
        from lifecycle.rules.envelopes import receive

        assert outcomes(acme.hear(receive(encode(document)))) != ["dead"]
    assert "customer.updated" in seen


def test_a_tenant_without_customers_has_nothing_to_tell(acme: Speaker) -> None:
    with tenant_context(acme.tenant.id):
        assert pick_event(acme.tenant, random=Random(1), now=NOON) is None


def printed(*arguments: str) -> list[Any]:
    output = StringIO()
    call_command("send_event", *arguments, "--print", stdout=output)
    return [orjson.loads(line) for line in output.getvalue().splitlines()]


def test_the_command_prints_a_sample() -> None:
    (document,) = printed("support.issue.closed", "--tenant", "acme", "--customer", "C-7", "--data", '{"csat": 1}')
    assert (document["type"], document["tenantid"], document["data"]["external_id"]) == (
        "support.issue.closed",
        "acme",
        "C-7",
    )
    assert document["data"]["csat"] == 1


def test_the_command_refuses_what_would_be_dead(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Name the tenant"):
        call_command("send_event", "customer.created")
    with pytest.raises(CommandError, match="Name a type"):
        call_command("send_event")
    with pytest.raises(CommandError, match=r"invalid_data: data\.csat must be from 0 to 5"):
        call_command("send_event", "support.issue.closed", "--tenant", "acme", "--data", '{"csat": 9}')
    events = tmp_path / "events.ndjson"
    events.write_text("\n{not json\n")
    for options in ([], ["--print"]):
        errors = StringIO()
        with pytest.raises(CommandError, match=r"^1 invalid line was not sent; see above\.$"):
            call_command("send_event", "--file", str(events), *options, stdout=StringIO(), stderr=errors)
        assert errors.getvalue().startswith("line 2: it is not JSON: ")
    with pytest.raises(CommandError, match="--data: it is not JSON"):
        call_command("send_event", "customer.created", "--tenant", "acme", "--data", "{")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("send_event", "--file", str(tmp_path / "nothing"))


def test_a_file_that_is_stopped_in_the_middle_is_not_said_to_be_sent(
    acme: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = StopRequest()

    class Stopping(StringIO):
        """Asked to end as soon as one event is out."""

        def write(self, text: str) -> int:
            request.set()
            return super().write(text)

    monkeypatch.setattr(send_event, "stop_on_signals", lambda: nullcontext(request))
    events = tmp_path / "events.ndjson"
    lines = [orjson.dumps(acme.document("customer.created", name, name="A")) for name in ("c1", "c2", "c3")]
    events.write_bytes(b"\n".join([lines[0], b"", *lines[1:], b""]))
    output = Stopping()
    with pytest.raises(CommandError, match=r"^Stopped before line 3: what comes from there on was not sent\.$"):
        call_command("send_event", "--file", str(events), "--print", stdout=output)
    assert len(output.getvalue().splitlines()) == 1
    # Asked to end after the last one: all is sent.
    request = StopRequest()
    events.write_bytes(lines[0] + b"\n\n")
    call_command("send_event", "--file", str(events), "--print", stdout=Stopping())


@pytest.mark.parametrize("option", ["--tenant", "--customer", "--data", "--source", "--topic"])
@pytest.mark.parametrize(
    ("text", "why"), [("a\udcff", r"a\\udcff is not UTF-8"), ("a\x00", "contains the character NUL")]
)
def test_the_command_refuses_what_no_event_can_carry(option: str, text: str, why: str) -> None:
    with pytest.raises(CommandError, match=f"argument {option}: .*{why}"):
        call_command("send_event", "customer.updated", "--tenant", "acme", option, text)


@pytest.mark.parametrize("pace", ["-1", "0", "nan", "inf", "often"])
def test_a_stream_has_a_pace(pace: str) -> None:
    with pytest.raises(CommandError, match=f"argument --per-minute: {pace} is not a pace"):
        call_command("send_event", "--stream", "--per-minute", pace)


def test_a_bad_line_keeps_no_good_one_from_being_sent(acme: Speaker, tmp_path: Path) -> None:
    from tests.messaging.kafka import Broker, consume_all

    broker = Broker()
    broker.make_topics()
    good = [orjson.dumps(acme.document("customer.created", name, name="A")) for name in ("c1", "c2")]
    deep = orjson.dumps(acme.document("customer.created", "c3", name="A", more=0)).replace(
        b'"more":0', b'"more":' + b"[" * 300 + b"]" * 300
    )
    large = orjson.dumps(acme.document("customer.created", "c4", name="A", more="x" * 9_000_000))
    wrong = orjson.dumps(acme.document("customer.created", "c\0", name="A"))
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join([good[0], b"{not json", b"[1]", deep, large, wrong, good[1]]))
    errors, topic = StringIO(), broker.topic("customer.created")
    with pytest.raises(CommandError, match=r"^5 invalid lines were not sent; see above\.$"):
        call_command("send_event", "--file", str(events), "--topic", topic, stdout=StringIO(), stderr=errors)
    assert [line[:24] for line in errors.getvalue().splitlines()] == [
        "line 2: it is not JSON: ",
        "line 3: it is JSON, but ",
        "line 4: unreadable: the ",
        "line 5: too_large: the e",
        "line 6: invalid_data: “C",
    ]
    assert outcomes(consume_all(broker)) == ["applied", "applied"]


def test_no_event_of_a_long_file_runs_out_of_time_behind_the_others(acme: Speaker) -> None:
    """15,000 that were handed over at once had waited for longer than a message may before it was their turn."""
    from tests.messaging.kafka import Broker

    broker = Broker()
    broker.make_topics()
    sender = EventSender(topic=broker.topic("customer.created"))
    document = acme.document("customer.created", "c1", name="A")
    waiting = []
    for number in range(1, 2_001):
        sender.send(document)
        waiting.append(number - sender.sent)
    sender.flush()
    assert max(waiting) <= MOST_WAITING
    assert sender.sent == 2_000


class FarBroker:
    """A producer whose broker takes ``most`` messages in all, one every tenth of a second of a clock of its own."""

    def __init__(self, most: int) -> None:
        self.most, self.now, self.waiting, self.is_purged = most, 0.0, [], False

    def __len__(self) -> int:
        return len(self.waiting)

    def produce(self, *_: Any, on_delivery: Any, **__: Any) -> None:
        if len(self.waiting) == MOST_WAITING:
            raise BufferError
        self.waiting.append(on_delivery)

    def poll(self, seconds: float) -> None:
        self.now += seconds
        if seconds and self.waiting and self.most:
            self.most -= 1
            self.waiting.pop(0)(None, None)

    def flush(self, seconds: float) -> int:
        self.poll(seconds)
        return len(self.waiting)

    def purge(self) -> None:
        """As librdkafka: each that was not sent says so in its own words."""
        self.is_purged = True
        while self.waiting:
            self.waiting.pop(0)(KafkaError(KafkaError._PURGE_QUEUE), None)


@pytest.mark.parametrize("most", [1_000, 700, 0])
def test_a_file_takes_as_long_as_the_broker_takes_of_it_now_and_then(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Five hundred that wait for a broker far away wait for longer than one that takes nothing is given."""
    broker = FarBroker(most)
    monkeypatch.setattr(sending, "make_producer", lambda **_: broker)
    monkeypatch.setattr(sending, "ensure_topics", lambda _: None)
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: broker.now))
    sender = EventSender()
    document = acme.document("customer.created", "c1", name="A")

    def send_all() -> None:
        for _ in range(1_000):
            sender.send(document)
        sender.flush()

    if most == 1_000:
        send_all()
        assert (sender.sent, len(broker), broker.is_purged) == (1_000, 0, False)
        assert broker.now > 3 * sending.PATIENCE_SECONDS
        return
    with pytest.raises(KafkaException, match="timed out"):
        send_all()
    assert (sender.sent, broker.is_purged) == (most, True), "nothing of it is sent after that"
    with pytest.raises(KafkaException, match="timed out"):
        # As the command does at its end: it says why, and not that nothing of the rest went out.
        sender.flush()
    assert broker.now - most / 10 == pytest.approx(sending.PATIENCE_SECONDS, abs=0.3)


@pytest.mark.parametrize("is_taken", [True, False])
def test_events_that_come_one_by_one_are_not_kept_for_a_broker_that_takes_none(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """A pause between two is no wait for the broker: what it has taken since then is heard of first."""
    broker = FarBroker(100 if is_taken else 0)
    monkeypatch.setattr(broker, "poll", lambda _: FarBroker.poll(broker, 0.001))
    monkeypatch.setattr(sending, "make_producer", lambda **_: broker)
    monkeypatch.setattr(sending, "ensure_topics", lambda _: None)
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: broker.now))
    sender = EventSender()
    document = acme.document("customer.created", "c1", name="A")
    sender.send(document)
    broker.now += 2 * sending.PATIENCE_SECONDS
    if is_taken:
        sender.send(document)
        assert sender.sent == 2
    else:
        with pytest.raises(KafkaException, match="timed out"):
            sender.send(document)
        assert broker.is_purged


def test_a_file_of_events_is_sent_and_applied(acme: Speaker, tmp_path: Path) -> None:
    from tests.messaging.kafka import Broker, consume_all

    broker = Broker()
    broker.make_topics()
    documents = [
        acme.document("customer.created", "c1", name="A"),
        acme.document("customer.created", "c2", name="B"),
    ]
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(map(orjson.dumps, documents)))
    for options in ([], ["--binary"]):
        call_command(
            "send_event",
            "--file",
            str(events),
            "--topic",
            broker.topic("customer.created"),
            *options,
            stdout=StringIO(),
        )
    assert outcomes(consume_all(broker)) == ["applied", "applied", "duplicate", "duplicate"]
    assert acme.customer("c2").name == "B"
