from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.actor_kind_enum import ActorKindEnum
from ..models.category_enum import CategoryEnum
from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="StayResponse")


@_attrs_define
class StayResponse:
    """A customer's stage, and since when.

    Attributes:
        customer_id (UUID):
        stage (str):
        stage_entered_at (datetime.datetime):
        updated_at (datetime.datetime):
        updated_by (str): The user's id, or system:<name>.
        actor_kind (ActorKindEnum): * `user` - user
            * `service` - service
            * `system` - system
        source (str):
        reason_code (str):
        version (int):
        category (CategoryEnum): * `acquisition` - acquisition
            * `onboarding` - onboarding
            * `engaged` - engaged
            * `risk` - risk
            * `renewal` - renewal
            * `lost` - lost
        color (str):
        days_in_stage (int):
        expected_days (int | None):
        days_over (int):
    """

    customer_id: UUID
    stage: str
    stage_entered_at: datetime.datetime
    updated_at: datetime.datetime
    updated_by: str
    actor_kind: ActorKindEnum
    source: str
    reason_code: str
    version: int
    category: CategoryEnum
    color: str
    days_in_stage: int
    expected_days: int | None
    days_over: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        customer_id = str(self.customer_id)

        stage = self.stage

        stage_entered_at = self.stage_entered_at.isoformat()

        updated_at = self.updated_at.isoformat()

        updated_by = self.updated_by

        actor_kind = self.actor_kind.value

        source = self.source

        reason_code = self.reason_code

        version = self.version

        category = self.category.value

        color = self.color

        days_in_stage = self.days_in_stage

        expected_days: int | None
        expected_days = self.expected_days

        days_over = self.days_over

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customer_id": customer_id,
                "stage": stage,
                "stage_entered_at": stage_entered_at,
                "updated_at": updated_at,
                "updated_by": updated_by,
                "actor_kind": actor_kind,
                "source": source,
                "reason_code": reason_code,
                "version": version,
                "category": category,
                "color": color,
                "days_in_stage": days_in_stage,
                "expected_days": expected_days,
                "days_over": days_over,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        customer_id = UUID(d.pop("customer_id"))

        stage = d.pop("stage")

        stage_entered_at = datetime.datetime.fromisoformat(d.pop("stage_entered_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        updated_by = d.pop("updated_by")

        actor_kind = ActorKindEnum(d.pop("actor_kind"))

        source = d.pop("source")

        reason_code = d.pop("reason_code")

        version = d.pop("version")

        category = CategoryEnum(d.pop("category"))

        color = d.pop("color")

        days_in_stage = d.pop("days_in_stage")

        def _parse_expected_days(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        expected_days = _parse_expected_days(d.pop("expected_days"))

        days_over = d.pop("days_over")

        stay_response = cls(
            customer_id=customer_id,
            stage=stage,
            stage_entered_at=stage_entered_at,
            updated_at=updated_at,
            updated_by=updated_by,
            actor_kind=actor_kind,
            source=source,
            reason_code=reason_code,
            version=version,
            category=category,
            color=color,
            days_in_stage=days_in_stage,
            expected_days=expected_days,
            days_over=days_over,
        )

        stay_response.additional_properties = d
        return stay_response

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
