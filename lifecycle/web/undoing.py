"""The button that takes a change back, in the message that says it was made."""

from uuid import UUID

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest

_TAG = "undo-"


def say_moved(request: HttpRequest, sentence: str, request_id: UUID | None) -> None:
    """Have the next page say that a change was made, with a button to undo it. None: without the button."""
    messages.success(request, sentence, extra_tags=f"{_TAG}{request_id}" if request_id else "")


def undo_of(message: Message) -> str:
    """The id of the request that a message offers to undo; empty when it offers none."""
    for tag in (message.extra_tags or "").split():
        if tag.startswith(_TAG):
            return tag.removeprefix(_TAG)
    return ""
