"""The sentences about a configuration, for every entry point: made of messages and parameters, translated by gettext.

Rules and services name a message and its parameters; pages, the API and commands ask here for the words.
"""

from tenants.sentences.json_texts import describe_json
from tenants.sentences.writing import (
    describe_change,
    describe_finding,
    describe_finding_in_form,
    describe_invalid,
    describe_refusal,
    describe_value,
    enumerate_names,
    write,
    write_with,
)

__all__ = [
    "describe_change",
    "describe_finding",
    "describe_finding_in_form",
    "describe_invalid",
    "describe_json",
    "describe_refusal",
    "describe_value",
    "enumerate_names",
    "write",
    "write_with",
]
