"""Many changes in one request: each item is read and answered by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError

from lifecycle.api.authorship import MISMATCH, find_authors
from lifecycle.api.preconditions import format_etag
from lifecycle.api.serializers import ItemSerializer
from lifecycle.rules.transitions import Allowed, Change, Refused
from lifecycle.sentences import say
from lifecycle.services.customers.summaries import describe_effect
from lifecycle.services.transitions.apply import Outcome
from tenants.actors import TenantRef
from tenants.api.serializers import StrictSerializer
from tenants.identity import Identity
from tenants.refusals import RequestRefused

OK, MULTI_STATUS = 200, 207


@dataclass(frozen=True, slots=True)
class InvalidItem:
    """An item that asks for nothing that could be judged, with what is wrong with it."""

    customer_id: Any
    refused: Refused
    errors: tuple[dict[str, str], ...] = ()
    to_stage: str = ""


def read_items(items: Sequence[Any], *, identity: Identity, tenant: TenantRef) -> list[Change | InvalidItem]:
    """The change that each item asks for. One statement at most, whatever the number of items."""
    read = [_read_item(item) for item in items]
    names = {item["updated_by"] for item in read if isinstance(item, dict) and item.get("updated_by") is not None}
    authors = find_authors(names, identity=identity, tenant=tenant) if names else {}
    return [item if isinstance(item, InvalidItem) else _make_change(item, authors) for item in read]


def _read_item(item: Any) -> dict[str, Any] | InvalidItem:
    read = read_with(ItemSerializer, item)
    if isinstance(read, dict):
        return read
    shown = item.get("customer_id") if isinstance(item, dict) else None
    shown = shown if isinstance(shown, str) and len(shown) <= len(str(UUID(int=0))) else None
    return InvalidItem(shown, Refused("invalid_request", summarize_errors(read)), read)


def read_with(serializer: type[StrictSerializer], item: Any) -> dict[str, Any] | tuple[dict[str, str], ...]:
    """What an item says, or what is wrong with it."""
    try:
        return serializer.read(item)
    except ValidationError as error:
        return tuple(describe_errors(error.detail))


def summarize_errors(errors: Sequence[Mapping[str, str]]) -> str:
    """The error with the name of its field, or how many there are."""
    if len(errors) == 1:
        parts = errors[0]["pointer"].split("/")[1:]
        name = ".".join(part.replace("~1", "/").replace("~0", "~") for part in parts)
        return f"{name}: {errors[0]['detail']}" if name else errors[0]["detail"]
    return _("%(count)s fields of the item are wrong; see errors.") % {"count": len(errors)}


def describe_errors(errors: Any, path: tuple[Any, ...] = ()) -> Iterator[dict[str, str]]:
    """A serializer's errors, each with its pointer inside the item."""
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            yield from describe_errors(inner, path if name == "non_field_errors" else (*path, name))
        return
    for index, error in enumerate(errors):
        if isinstance(error, Mapping):
            yield from describe_errors(error, (*path, index))
        else:
            yield {
                "pointer": "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path),
                "detail": str(error),
                "code": (error.code if isinstance(error, ErrorDetail) else None) or "invalid",
            }


def _make_change(item: dict[str, Any], authors: dict[str, str | None]) -> Change | InvalidItem:
    name = item.get("updated_by")
    if name is not None and name not in authors:
        error = {"pointer": "#/updated_by", "detail": _(MISMATCH), "code": "actor_mismatch"}
        return InvalidItem(item["customer_id"], Refused("actor_mismatch", _(MISMATCH)), (error,), item["stage"])
    return Change(
        customer_id=item["customer_id"],
        stage=item["stage"],
        reason_code=item.get("reason_code"),
        note=item.get("note") or None,
        expected_version=item.get("version"),
        on_behalf_of=authors.get(name) if name is not None else None,
    )


def describe_result(item: Outcome | InvalidItem, *, dry_run: bool) -> dict[str, Any]:
    """What became of one item: ``status`` is what a request for it alone would have been answered with."""
    if isinstance(item, InvalidItem):
        return {"customer_id": item.customer_id, **_describe_refusal(item.refused), "errors": list(item.errors)}
    record = item.record
    result: dict[str, Any] = {"customer_id": item.change.customer_id}
    if item.refused is not None:
        result |= _describe_refusal(item.refused)
    else:
        result |= {"status": OK, "success": True, "changed": item.moved}
    if record is not None:
        result |= {"stage": record.stage, "version": record.version, "updated_at": record.updated_at}
        result["etag"] = format_etag(record.version)
    if isinstance(item.decision, Allowed) and dry_run:
        result["effects"] = [describe_effect(effect) for effect in item.decision.effects]
    return result


def _describe_refusal(refused: Refused) -> dict[str, Any]:
    # In the words of a request for it alone.
    alone = RequestRefused.of(refused, say(refused.message))
    described: dict[str, Any] = {
        "status": alone.status,
        "success": False,
        "changed": False,
        "code": alone.code,
        "detail": str(alone),
        **alone.extra,
    }
    if alone.errors:
        described["errors"] = list(alone.errors)
    return described


def status_of(results: Sequence[dict[str, Any]]) -> int:
    """200 when all items fared alike, 207 when they did not."""
    return OK if len({result["status"] for result in results}) <= 1 else MULTI_STATUS
