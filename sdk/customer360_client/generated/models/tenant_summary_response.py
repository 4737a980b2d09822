from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
    from ..models.stage_sum_response import StageSumResponse
    from ..models.sum_response import SumResponse


T = TypeVar("T", bound="TenantSummaryResponse")


@_attrs_define
class TenantSummaryResponse:
    """The tenant at a glance [API-3], its stages in the order of the configuration.

    Attributes:
        configuration_version (int):
        stages (list[StageSumResponse]):
        total (SumResponse): Some customers together.
        at_risk (SumResponse): Some customers together.
    """

    configuration_version: int
    stages: list[StageSumResponse]
    total: SumResponse
    at_risk: SumResponse
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.stage_sum_response import StageSumResponse  # noqa: PLC0415
        from ..models.sum_response import SumResponse  # noqa: PLC0415

        configuration_version = self.configuration_version

        stages = []
        for stages_item_data in self.stages:
            stages_item = stages_item_data.to_dict()
            stages.append(stages_item)

        total = self.total.to_dict()

        at_risk = self.at_risk.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "configuration_version": configuration_version,
                "stages": stages,
                "total": total,
                "at_risk": at_risk,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stage_sum_response import StageSumResponse  # noqa: PLC0415
        from ..models.sum_response import SumResponse  # noqa: PLC0415

        d = dict(src_dict)
        configuration_version = d.pop("configuration_version")

        stages = []
        _stages = d.pop("stages")
        for stages_item_data in _stages:
            stages_item = StageSumResponse.from_dict(stages_item_data)

            stages.append(stages_item)

        total = SumResponse.from_dict(d.pop("total"))

        at_risk = SumResponse.from_dict(d.pop("at_risk"))

        tenant_summary_response = cls(
            configuration_version=configuration_version,
            stages=stages,
            total=total,
            at_risk=at_risk,
        )

        tenant_summary_response.additional_properties = d
        return tenant_summary_response

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
