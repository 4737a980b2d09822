"""Sentences about customers, moves, figures, effects and imports: made of messages and parameters, by gettext.

Rules and services name a message; pages, the API, commands and records ask here for the words.
"""

from lifecycle.sentences.writing import Refusal, say, say_for_record, say_kept

__all__ = ["Refusal", "say", "say_for_record", "say_kept"]
