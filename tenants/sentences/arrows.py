"""The arrow between two names, one of which became the other."""

from django.utils.translation import get_language_bidi


def arrow() -> str:
    """The arrow that points on in the direction in which the reader's language is written."""
    return "←" if get_language_bidi() else "→"
