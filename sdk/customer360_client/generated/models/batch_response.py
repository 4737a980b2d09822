from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.foreseen_response import ForeseenResponse
    from ..models.result_response import ResultResponse


T = TypeVar("T", bound="BatchResponse")


@_attrs_define
class BatchResponse:
    """One result per item, in the order of the items.

    Attributes:
        dry_run (bool):
        results (list[ResultResponse]):
        effects (list[ForeseenResponse] | Unset): In a dry run: what the moves would start together.
    """

    dry_run: bool
    results: list[ResultResponse]
    effects: list[ForeseenResponse] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.foreseen_response import ForeseenResponse  # noqa: PLC0415
        from ..models.result_response import ResultResponse  # noqa: PLC0415

        dry_run = self.dry_run

        results = []
        for results_item_data in self.results:
            results_item = results_item_data.to_dict()
            results.append(results_item)

        effects: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.effects, Unset):
            effects = []
            for effects_item_data in self.effects:
                effects_item = effects_item_data.to_dict()
                effects.append(effects_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "dry_run": dry_run,
                "results": results,
            }
        )
        if effects is not UNSET:
            field_dict["effects"] = effects

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.foreseen_response import ForeseenResponse  # noqa: PLC0415
        from ..models.result_response import ResultResponse  # noqa: PLC0415

        d = dict(src_dict)
        dry_run = d.pop("dry_run")

        results = []
        _results = d.pop("results")
        for results_item_data in _results:
            results_item = ResultResponse.from_dict(results_item_data)

            results.append(results_item)

        _effects = d.pop("effects", UNSET)
        effects: list[ForeseenResponse] | Unset = UNSET
        if _effects is not UNSET:
            effects = []
            for effects_item_data in _effects:
                effects_item = ForeseenResponse.from_dict(effects_item_data)

                effects.append(effects_item)

        batch_response = cls(
            dry_run=dry_run,
            results=results,
            effects=effects,
        )

        batch_response.additional_properties = d
        return batch_response

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
