"""What a response of the API is: a class describes it in the schema and renders it from what the service returned.

Values go out as they are (the renderer knows dates and ids): rendering picks the described keys and nothing else. A key
that the service did not return is an error, so what is described is what is sent.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from rest_framework import serializers

from lifecycle.sentences import say

# Key, whether it has to be there, how what it holds is rendered (None: as it is), and whether that is a list.
_How = Callable[[Any], Any]
_Plan = tuple[tuple[str, bool, _How | None, bool], ...]


class SentenceField(serializers.CharField):
    """What is said of something: the service returns a message, people read it in their language."""


class ResponseSerializer(serializers.Serializer[Any]):
    """A response. It is never read from a request."""

    @classmethod
    def render(cls, value: Mapping[str, Any]) -> dict[str, Any]:
        """The body: every described key of the value, and of what lies in it. Raises KeyError for a missing one."""
        return _render(_plan_of(cls), value)

    @classmethod
    def render_row(cls, row: object, **instead: Any) -> dict[str, Any]:
        """The body of a row whose attributes have the described names; ``instead``: values that replace some."""
        names: Iterable[str] = cls._declared_fields
        return cls.render({name: instead[name] if name in instead else getattr(row, name) for name in names})


@cache
def _plan_of(response: type[serializers.Serializer[Any]]) -> _Plan:
    """How a response is rendered, from its fields."""
    return tuple(_plan_field(name, field) for name, field in response._declared_fields.items())


def _plan_field(name: str, field: Any) -> tuple[str, bool, _How | None, bool]:
    is_many = isinstance(field, serializers.ListSerializer | serializers.ListField)
    inner = field.child if is_many else field
    how: _How | None = None
    if isinstance(inner, SentenceField):
        how = say
    elif isinstance(inner, serializers.Serializer):
        how = partial(_render, _plan_of(type(inner)))
    return name, field.required, how, is_many


def _render(plan: _Plan, value: Mapping[str, Any]) -> dict[str, Any]:
    rendered: dict[str, Any] = {}
    for name, is_required, how, is_many in plan:
        if not is_required and name not in value:
            continue
        one = value[name]
        if how is None or one is None:
            rendered[name] = one
        else:
            rendered[name] = [how(each) for each in one] if is_many else how(one)
    return rendered
