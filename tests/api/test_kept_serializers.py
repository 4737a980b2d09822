"""Serializers that read bodies are kept, and threads share them."""

from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any

import pytest
from django.utils import translation
from rest_framework import serializers
from rest_framework.utils.formatting import lazy_format

from lifecycle.api.serializers import ItemSerializer
from tenants.api.serializers import LoginSerializer, StrictSerializer, TextField, _kept


class Inner(StrictSerializer):
    code = TextField(max_length=3)


class Outer(StrictSerializer):
    codes = serializers.ListField(child=TextField(max_length=3))
    inner = Inner()
    others = Inner(many=True)


def messages_of(field: Any) -> Iterator[lazy_format]:
    yield from (one.message for one in field.validators if isinstance(getattr(one, "message", None), lazy_format))
    for inner in getattr(field, "fields", {}).values() if isinstance(field, serializers.Serializer) else ():
        yield from messages_of(inner)
    if getattr(field, "child", None) is not None:
        yield from messages_of(field.child)


@pytest.mark.parametrize(("serializer", "number"), [(Outer, 3), (LoginSerializer, 2)])
def test_no_thread_is_the_first_to_put_a_message_together(serializer: type[StrictSerializer], number: int) -> None:
    """DRF does it once for each, and two threads that begin with the same one at once break it."""
    _kept.cache_clear()
    with translation.override("de"):
        kept = _kept(serializer, "de")
    said = [message.result for message in messages_of(kept)]
    assert len(said) == number
    assert all(text and "Zeichen" in text for text in said)


def test_threads_that_send_what_is_too_long_at_the_same_time_get_the_same_answer() -> None:
    _kept.cache_clear()
    barrier, answers = Barrier(8), []

    def send() -> None:
        barrier.wait()
        with pytest.raises(serializers.ValidationError) as refusal:
            ItemSerializer.read({"customer_id": "x", "stage": "y" * 1000})
        answers.append(str(refusal.value.detail["stage"][0]))  # type: ignore[call-overload, index]

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
