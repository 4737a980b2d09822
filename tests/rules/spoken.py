"""Decisions in the words that people read."""

from dataclasses import replace

from lifecycle.rules.transitions import Decision, Refused
from lifecycle.sentences import say


def spoken(decision: Decision) -> Decision:
    """The same with its sentence instead of the message."""
    return replace(decision, message=say(decision.message)) if isinstance(decision, Refused) else decision
