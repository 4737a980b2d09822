from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.category_enum import CategoryEnum
from typing import cast

if TYPE_CHECKING:
    from ..models.effect_response import EffectResponse
    from ..models.refusal_response import RefusalResponse


T = TypeVar("T", bound="OptionResponse")


@_attrs_define
class OptionResponse:
    """One other stage: whether and how the customer can be moved there now by the caller.

    Attributes:
        stage (str):
        category (CategoryEnum): * `acquisition` - acquisition
            * `onboarding` - onboarding
            * `engaged` - engaged
            * `risk` - risk
            * `renewal` - renewal
            * `lost` - lost
        color (str):
        allowed (bool):
        reason_required (bool):
        reason_codes (list[str] | None): null: any text of up to 255 characters.
        refusal (None | RefusalResponse):
        effects (list[EffectResponse]):
    """

    stage: str
    category: CategoryEnum
    color: str
    allowed: bool
    reason_required: bool
    reason_codes: list[str] | None
    refusal: None | RefusalResponse
    effects: list[EffectResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.effect_response import EffectResponse  # noqa: PLC0415
        from ..models.refusal_response import RefusalResponse  # noqa: PLC0415

        stage = self.stage

        category = self.category.value

        color = self.color

        allowed = self.allowed

        reason_required = self.reason_required

        reason_codes: list[str] | None
        if isinstance(self.reason_codes, list):
            reason_codes = self.reason_codes

        else:
            reason_codes = self.reason_codes

        refusal: dict[str, Any] | None
        if isinstance(self.refusal, RefusalResponse):
            refusal = self.refusal.to_dict()
        else:
            refusal = self.refusal

        effects = []
        for effects_item_data in self.effects:
            effects_item = effects_item_data.to_dict()
            effects.append(effects_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "stage": stage,
                "category": category,
                "color": color,
                "allowed": allowed,
                "reason_required": reason_required,
                "reason_codes": reason_codes,
                "refusal": refusal,
                "effects": effects,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.effect_response import EffectResponse  # noqa: PLC0415
        from ..models.refusal_response import RefusalResponse  # noqa: PLC0415

        d = dict(src_dict)
        stage = d.pop("stage")

        category = CategoryEnum(d.pop("category"))

        color = d.pop("color")

        allowed = d.pop("allowed")

        reason_required = d.pop("reason_required")

        def _parse_reason_codes(data: object) -> list[str] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                reason_codes_type_0 = cast(list[str], data)

                return reason_codes_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None, data)

        reason_codes = _parse_reason_codes(d.pop("reason_codes"))

        def _parse_refusal(data: object) -> None | RefusalResponse:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                refusal_type_0 = RefusalResponse.from_dict(data)

                return refusal_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RefusalResponse, data)

        refusal = _parse_refusal(d.pop("refusal"))

        effects = []
        _effects = d.pop("effects")
        for effects_item_data in _effects:
            effects_item = EffectResponse.from_dict(effects_item_data)

            effects.append(effects_item)

        option_response = cls(
            stage=stage,
            category=category,
            color=color,
            allowed=allowed,
            reason_required=reason_required,
            reason_codes=reason_codes,
            refusal=refusal,
            effects=effects,
        )

        option_response.additional_properties = d
        return option_response

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
