from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="LifecycleChangedMessageData")


@_attrs_define
class LifecycleChangedMessageData:
    """What happened to the customer.

    Attributes:
        effect (str): The name of the effect in the tenant's configuration.
        tenant (str): The tenant's slug.
        customer_id (UUID):
        external_id (str):
        name (str):
        from_stage (None | str): null: the customer's first stage.
        to_stage (str):
        reason_code (str):
        source (str): How the change came about, as the history names it.
        changed_at (datetime.datetime):
        effective_at (datetime.datetime):
        sequence (int): The customer's version: messages may arrive in another order than they were sent.
        causationdepth (int): How many changes of event rules led to this one. An event that you send because of it
            carries the same number as its attribute causationdepth; at 3 the rules move no one.
    """

    effect: str
    tenant: str
    customer_id: UUID
    external_id: str
    name: str
    from_stage: None | str
    to_stage: str
    reason_code: str
    source: str
    changed_at: datetime.datetime
    effective_at: datetime.datetime
    sequence: int
    causationdepth: int

    def to_dict(self) -> dict[str, Any]:
        effect = self.effect

        tenant = self.tenant

        customer_id = str(self.customer_id)

        external_id = self.external_id

        name = self.name

        from_stage: None | str
        from_stage = self.from_stage

        to_stage = self.to_stage

        reason_code = self.reason_code

        source = self.source

        changed_at = self.changed_at.isoformat()

        effective_at = self.effective_at.isoformat()

        sequence = self.sequence

        causationdepth = self.causationdepth

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "effect": effect,
                "tenant": tenant,
                "customer_id": customer_id,
                "external_id": external_id,
                "name": name,
                "from_stage": from_stage,
                "to_stage": to_stage,
                "reason_code": reason_code,
                "source": source,
                "changed_at": changed_at,
                "effective_at": effective_at,
                "sequence": sequence,
                "causationdepth": causationdepth,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        effect = d.pop("effect")

        tenant = d.pop("tenant")

        customer_id = UUID(d.pop("customer_id"))

        external_id = d.pop("external_id")

        name = d.pop("name")

        def _parse_from_stage(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        from_stage = _parse_from_stage(d.pop("from_stage"))

        to_stage = d.pop("to_stage")

        reason_code = d.pop("reason_code")

        source = d.pop("source")

        changed_at = datetime.datetime.fromisoformat(d.pop("changed_at"))

        effective_at = datetime.datetime.fromisoformat(d.pop("effective_at"))

        sequence = d.pop("sequence")

        causationdepth = d.pop("causationdepth")

        lifecycle_changed_message_data = cls(
            effect=effect,
            tenant=tenant,
            customer_id=customer_id,
            external_id=external_id,
            name=name,
            from_stage=from_stage,
            to_stage=to_stage,
            reason_code=reason_code,
            source=source,
            changed_at=changed_at,
            effective_at=effective_at,
            sequence=sequence,
            causationdepth=causationdepth,
        )

        return lifecycle_changed_message_data
