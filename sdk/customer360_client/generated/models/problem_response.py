from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.fault_response import FaultResponse
    from ..models.present_state_response import PresentStateResponse
    from ..models.problem_response_stages import ProblemResponseStages
    from ..models.started_response import StartedResponse


T = TypeVar("T", bound="ProblemResponse")


@_attrs_define
class ProblemResponse:
    """A refusal (RFC 9457). ``code`` is for programs, ``detail`` for people.

    Attributes:
        type_ (str):
        title (str):
        status (int):
        detail (str):
        code (str):
        errors (list[FaultResponse] | Unset):
        allowed (list[str] | Unset): The stages or reasons that would be accepted.
        current (PresentStateResponse | Unset): The customer's stage now, or which configuration is live, in the problem
            of a stale version.
        effects (list[StartedResponse] | Unset): The effects that would start.
        retry_after (int | Unset): Seconds after which trying again makes sense.
        stages (ProblemResponseStages | Unset):
        request_id (str | Unset):
    """

    type_: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FaultResponse] | Unset = UNSET
    allowed: list[str] | Unset = UNSET
    current: PresentStateResponse | Unset = UNSET
    effects: list[StartedResponse] | Unset = UNSET
    retry_after: int | Unset = UNSET
    stages: ProblemResponseStages | Unset = UNSET
    request_id: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.fault_response import FaultResponse  # noqa: PLC0415
        from ..models.present_state_response import PresentStateResponse  # noqa: PLC0415
        from ..models.problem_response_stages import ProblemResponseStages  # noqa: PLC0415
        from ..models.started_response import StartedResponse  # noqa: PLC0415

        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        code = self.code

        errors: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.errors, Unset):
            errors = []
            for errors_item_data in self.errors:
                errors_item = errors_item_data.to_dict()
                errors.append(errors_item)

        allowed: list[str] | Unset = UNSET
        if not isinstance(self.allowed, Unset):
            allowed = self.allowed

        current: dict[str, Any] | Unset = UNSET
        if not isinstance(self.current, Unset):
            current = self.current.to_dict()

        effects: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.effects, Unset):
            effects = []
            for effects_item_data in self.effects:
                effects_item = effects_item_data.to_dict()
                effects.append(effects_item)

        retry_after = self.retry_after

        stages: dict[str, Any] | Unset = UNSET
        if not isinstance(self.stages, Unset):
            stages = self.stages.to_dict()

        request_id = self.request_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "code": code,
            }
        )
        if errors is not UNSET:
            field_dict["errors"] = errors
        if allowed is not UNSET:
            field_dict["allowed"] = allowed
        if current is not UNSET:
            field_dict["current"] = current
        if effects is not UNSET:
            field_dict["effects"] = effects
        if retry_after is not UNSET:
            field_dict["retry_after"] = retry_after
        if stages is not UNSET:
            field_dict["stages"] = stages
        if request_id is not UNSET:
            field_dict["request_id"] = request_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.fault_response import FaultResponse  # noqa: PLC0415
        from ..models.present_state_response import PresentStateResponse  # noqa: PLC0415
        from ..models.problem_response_stages import ProblemResponseStages  # noqa: PLC0415
        from ..models.started_response import StartedResponse  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        code = d.pop("code")

        _errors = d.pop("errors", UNSET)
        errors: list[FaultResponse] | Unset = UNSET
        if _errors is not UNSET:
            errors = []
            for errors_item_data in _errors:
                errors_item = FaultResponse.from_dict(errors_item_data)

                errors.append(errors_item)

        allowed = cast(list[str], d.pop("allowed", UNSET))

        _current = d.pop("current", UNSET)
        current: PresentStateResponse | Unset
        if isinstance(_current, Unset):
            current = UNSET
        else:
            current = PresentStateResponse.from_dict(_current)

        _effects = d.pop("effects", UNSET)
        effects: list[StartedResponse] | Unset = UNSET
        if _effects is not UNSET:
            effects = []
            for effects_item_data in _effects:
                effects_item = StartedResponse.from_dict(effects_item_data)

                effects.append(effects_item)

        retry_after = d.pop("retry_after", UNSET)

        _stages = d.pop("stages", UNSET)
        stages: ProblemResponseStages | Unset
        if isinstance(_stages, Unset):
            stages = UNSET
        else:
            stages = ProblemResponseStages.from_dict(_stages)

        request_id = d.pop("request_id", UNSET)

        problem_response = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            code=code,
            errors=errors,
            allowed=allowed,
            current=current,
            effects=effects,
            retry_after=retry_after,
            stages=stages,
            request_id=request_id,
        )

        problem_response.additional_properties = d
        return problem_response

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
