from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
import datetime

if TYPE_CHECKING:
    from ..models.effect_response import EffectResponse
    from ..models.fault_response import FaultResponse


T = TypeVar("T", bound="ResultResponse")


@_attrs_define
class ResultResponse:
    """What became of one item.

    Attributes:
        customer_id (None | str):
        status (int): The status that a request for this item alone would have had.
        success (bool):
        changed (bool):
        code (str | Unset):
        detail (str | Unset):
        allowed (list[str] | Unset):
        errors (list[FaultResponse] | Unset):
        stage (str | Unset):
        version (int | Unset):
        updated_at (datetime.datetime | Unset):
        etag (str | Unset):
        effects (list[EffectResponse] | Unset): In a dry run: what the move would start.
    """

    customer_id: None | str
    status: int
    success: bool
    changed: bool
    code: str | Unset = UNSET
    detail: str | Unset = UNSET
    allowed: list[str] | Unset = UNSET
    errors: list[FaultResponse] | Unset = UNSET
    stage: str | Unset = UNSET
    version: int | Unset = UNSET
    updated_at: datetime.datetime | Unset = UNSET
    etag: str | Unset = UNSET
    effects: list[EffectResponse] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.effect_response import EffectResponse  # noqa: PLC0415
        from ..models.fault_response import FaultResponse  # noqa: PLC0415

        customer_id: None | str
        customer_id = self.customer_id

        status = self.status

        success = self.success

        changed = self.changed

        code = self.code

        detail = self.detail

        allowed: list[str] | Unset = UNSET
        if not isinstance(self.allowed, Unset):
            allowed = self.allowed

        errors: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.errors, Unset):
            errors = []
            for errors_item_data in self.errors:
                errors_item = errors_item_data.to_dict()
                errors.append(errors_item)

        stage = self.stage

        version = self.version

        updated_at: str | Unset = UNSET
        if not isinstance(self.updated_at, Unset):
            updated_at = self.updated_at.isoformat()

        etag = self.etag

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
                "customer_id": customer_id,
                "status": status,
                "success": success,
                "changed": changed,
            }
        )
        if code is not UNSET:
            field_dict["code"] = code
        if detail is not UNSET:
            field_dict["detail"] = detail
        if allowed is not UNSET:
            field_dict["allowed"] = allowed
        if errors is not UNSET:
            field_dict["errors"] = errors
        if stage is not UNSET:
            field_dict["stage"] = stage
        if version is not UNSET:
            field_dict["version"] = version
        if updated_at is not UNSET:
            field_dict["updated_at"] = updated_at
        if etag is not UNSET:
            field_dict["etag"] = etag
        if effects is not UNSET:
            field_dict["effects"] = effects

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.effect_response import EffectResponse  # noqa: PLC0415
        from ..models.fault_response import FaultResponse  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_customer_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        customer_id = _parse_customer_id(d.pop("customer_id"))

        status = d.pop("status")

        success = d.pop("success")

        changed = d.pop("changed")

        code = d.pop("code", UNSET)

        detail = d.pop("detail", UNSET)

        allowed = cast(list[str], d.pop("allowed", UNSET))

        _errors = d.pop("errors", UNSET)
        errors: list[FaultResponse] | Unset = UNSET
        if _errors is not UNSET:
            errors = []
            for errors_item_data in _errors:
                errors_item = FaultResponse.from_dict(errors_item_data)

                errors.append(errors_item)

        stage = d.pop("stage", UNSET)

        version = d.pop("version", UNSET)

        _updated_at = d.pop("updated_at", UNSET)
        updated_at: datetime.datetime | Unset
        if isinstance(_updated_at, Unset):
            updated_at = UNSET
        else:
            updated_at = datetime.datetime.fromisoformat(_updated_at)

        etag = d.pop("etag", UNSET)

        _effects = d.pop("effects", UNSET)
        effects: list[EffectResponse] | Unset = UNSET
        if _effects is not UNSET:
            effects = []
            for effects_item_data in _effects:
                effects_item = EffectResponse.from_dict(effects_item_data)

                effects.append(effects_item)

        result_response = cls(
            customer_id=customer_id,
            status=status,
            success=success,
            changed=changed,
            code=code,
            detail=detail,
            allowed=allowed,
            errors=errors,
            stage=stage,
            version=version,
            updated_at=updated_at,
            etag=etag,
            effects=effects,
        )

        result_response.additional_properties = d
        return result_response

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
