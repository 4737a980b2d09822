"""Encrypted model fields: the classes of django-fernet-encrypted-fields, with the cipher and the reading replaced.

Why not bare: that package is AES-128, loses empty values, and after one failed validation hands out ciphertext
(docs/decisions). Here a value is decrypted on attribute access, under the data key of the row's customer.
"""

from typing import Any

from django.core.exceptions import FieldError
from django.db import models
from encrypted_fields.fields import EncryptedEmailField, EncryptedTextField

from storage import cipher


class Encrypted(bytes):
    """The bytes as they lie in the table. Only the field of a row, with the row's key, opens them."""

    def __repr__(self) -> str:
        return "<Encrypted>"

    __str__ = __repr__


class _Decrypting:
    """Descriptor: decrypts the loaded bytes on first access and keeps the plain value on the instance."""

    def __init__(self, field: "models.Field[Any, Any]") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        if name not in instance.__dict__:
            instance.refresh_from_db(fields=[name])
        value = instance.__dict__[name]
        if isinstance(value, Encrypted):
            value = cipher.decrypt(instance.data_key(), value, bound_to=_bound_to(self.field, instance))  # type: ignore[attr-defined]
            instance.__dict__[name] = value
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


def _bound_to(field: "models.Field[Any, Any]", instance: models.Model) -> bytes:
    return cipher.binding(field.model._meta.db_table, field.column, instance.pk, instance.tenant_id)  # type: ignore[attr-defined]


class DataKeyMixin:
    """Before one of the package's fields: AES-256-GCM under ``instance.data_key()``, bound to the cell.

    The model gives ``data_key() -> bytes`` and ``tenant_id``. Every value but None is encrypted. Filtering,
    ``update()`` and serialising raise instead of silently finding nothing or printing plain text.
    """

    def get_internal_type(self) -> str:
        """Bytes in the database."""
        return "BinaryField"

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        """Put the decrypting descriptor in place."""
        super().contribute_to_class(cls, name, private_only)  # type: ignore[misc]
        setattr(cls, name, _Decrypting(self))  # type: ignore[arg-type]

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Keep the bytes closed until an instance asks."""
        return None if value is None else Encrypted(value)

    def to_python(self, value: Any) -> Any:
        """Leave values alone: nothing is ever guessed to be ciphertext."""
        return value

    def clean(self, value: Any, model_instance: Any) -> Any:
        """Validate as the plain field does, without the package's process-wide latch."""
        self.validate(value, model_instance)  # type: ignore[attr-defined]
        self.run_validators(value)  # type: ignore[attr-defined]
        return value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Encrypt the instance's value for its row."""
        value = model_instance.__dict__.get(self.attname)  # type: ignore[attr-defined]
        if value is None or isinstance(value, Encrypted):
            return value
        bound_to = _bound_to(self, model_instance)  # type: ignore[arg-type]
        return Encrypted(cipher.encrypt(model_instance.data_key(), value, bound_to=bound_to))  # type: ignore[attr-defined]

    def get_prep_value(self, value: Any) -> Any:
        """Accept what pre_save made; anything else is a query over an encrypted column."""
        if value is None or isinstance(value, Encrypted):
            return value
        raise FieldError(f"{self.name} is encrypted: save the instance; look an e-mail up by its keyed hash.")  # type: ignore[attr-defined]

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Hand the bytes to the driver."""
        value = value if prepared else self.get_prep_value(value)
        return None if value is None else connection.Database.Binary(bytes(value))

    def get_lookup(self, lookup_name: str) -> Any:
        """Only ``isnull`` makes sense on ciphertext."""
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted: it cannot be searched by {lookup_name}.")  # type: ignore[attr-defined]
        return super().get_lookup(lookup_name)  # type: ignore[misc]

    def value_to_string(self, obj: models.Model) -> str:
        """Refuse ``dumpdata``: it would write personal data in clear."""
        raise FieldError(f"{self.name} is encrypted and is never serialised; use a database backup.")  # type: ignore[attr-defined]


class EncryptedText(DataKeyMixin, EncryptedTextField):
    """An encrypted text."""


class EncryptedEmail(DataKeyMixin, EncryptedEmailField):
    """An encrypted e-mail address, validated as one."""
