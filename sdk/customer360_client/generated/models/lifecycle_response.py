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

if TYPE_CHECKING:
    from ..models.option_response import OptionResponse


T = TypeVar("T", bound="LifecycleResponse")


@_attrs_define
class LifecycleResponse:
    """A customer's stage, and the stages it can move to.

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
        configuration_version (int):
        transitions (list[OptionResponse]):
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
    configuration_version: int
    transitions: list[OptionResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.option_response import OptionResponse  # noqa: PLC0415

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

        configuration_version = self.configuration_version

        transitions = []
        for transitions_item_data in self.transitions:
            transitions_item = transitions_item_data.to_dict()
            transitions.append(transitions_item)

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
                "configuration_version": configuration_version,
                "transitions": transitions,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.option_response import OptionResponse  # noqa: PLC0415

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

        configuration_version = d.pop("configuration_version")

        transitions = []
        _transitions = d.pop("transitions")
        for transitions_item_data in _transitions:
            transitions_item = OptionResponse.from_dict(transitions_item_data)

            transitions.append(transitions_item)

        lifecycle_response = cls(
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
            configuration_version=configuration_version,
            transitions=transitions,
        )

        lifecycle_response.additional_properties = d
        return lifecycle_response

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
