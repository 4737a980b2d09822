"""Sentences for why an event failed: what is wrong with it, where, and what to do. For those who look after events."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.sentences.configuration import PARTS, name_figure
from tenants.rules.messages import Message
from tenants.sentences import enumerate_names
from tenants.sentences.words import TYPES

EVENTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "event_altered": gettext_lazy(
            "The bytes of the message cannot be decrypted: they were altered in the table. Have the sender send it"
            " again."
        ),
        "event_failed": gettext_lazy(
            "The event could not be processed (%(error_class)s). Tell the operator, who finds more in the log; then"
            " replay it."
        ),
        "event_key_missing": gettext_lazy(
            "The bytes of the message lie under a master key that is not in MASTER_KEYS: restore that key, and replay."
        ),
        "event_bounds_least": gettext_lazy(
            "%(field)s must be at least %(least)s. Have its sender correct it, and send the event again."
        ),
        "event_bounds_most": gettext_lazy(
            "%(field)s must be at most %(most)s. Have its sender correct it, and send the event again."
        ),
        "event_choice": gettext_lazy(
            "%(field)s must be %(choices)s. Have its sender correct it, and send the event again."
        ),
        "event_empty": gettext_lazy(
            "%(field)s must not be empty. Have its sender fill it in, and send the event again."
        ),
        "event_fields_missing": gettext_lazy(
            "The event lacks %(fields)s. Have its sender add that, and send the event again."
        ),
        "event_form": gettext_lazy(
            "%(field)s is not written as it has to be. Have its sender correct it, and send the event again."
        ),
        "event_foreign_field": gettext_lazy(
            "%(field)s belongs to %(owner)s: %(source)s may not write it. Have %(owner)s send it, or leave it out."
        ),
        "event_foreign_source": gettext_lazy(
            "Events are taken from %(sources)s only. Have its sender name one of them as source."
        ),
        "event_header_name": gettext_lazy(
            "The name of a header is not UTF-8, so the headers cannot be read. Have its sender correct it, and send the"
            " event again."
        ),
        "event_in_future": gettext_lazy(
            "The time of the event is in the future. Correct the sender's clock, and send the event again."
        ),
        "event_key": gettext_lazy(
            "The key of the message (and the subject, if given) must equal external_id; it does not. Have its sender"
            " correct it, and send the event again."
        ),
        "event_no_active_tenant": gettext_lazy(
            "No active tenant has the slug that the event names in tenantid. Have its sender correct it, or activate"
            " the tenant and replay the event."
        ),
        "event_no_day": gettext_lazy(
            "%(field)s is not a date such as 2026-03-31. Have its sender correct it, and send the event again."
        ),
        "event_no_json": gettext_lazy(
            "The message is not JSON in UTF-8 (character %(position)s). Have its sender correct it, and send the event"
            " again."
        ),
        "event_no_lifecycle": gettext_lazy(
            "The tenant has published no lifecycle configuration yet. Publish one, then replay the event."
        ),
        "event_no_object": gettext_lazy(
            "The message is JSON, but not an object. Have its sender correct it, and send the event again."
        ),
        "event_no_schema": gettext_lazy(
            "The event names in dataschema no schema of %(type)s that is known here. Known are: %(known)s. Have its"
            " sender name one of them."
        ),
        "event_no_tenant": gettext_lazy(
            "The event names no tenant. Have its sender give the tenant's slug in tenantid, and send the event again."
        ),
        "event_no_timestamp": gettext_lazy(
            "%(field)s is not a timestamp such as 2026-03-31T09:00:00Z. Have its sender correct it, and send the event"
            " again."
        ),
        "event_no_utf8": gettext_lazy(
            "A header, or the message, is not UTF-8. Have its sender correct it, and send the event again."
        ),
        "event_no_value": gettext_lazy(
            "The message has no value; an event is a JSON object. Have its sender send the event again."
        ),
        "event_not_storable": gettext_lazy(
            "%(field)s contains what cannot be stored: NUL, or half of a character. Have its sender correct it, and"
            " send the event again."
        ),
        "event_too_long": gettext_lazy(
            "%(field)s is too long: at most %(most)s fit. Have its sender shorten it, and send the event again."
        ),
        "event_type": gettext_lazy(
            "%(field)s must be %(types)s. Have its sender correct it, and send the event again."
        ),
        "event_unknown_type": gettext_lazy(
            "This type of event is not known. Known are: %(types_known)s. Have its sender name one of them."
        ),
        "event_unreadable": gettext_lazy(
            "The message cannot be read (%(error_class)s). Tell the operator, who finds more in the log."
        ),
        "event_value": gettext_lazy("%(field)s %(error)s. Have its sender correct it, and send the event again."),
        "event_waited": gettext_lazy(
            "The customer was not created within the time that the event could wait. Send customer.created first, then"
            " replay the event."
        ),
        "event_wrong_term": gettext_lazy(
            "%(field)s must not be before %(other_field)s. Have its sender correct it, and send the event again."
        ),
    }
)
_JSON_TYPES: Final[Mapping[str, str]] = {"string": "text", "array": "list", "integer": "number"}


def say_event_field(path: str) -> str:
    """A field of an event: what people call it, and where it is: “Contract” (data.contract_id)."""
    field = path.removeprefix("data.")
    known = str(PARTS[field]) if field in PARTS else name_figure(field)
    return path if known == field else _("“%(name)s” (%(path)s)") % {"name": known, "path": path}


def _say_types(types: Sequence[str]) -> str:
    words = [str(TYPES.get(_JSON_TYPES.get(one, one), one)) for one in types if one != "null"]
    return _(" or ").join(dict.fromkeys(words))


SHOWN: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "field": say_event_field,
        "other_field": say_event_field,
        "fields": lambda paths: _(", ").join(map(say_event_field, paths)),
        "types": _say_types,
        "choices": lambda names: enumerate_names(map(str, names), alternatives=True),
        **dict.fromkeys(("known", "types_known", "sources"), lambda names: _(", ").join(names)),
        **dict.fromkeys(("type", "owner", "source", "error_class"), str),
    }
)


def keep_message(message: object, code: str) -> list[Any] | None:
    """A message as JSON, to be kept and said later, with the ``code`` of what it says; None for what is a sentence
    already.
    """
    return [message.name, _keep(message.params), code] if isinstance(message, Message) else None


def _keep(value: Any) -> Any:
    if isinstance(value, Message):
        return [value.name, _keep(value.params)]
    if isinstance(value, Mapping):
        return {str(key): _keep(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_keep(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def read_message(kept: Any, code: str) -> Message | None:
    """The message that was kept; None for none, for what no release of the product has written, and for one of another
    ``code``: a former release that runs beside this one writes sentences and leaves the message as it was.
    """
    match kept:
        case [str(name), dict() as params, str(of)] if of == code:
            error = params.get("error")
            return Message(name, {**params, "error": Message(*error)} if isinstance(error, list) else params)
        case _:
            return None
