"""Shapes of the log-in requests and answers, and what the serializers of every API share."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import serializers

# So many unknown keys of a request are named.
MOST_NAMED = 20


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer for which an unknown key is an error, and not something to overlook."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """What a body, or an item of one, says. Raises ValidationError.

        By a serializer that is kept: DRF copies every field for each new one, which was two thirds of what this takes.
        """
        read: dict[str, Any] = _kept(cls, get_language()).run_validation(data)
        return read

    def to_internal_value(self, data: Any) -> Any:
        """As DRF does, also naming every key that no field has, beside what is wrong with the others."""
        if isinstance(data, Mapping):
            unknown = sorted(str(key) for key in data if key not in self.fields)[:MOST_NAMED]
            if unknown:
                known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
                sentence = _("There is no such field; the fields are %(names)s.") % {"names": known}
                errors: dict[str, Any] = {key: [sentence] for key in unknown}
                try:
                    super().to_internal_value(data)
                except serializers.ValidationError as error:
                    errors = {**cast("dict[str, Any]", error.detail), **errors}
                raise serializers.ValidationError(errors, code="unknown_field")
        return super().to_internal_value(data)


@cache
def _kept(serializer: type[StrictSerializer], language: str | None) -> StrictSerializer:  # noqa: ARG001  (the key)
    """Of each language one: a field's messages about lengths stay in the language in which they were first read.

    They are read before it is handed out: two threads that read one for the first time at once would break it.
    """
    made = serializer()
    for field in _walk(made):
        for validator in field.validators:
            str(getattr(validator, "message", ""))
    return made


def _walk(field: serializers.Field[Any, Any, Any, Any]) -> Iterator[serializers.Field[Any, Any, Any, Any]]:
    """The field, and those inside it."""
    yield field
    inner = [*getattr(field, "fields", {}).values()] if isinstance(field, serializers.Serializer) else []
    child = getattr(field, "child", None)
    for one in (*inner, *([child] if child is not None else [])):
        yield from _walk(one)


class TextField(serializers.CharField):
    """A text: numbers are not taken for texts, and nothing is trimmed unless it is asked for."""

    def __init__(self, *, trim_whitespace: bool = False, **options: Any) -> None:
        super().__init__(trim_whitespace=trim_whitespace, **options)

    def to_internal_value(self, data: Any) -> str:
        """The text. Raises ValidationError for anything else."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class LoginSerializer(StrictSerializer):
    """``{"username", "password"}``."""

    username = TextField(max_length=150, trim_whitespace=True)
    password = TextField(max_length=1024, style={"input_type": "password"})


class RefreshSerializer(StrictSerializer):
    """``{"refresh"}``."""

    refresh = TextField(max_length=4096, trim_whitespace=True)


class PasswordResetSerializer(StrictSerializer):
    """``{"username"}``."""

    username = TextField(max_length=150, trim_whitespace=True)


class PasswordResetResponse(serializers.Serializer[Any]):
    """What happens next, in words: the same for every name."""

    detail = serializers.CharField(read_only=True)


class TokenPairSerializer(serializers.Serializer[Any]):
    """Both tokens and what the access token says; ``expires`` is when the access token stops working."""

    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)
    roles = serializers.ListField(child=serializers.CharField(), read_only=True)
    tenant_id = serializers.UUIDField(read_only=True, allow_null=True)
    expires = serializers.DateTimeField(read_only=True, source="expires_at")
