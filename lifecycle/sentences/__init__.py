"""The sentences about customers, their moves and their figures: made of messages and parameters, by gettext.

Rules and services name a message; pages, the API, commands and records ask here for the words.
"""

from lifecycle.sentences.writing import say, say_for_record

__all__ = ["say", "say_for_record"]
