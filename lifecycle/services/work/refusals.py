"""Why a note or a task is not kept."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.rules.values import InvalidValue
from tenants.sentences import describe_value


class WorkRefused(Exception):
    """Nothing was saved; the sentence says why. ``field`` is what is wrong with the request, if it is one of it."""

    def __init__(self, code: str, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.field = field


def refuse_value(field: str, sentence: str, error: InvalidValue) -> WorkRefused:
    """The refusal of a value that cannot be kept. ``sentence`` has a place for what is wrong with it."""
    said: dict[str, Any] = {"error": describe_value(error)}
    return WorkRefused("invalid_request", sentence % said, field)


def lock_customer(customer_id: UUID, tenant: TenantRef) -> None:
    """Take turns with an erasure of the customer: what it does not find now it finds later. One statement.

    Raises WorkRefused when there is no such customer.
    """
    rows = Customer.objects.filter(tenant_id=tenant.id, id=customer_id).select_for_update(no_key=True)
    if rows.values_list("id", flat=True).first() is None:
        raise WorkRefused("not_found", _("There is no such customer: check the id."))


def check_version(found: int, expected: int | None) -> None:
    """Raises WorkRefused when someone else was faster."""
    if expected is not None and expected != found:
        raise WorkRefused(
            "version_conflict",
            _("Someone else has changed this since you opened it. Nothing was saved: look at it again, then repeat."),
        )
