"""Pinning a field: what a person sets, or keeps, holds against every source until the pin goes or expires.

What sources say in the meantime is kept beside it, so that the newest takes its place back: at once when someone
unpins the field, and when the time of the pin is over with the next message about the customer or the next round of
``move_customers``, whichever comes first. Anyone who looks in between sees it already (``expired_pins``).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from audit.services.administration import record_administration
from audit.services.chain import micros
from lifecycle.models import Customer
from lifecycle.rules.fields import BILLING, COMPANY, FIELDS
from lifecycle.rules.figures import as_text
from lifecycle.rules.precedence import FOR_GOOD, PEOPLE, Offer
from lifecycle.sentences import say
from lifecycle.sentences.fields import name_field
from lifecycle.services.customers.batch import Batch
from lifecycle.services.customers.facts import CustomerFacts
from lifecycle.services.customers.offers import PINNABLE, Row, held_offer
from lifecycle.services.customers.provenance import version_of
from tenants.actors import Actor, TenantRef
from tenants.rules.messages import Message
from tenants.rules.values import InvalidValue, check_day, read_amount, read_line

LONGEST_PIN_REASON: Final = 500
# The value that the field has now.
AS_IT_IS: Final = object()
_FIELDS: Final = {field.path: field for field in FIELDS}


class PinRefused(Exception):
    """Nothing was pinned or unpinned. ``code`` is the contract's; ``field`` the part of the request that is wrong."""

    def __init__(self, code: str, message: Message, field: str = "", error: InvalidValue | None = None) -> None:
        super().__init__(message.name)
        self.code = code
        self.message = message
        self.field = field
        self.error = error

    @property
    def sentence(self) -> str:
        """What is wrong, in the reader's language."""
        return self._say(self.message.params)

    def for_people(self) -> str:
        """The same, with the field as the pages call it."""
        params = self.message.params
        return self._say({**params, "field": name_field(str(params["field"]))} if "field" in params else params)

    def _say(self, params: Mapping[str, Any]) -> str:
        if self.error is not None:
            params = {**params, "error": Message(self.error.sentence, self.error.params)}
        return say(Message(self.message.name, params))


def pin_field(
    customer_id: UUID,
    path: str,
    *,
    reason: str,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    value: Any = AS_IT_IS,
    until: dt.datetime | None = None,
    expected_version: int | None = None,
    request_id: UUID | None = None,
) -> None:
    """Let a field have this value, or the one that it has, whatever its sources say, until the pin ends.

    ``expected_version``: that of the field's provenance, as it was seen. Recorded in the administration log
    without value and reason, which are kept with the pin. Call inside the tenant's context. Raises PinRefused.
    """
    reason = _read_reason(reason)
    if until is not None and until <= now:
        raise PinRefused("invalid_request", Message("pin_until_past"), "until")
    if until is not None:
        _check_until(until)
    batch, row, target, (part, name) = _open(customer_id, path, tenant, now)
    _check_version(row, target, path, name, expected_version)
    read = target[name] if value is AS_IT_IS else _read_value(path, value, target)
    pin = {"by": actor.name, "at": now.isoformat(), "reason": reason, "until": until.isoformat() if until else None}
    row["pins"][path] = pin
    # Later than what is held, wherever that came from: a clock may be ahead.
    held = held_offer(target, name)
    at = max(micros(now), held.at if held else 0)
    brought = batch.offers.override(part, target, name, Offer(as_text(read), at, PEOPLE))
    batch.figure_changes.keep(row["id"], brought.figures, source=PEOPLE, at=now, is_disputed=True)
    batch.dirty[part].add(row["id"])
    batch.touch_pins(row)
    batch.write()
    _record("pin_field", row, path, actor=actor, tenant=tenant, now=now, request_id=request_id, pin=pin)


def unpin_field(
    customer_id: UUID,
    path: str,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    expected_version: int | None = None,
    request_id: UUID | None = None,
) -> None:
    """Take a pin away: the field has the best of what was offered. Raises PinRefused, also where there is none."""
    batch, row, target, (_part, name) = _open(customer_id, path, tenant, now)
    _check_version(row, target, path, name, expected_version)
    pin = row["pins"].get(path)
    if pin is None:
        raise PinRefused("not_found", Message("not_pinned"))
    batch.release(row, path)
    batch.write()
    _record("unpin_field", row, path, actor=actor, tenant=tenant, now=now, request_id=request_id, pin=pin)


def release_expired_pins(tenant: TenantRef, *, now: dt.datetime, limit: int = 500) -> int:
    """Take away the pins of the tenant's customers whose time is over; of how many customers. In their order of ids.

    Call inside the tenant's context.
    """
    expired = Customer.objects.filter(tenant_id=tenant.id, pins_until__lte=now).order_by("pins_until")
    external_ids = sorted(expired.values_list("external_id", flat=True)[:limit])
    if external_ids:
        _release(external_ids, tenant, now)
    return len(external_ids)


def _release(external_ids: list[str], tenant: TenantRef, now: dt.datetime) -> None:
    batch = Batch(tenant, now, backdated=False)
    batch.lock(external_ids)
    batch.load_parts([_about_all(external_id, now) for external_id in external_ids])
    for row in batch.rows.values():
        batch.release_expired(row)
    batch.write()


def _about_all(external_id: str, now: dt.datetime) -> CustomerFacts:
    return CustomerFacts(external_id, PEOPLE, now, billing={"currency": ""}, support={"csat": None})


def _open(customer_id: UUID, path: str, tenant: TenantRef, now: dt.datetime) -> tuple[Batch, Row, Row, tuple[str, str]]:
    """The customer, locked, and the row of the field's part."""
    if path not in PINNABLE:
        names = ", ".join(PINNABLE)
        raise PinRefused("invalid_request", Message("no_such_field", {"name": path, "names": names}), "field")
    part, name = PINNABLE[path]
    external_id = Customer.objects.filter(tenant_id=tenant.id, id=customer_id).values_list("external_id", flat=True)
    batch = Batch(tenant, now, backdated=False)
    batch.lock(list(external_id))
    if not batch.rows:
        raise PinRefused("not_found", Message("no_such_customer"))
    (row,) = batch.rows.values()
    fact = _about_all(row["external_id"], now)
    batch.load_parts([fact])
    if row["pins_until"] is not None and row["pins_until"] <= now:
        batch.release_expired(row)
    target = row
    if part != COMPANY:
        rows = batch.billing if part == BILLING else batch.support
        target = rows.setdefault(row["id"], batch.new_part(row["id"], part, fact))
    held = held_offer(target, name)
    if held is not None and held.at >= FOR_GOOD:
        raise PinRefused("conflict", Message("field_erased"))
    return batch, row, target, (part, name)


def _check_version(row: Row, target: Row, path: str, name: str, expected: int | None) -> None:
    now = version_of(held_offer(target, name), target["overruled"].get(name, {}), row["pins"].get(path))
    if expected is not None and expected != now:
        raise PinRefused("version_conflict", Message("field_changed"))


def _read_reason(reason: str) -> str:
    try:
        return read_line(reason, LONGEST_PIN_REASON, required=True)
    except InvalidValue as error:
        code = "invalid_request" if reason.strip() else "reason_required"
        raise PinRefused(code, Message("pin_reason_needed", {"most": LONGEST_PIN_REASON}), "reason") from error


def _check_until(until: dt.datetime) -> None:
    try:
        check_day(until.date())
    except InvalidValue as error:
        raise PinRefused("invalid_request", Message("pin_value", {"field": "until"}), "until", error) from error


def _read_value(path: str, value: Any, target: Mapping[str, Any]) -> Any:
    """The value as the field keeps it. An empty one says that nothing is known, unless the field must have one."""
    field = _FIELDS[path]
    part, _name = PINNABLE[path]
    if value is None or (isinstance(value, str) and not value.strip()):
        return _read_nothing(path)
    try:
        read = field.kind.read(value)
        if part == BILLING and field.kind.name == "amount":
            read = read_amount(read, target["currency"] or None)
    except InvalidValue as error:
        raise PinRefused("invalid_request", Message("pin_value", {"field": path}), "value", error) from error
    return _read_nothing(path) if read == "" else read


def _read_nothing(path: str) -> None:
    if _FIELDS[path].is_required:
        raise PinRefused("invalid_request", Message("pin_value_needed", {"field": path}), "value")


def _record(
    action: str,
    row: Row,
    path: str,
    *,
    actor: Actor,
    tenant: TenantRef,
    now: dt.datetime,
    request_id: UUID | None,
    pin: Mapping[str, Any],
) -> None:
    record_administration(
        action,
        row["id"],
        tenant_id=tenant.id,
        actor=actor,
        # Neither the reason nor the value: they may name a person or the company, whom the erasure takes out of the
        # customer's pins, and nothing is ever taken out of this log.
        detail={"field": path, "until": pin["until"]},
        request_id=request_id,
        now=now,
    )
