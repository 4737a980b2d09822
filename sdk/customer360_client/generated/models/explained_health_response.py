from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.health_band_enum import HealthBandEnum
from typing import cast

if TYPE_CHECKING:
    from ..models.points_response import PointsResponse


T = TypeVar("T", bound="ExplainedHealthResponse")


@_attrs_define
class ExplainedHealthResponse:
    """The health with its reasons, the heaviest first, and the share of figures that was known, in per cent.

    Attributes:
        score (int | None):
        band (HealthBandEnum): * `good` - good
            * `watch` - watch
            * `poor` - poor
            * `unknown` - unknown
        reasons (list[str]):
        confidence (int):
        parts (list[PointsResponse]): Together exactly 100 - score; none without a score.
    """

    score: int | None
    band: HealthBandEnum
    reasons: list[str]
    confidence: int
    parts: list[PointsResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.points_response import PointsResponse  # noqa: PLC0415

        score: int | None
        score = self.score

        band = self.band.value

        reasons = self.reasons

        confidence = self.confidence

        parts = []
        for parts_item_data in self.parts:
            parts_item = parts_item_data.to_dict()
            parts.append(parts_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "score": score,
                "band": band,
                "reasons": reasons,
                "confidence": confidence,
                "parts": parts,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.points_response import PointsResponse  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_score(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        score = _parse_score(d.pop("score"))

        band = HealthBandEnum(d.pop("band"))

        reasons = cast(list[str], d.pop("reasons"))

        confidence = d.pop("confidence")

        parts = []
        _parts = d.pop("parts")
        for parts_item_data in _parts:
            parts_item = PointsResponse.from_dict(parts_item_data)

            parts.append(parts_item)

        explained_health_response = cls(
            score=score,
            band=band,
            reasons=reasons,
            confidence=confidence,
            parts=parts,
        )

        explained_health_response.additional_properties = d
        return explained_health_response

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
