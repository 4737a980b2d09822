from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.change_response_kind_enum import ChangeResponseKindEnum
from typing import cast


T = TypeVar("T", bound="ChangeResponse")


@_attrs_define
class ChangeResponse:
    """One difference to the live configuration, for programs and in words.

    Attributes:
        kind (ChangeResponseKindEnum): * `stage_added` - stage_added
            * `stage_removed` - stage_removed
            * `stage_renamed` - stage_renamed
            * `stages_reordered` - stages_reordered
            * `initial_changed` - initial_changed
            * `transition_added` - transition_added
            * `transition_removed` - transition_removed
            * `transitions_opened` - transitions_opened
            * `transitions_listed` - transitions_listed
            * `category_changed` - category_changed
            * `reason_required` - reason_required
            * `reason_not_required` - reason_not_required
            * `reason_codes_changed` - reason_codes_changed
            * `max_days_changed` - max_days_changed
            * `color_changed` - color_changed
            * `guidance_changed` - guidance_changed
            * `event_rules_changed` - event_rules_changed
            * `effect_added` - effect_added
            * `effect_removed` - effect_removed
            * `effect_changed` - effect_changed
            * `money_changed` - money_changed
            * `source_priority_changed` - source_priority_changed
        sentence (str): For people.
        stage (None | str):
        to (None | str):
    """

    kind: ChangeResponseKindEnum
    sentence: str
    stage: None | str
    to: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind.value

        sentence = self.sentence

        stage: None | str
        stage = self.stage

        to: None | str
        to = self.to

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "sentence": sentence,
                "stage": stage,
                "to": to,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kind = ChangeResponseKindEnum(d.pop("kind"))

        sentence = d.pop("sentence")

        def _parse_stage(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        stage = _parse_stage(d.pop("stage"))

        def _parse_to(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        to = _parse_to(d.pop("to"))

        change_response = cls(
            kind=kind,
            sentence=sentence,
            stage=stage,
            to=to,
        )

        change_response.additional_properties = d
        return change_response

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
