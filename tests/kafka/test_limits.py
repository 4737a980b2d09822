"""A topic that takes only small messages: its limit holds for a batch of them, which the broker refuses whole."""

from contextlib import suppress
from io import StringIO
from pathlib import Path
from random import Random

import orjson
import pytest
from django.core.management import CommandError, call_command

from lifecycle.messaging import lanes
from lifecycle.messaging.relay import TopicsStopped
from lifecycle.rules.envelopes import receive
from tests.kafka.brokers import Brokers
from tests.messaging.kafka import Broker, await_that, consume_all
from tests.messaging.relay.relaying import DEAD_LETTERS, LIFECYCLE, ids_of, make_relay, pending
from tests.messaging.speaking import Speaker, as_message, outcomes


def test_changes_that_fit_one_by_one_go_out_though_a_batch_of_them_does_not(
    acme: Speaker, broker: Broker, brokers: Brokers
) -> None:
    brokers.make_topic(broker.topic(LIFECYCLE), max_message_bytes="3000")
    acme.hear(*[acme.created(f"c{number}") for number in range(200)])
    make_relay(broker, once=True).run()
    assert pending() == 0
    ids = ids_of(broker.read(LIFECYCLE, 200))
    assert ids == [str(row.history_id) for row in acme.outbox(LIFECYCLE)]


def test_only_the_dead_letters_that_do_not_fit_lose_their_bytes(
    acme: Speaker, broker: Broker, brokers: Brokers
) -> None:
    brokers.make_topic(broker.topic(DEAD_LETTERS), max_message_bytes="20000")
    random = Random(1)  # no compression makes its bytes small
    values = [random.randbytes(30_000 if number == 7 else 5_000) for number in range(15)]
    acme.hear(*[receive(as_message(value, topic="customer.updated", key=b"k%d" % n)) for n, value in enumerate(values)])
    make_relay(broker, once=True).run()
    assert pending() == 0
    sent = {message.key(): message for message in broker.read(DEAD_LETTERS, 15)}
    assert {key for key, message in sent.items() if message.value() is None} == {b"k7"}
    assert dict(sent[b"k7"].headers() or [])["dead-letter-value-omitted"] == b"too large"
    assert all(sent[b"k%d" % n].value() == value for n, value in enumerate(values) if n != 7)


def test_a_change_that_does_not_fit_waits_until_the_topic_takes_it(
    acme: Speaker, broker: Broker, brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LONGEST_DELAY", 0.2)
    brokers.make_topic(broker.topic(LIFECYCLE), max_message_bytes="200")
    acme.hear(acme.created("c1"), acme.created("c2"))
    with pytest.raises(TopicsStopped):
        make_relay(broker, once=True).run()
    assert pending() == 2
    brokers.set_config(broker.topic(LIFECYCLE), max_message_bytes="100000")

    def goes_out() -> bool:
        """The broker that leads the topic learns of its new limit a moment later than the one that was asked."""
        with suppress(TopicsStopped):
            make_relay(broker, once=True).run()
        return pending() == 0

    await_that(goes_out)
    assert len(broker.read(LIFECYCLE, 2)) == 2


def test_a_line_that_is_too_large_for_the_topic_keeps_no_other_from_being_sent(
    acme: Speaker, broker: Broker, brokers: Brokers, tmp_path: Path
) -> None:
    topic = broker.topic("customer.created")
    brokers.make_topic(topic, max_message_bytes="3000")
    lines = [orjson.dumps(acme.document("customer.created", f"c{number}", name="A")) for number in range(50)]
    lines[20] = orjson.dumps(
        acme.document("customer.created", "large", name="A", more=Random(1).randbytes(9_000).hex())
    )
    events, output, errors = tmp_path / "events.ndjson", StringIO(), StringIO()
    events.write_bytes(b"\n".join(lines))
    with pytest.raises(CommandError, match=r"^1 invalid line was not sent; see above\.$"):
        call_command("send_event", "--file", str(events), "--topic", topic, stdout=output, stderr=errors)
    assert errors.getvalue() == "line 21: too_large: the event is larger than a message may be.\n"
    assert output.getvalue().splitlines()[-1].startswith("49 events (")
    assert outcomes(consume_all(broker, topics=[topic])) == ["applied"] * 49
