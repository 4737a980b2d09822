"""The kinds of effects: a class each, with what an effect of it may say, what is wrong with it, and whom it reaches.

To add one: a class here, and how it is delivered in ``lifecycle.delivery.senders``. The reader, the form, the API's
schema, the planning and the lanes follow from the class.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

# Whom an effect reaches: people of the tenant; these, contacts and addresses; endpoints; a topic; no one in particular.
Reach = Literal["users", "people", "endpoints", "topic", "no_one"]
# Problem of a recipient: whether it is an error, the finding's code, and its message.
Problem = tuple[bool, str, str]

# People who are named by what they are: the account manager of the customer, the tenant's account managers, its admins.
ROLES: Final = ("owner", "managers", "admins")
CONTACTS: Final = "contacts"
RECIPIENTS: Final = (*ROLES, CONTACTS)
USER_PREFIX: Final = "user:"
CONTACTS_PREFIX: Final = "contacts:"

# What other systems are asked to do; nothing else can be published by a configuration.
TOPICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "renewal.campaign.requested": "A renewal campaign shall begin for the customer.",
        "churn.forecast.requested": "The customer's churn forecast shall be made again.",
    }
)

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class EffectKind:
    """One kind. ``fields`` are the keys that not every effect has a use for; ``required`` those it must have."""

    name: ClassVar[str]
    reach: ClassVar[Reach]
    fields: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    # How long what reaches customers waits, so that it can be taken back.
    customer_hold_minutes: ClassVar[int] = 0

    def check_recipient(self, recipient: str) -> Problem | None:
        """What is wrong with a recipient, if anything."""
        return None


class _ToUsers(EffectKind):
    """Kinds that reach people of the tenant."""

    def check_recipient(self, recipient: str) -> Problem | None:
        """A role, or the name of a user."""
        if recipient in ROLES or is_prefixed(recipient, USER_PREFIX):
            return None
        if "@" in recipient and not recipient.startswith((USER_PREFIX, CONTACTS_PREFIX)):
            return (
                (False, "not_a_user", "") if _ADDRESS.fullmatch(recipient) else (True, "invalid_recipient", "not_email")
            )
        if recipient == CONTACTS or recipient.startswith(CONTACTS_PREFIX):
            return False, "not_a_user", ""
        return False, "unknown_recipient", ""


class Email(_ToUsers):
    """An e-mail: at once to people of the tenant, held for a while to anyone else."""

    name = "email"
    reach = "people"
    fields = ("to", "subject", "body", "template")
    required = ("to",)
    customer_hold_minutes = 10

    def check_recipient(self, recipient: str) -> Problem | None:
        """Also contacts, all or those of a role, and addresses."""
        if recipient == CONTACTS or is_prefixed(recipient, CONTACTS_PREFIX):
            return None
        problem = super().check_recipient(recipient)
        return None if problem and problem[1] == "not_a_user" and "@" in recipient else problem


class Alert(_ToUsers):
    """A notification in the product; what no one acknowledges goes on to others."""

    name = "alert"
    reach = "users"
    fields = ("to", "subject", "body", "escalate")
    required = ("to",)


class Forecast(EffectKind):
    """A request to make the customer's churn forecast again: one for the customer, however many effects ask."""

    name = "forecast"
    reach = "no_one"


class Webhook(EffectKind):
    """A signed POST to endpoints of the tenant."""

    name = "webhook"
    reach = "endpoints"
    fields = ("to",)
    required = ("to",)

    def check_recipient(self, recipient: str) -> Problem | None:
        """The name of an endpoint, or its https address."""
        is_name = "://" not in recipient and "@" not in recipient
        return None if is_name or _is_web_address(recipient) else (True, "invalid_recipient", "not_https")


class Event(EffectKind):
    """A CloudEvent on one of a few topics, for systems that take up the process."""

    name = "event"
    reach = "topic"
    fields = ("topic", "template")
    required = ("topic",)


KINDS: Final[Mapping[str, EffectKind]] = MappingProxyType(
    {kind.name: kind for kind in (Email(), Alert(), Forecast(), Webhook(), Event())}
)
EFFECT_KINDS: Final = tuple(KINDS)
# Keys that have a use in some kinds only.
KIND_FIELDS: Final = tuple(dict.fromkeys(field for kind in KINDS.values() for field in kind.fields))


def is_prefixed(recipient: str, prefix: str) -> bool:
    """Whether it is the prefix and a name."""
    return recipient.startswith(prefix) and bool(recipient.removeprefix(prefix).strip())


def find_unused(kind: EffectKind, effect: Mapping[str, Any]) -> Iterator[str]:
    """The keys that are given and have no use in this kind."""
    return (key for key in KIND_FIELDS if key in effect and key not in kind.fields and effect[key] is not None)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, user = parts.hostname, parts.username
    except ValueError:
        return False
    return parts.scheme == "https" and bool(host) and user is None and " " not in text
