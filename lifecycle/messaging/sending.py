"""Producing events, for trying things out: what is sent has been validated first."""

import time
from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException

from lifecycle.messaging.clients import ensure_topics, make_producer, topic_name
from lifecycle.rules.envelopes import BINARY_PREFIX, STRUCTURED_TYPE, Headers, Invalid, Message, read_event
from lifecycle.sentences import say

# For how long a broker may take nothing: a cluster that has just begun needs more than ten on a busy machine. Messages
# have no time of their own, which would run while others are before them: far away, some dozens a second are taken.
PATIENCE_SECONDS = 30.0
MOST_WAITING = 500
TOO_LARGE = "too_large: the event is larger than a message may be."


class InvalidEvent(Exception):
    """The event would be a dead letter; the sentence says why."""


class EventSender:
    """Sends CloudEvents to the topics of their types, keyed by the customer's external id.

    ``refused``: the labels of those that were larger than their topic takes, which the broker says later.
    """

    def __init__(self, *, binary: bool = False, topic: str | None = None) -> None:
        self.binary = binary
        self.topic = topic
        self.sent = 0
        self.refused: list[str] = []
        self._error: KafkaError | None = None
        self._known: set[str] = set()
        # When the broker last took something, or was given the first that it has not taken.
        self._taken_at = 0.0
        # A topic's limit holds for a batch, and a broker refuses it whole: what it refuses is to be one event.
        self._producer = make_producer(
            **{
                "message.timeout.ms": 0,
                "batch.num.messages": 1,
                "queue.buffering.max.messages": MOST_WAITING,
            }
        )

    def send(self, document: Mapping[str, Any], *, label: str = "") -> tuple[str, ...]:
        """Validate and hand over one event; what of it will be left out, place and reason of each.

        Without a ``label`` someone waits for it and can correct it: then that is refused, too. Raises InvalidEvent,
        KafkaException.
        """
        message = encode(document, binary=self.binary)
        event = read_event(message)
        if isinstance(event, Invalid):
            raise InvalidEvent(f"{event.code}: {say(event.reason)}")
        if event.rejected and not label:
            raise InvalidEvent(f"invalid_data: {'; '.join(event.rejected)}.")
        topic = self.topic or topic_name(event.type)

        def note(error: KafkaError | None, _: Any) -> None:
            self._taken_at = time.monotonic()
            if error is None:
                self.sent += 1
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self.refused.append(label)
            else:
                # The first says why; what was purged after it says only that.
                self._error = self._error or error

        if topic not in self._known:
            ensure_topics([topic])
            self._known.add(topic)
        if not len(self._producer):
            self._taken_at = time.monotonic()
        while True:
            try:
                self._producer.produce(
                    topic, message.value, message.key, headers=list(message.headers), on_delivery=note
                )
                break
            except BufferError:
                self._producer.poll(0.1)
                self._check()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    raise InvalidEvent(TOO_LARGE) from error
                raise
        self._producer.poll(0)
        self._check()
        return event.rejected

    def flush(self) -> None:
        """Wait until everything is with the broker. Raises KafkaException when it is not."""
        while self._producer.flush(0.1):
            self._check()
        self._raise_error()

    def _check(self) -> None:
        self._raise_error()
        if time.monotonic() - self._taken_at > PATIENCE_SECONDS:
            # Nothing of it is sent after this was said.
            self._error = KafkaError(KafkaError._MSG_TIMED_OUT)
            self._producer.purge()
            self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise KafkaException(self._error)


def encode(document: Mapping[str, Any], *, binary: bool = False) -> Message:
    """The message of an event, in structured or in binary mode; it lies nowhere yet. Raises InvalidEvent."""
    data = document.get("data")
    external_id = data.get("external_id") if isinstance(data, Mapping) else None
    key = external_id.encode() if isinstance(external_id, str) else None
    headers: Headers
    if binary:
        headers = tuple(
            (f"{BINARY_PREFIX}{name}", str(value).encode())
            for name, value in document.items()
            if name not in ("data", "datacontenttype")
        )
        headers += (("content-type", str(document.get("datacontenttype", "application/json")).encode()),)
        return Message("", 0, 0, key, _dump(data), headers)
    headers = (("content-type", f"{STRUCTURED_TYPE}; charset=UTF-8".encode()),)
    return Message("", 0, 0, key, _dump(document), headers)


def _dump(document: object) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise InvalidEvent(f"unreadable: the event cannot be written as JSON: {error}.") from error
