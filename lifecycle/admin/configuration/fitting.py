"""Whether a form can show a piece of JSON and give it back as it was."""

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.translation import gettext as _

from lifecycle.admin.configuration.rows import CannotLayOut
from tenants.rules.texts import shorten_text


def read_object(value: Any, what: str, keys: Collection[str], required: Collection[str] = ()) -> Mapping[str, Any]:
    """The value as an object that has nothing but these keys. Raises CannotLayOut, with ``what`` for its subject."""
    if not isinstance(value, Mapping) or not all(key in value for key in required):
        raise CannotLayOut(_("%(subject)s is not an object, or is missing a key.") % {"subject": what})
    unknown = [key for key in value if key not in keys]
    if unknown:
        named = {"subject": what, "key": shorten_text(str(unknown[0]))}
        raise CannotLayOut(_("%(subject)s has “%(key)s”, which the form does not support.") % named)
    return value


def is_same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and true are not."""
    if isinstance(one, list) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def means_same(one: Any, other: Any) -> bool:
    """The same in a configuration: 1 is 1.0, as which the database may give it back, and neither of them is true."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(means_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(means_same(one[key], other[key]) for key in one)
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
