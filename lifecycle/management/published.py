"""Published seals, from where someone has kept them: a file, standard input or the topic itself."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import CommandError

from audit.services.published_seals import NotASeal, PublishedSeals, read_seal
from lifecycle.messaging.clients import topic_name
from lifecycle.messaging.tailing import NoSuchTopic, TopicSilent, read_topic

TOPIC: Final = "topic:"
STANDARD_INPUT: Final = "-"


class NotCompared(Exception):
    """There is nothing to compare with; the sentence says why. Everything else can be verified nevertheless."""


def read_published(source: str, *, stop: Callable[[], bool]) -> PublishedSeals:
    """Every published seal. Raises NotCompared when there are none, or they are out of reach.

    A file that holds something else is the wrong one: it is refused with the line (CommandError), and nothing was
    verified. In a topic that is noted, or anyone who may write there could prevent the comparison.
    """
    seals = PublishedSeals()
    for place, raw in _read_topic(stop) if source == TOPIC else _read_lines(source):
        try:
            seals.add(read_seal(raw))
        except NotASeal as error:
            if source != TOPIC:
                raise CommandError(f"{place}: {error} Nothing was verified.") from error
            seals.unreadable.append(place)
    if not (seals.count() or seals.unreadable):
        where = settings.AUDIT_SEAL_TOPIC if source == TOPIC else source
        raise NotCompared(f"{where} holds none.")
    return seals


def _read_lines(source: str) -> Iterator[tuple[str, bytes]]:
    try:
        raw = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
    except OSError as error:
        raise CommandError(f"{source}: {error.strerror}. Nothing was verified.") from error
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip():
            yield f"{source}, line {number}", line


def _read_topic(stop: Callable[[], bool]) -> Iterator[tuple[str, bytes]]:
    if not settings.AUDIT_SEAL_TOPIC:
        raise CommandError("Set AUDIT_SEAL_TOPIC, or name a file: --published FILE. Nothing was verified.")
    topic = topic_name(settings.AUDIT_SEAL_TOPIC)
    try:
        for message in read_topic(topic, stop=stop):
            yield f"{topic}, partition {message.partition()}, offset {message.offset()}", message.value() or b""
    except (NoSuchTopic, TopicSilent) as error:
        raise NotCompared(str(error)) from error
    except KafkaException as error:
        raise NotCompared(f"Kafka cannot be reached: {error.args[0].str()}.") from error
