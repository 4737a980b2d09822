from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.mute_request import MuteRequest


T = TypeVar("T", bound="ChangeRequest")


@_attrs_define
class ChangeRequest:
    """``PATCH /customers/{id}/lifecycle`` [API-1].

    Attributes:
        stage (str): One of the tenant's stages.
        updated_by (None | str | Unset): Who asks for it: you, by any of your names. A service account may name a user
            of its tenant.
        reason_code (None | str | Unset): Why; for some stages the tenant requires it and lists what is accepted.
        note (None | str | Unset): Free text for the history. It is encrypted and erased with the customer.
        confirm_effects (int | None | Unset): Refuse unless the change starts as many effects: the number that was seen.
        mute_effects (MuteRequest | None | Unset): Start none of the effects; what would have run is listed as
            suppressed. Needs the permission mute_effects.
    """

    stage: str
    updated_by: None | str | Unset = UNSET
    reason_code: None | str | Unset = UNSET
    note: None | str | Unset = UNSET
    confirm_effects: int | None | Unset = UNSET
    mute_effects: MuteRequest | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.mute_request import MuteRequest  # noqa: PLC0415

        stage = self.stage

        updated_by: None | str | Unset
        if isinstance(self.updated_by, Unset):
            updated_by = UNSET
        else:
            updated_by = self.updated_by

        reason_code: None | str | Unset
        if isinstance(self.reason_code, Unset):
            reason_code = UNSET
        else:
            reason_code = self.reason_code

        note: None | str | Unset
        if isinstance(self.note, Unset):
            note = UNSET
        else:
            note = self.note

        confirm_effects: int | None | Unset
        if isinstance(self.confirm_effects, Unset):
            confirm_effects = UNSET
        else:
            confirm_effects = self.confirm_effects

        mute_effects: dict[str, Any] | None | Unset
        if isinstance(self.mute_effects, Unset):
            mute_effects = UNSET
        elif isinstance(self.mute_effects, MuteRequest):
            mute_effects = self.mute_effects.to_dict()
        else:
            mute_effects = self.mute_effects

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "stage": stage,
            }
        )
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by
        if reason_code is not UNSET:
            field_dict["reason_code"] = reason_code
        if note is not UNSET:
            field_dict["note"] = note
        if confirm_effects is not UNSET:
            field_dict["confirm_effects"] = confirm_effects
        if mute_effects is not UNSET:
            field_dict["mute_effects"] = mute_effects

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.mute_request import MuteRequest  # noqa: PLC0415

        d = dict(src_dict)
        stage = d.pop("stage")

        def _parse_updated_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        updated_by = _parse_updated_by(d.pop("updated_by", UNSET))

        def _parse_reason_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reason_code = _parse_reason_code(d.pop("reason_code", UNSET))

        def _parse_note(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        note = _parse_note(d.pop("note", UNSET))

        def _parse_confirm_effects(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        confirm_effects = _parse_confirm_effects(d.pop("confirm_effects", UNSET))

        def _parse_mute_effects(data: object) -> MuteRequest | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                mute_effects_type_0 = MuteRequest.from_dict(data)

                return mute_effects_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(MuteRequest | None | Unset, data)

        mute_effects = _parse_mute_effects(d.pop("mute_effects", UNSET))

        change_request = cls(
            stage=stage,
            updated_by=updated_by,
            reason_code=reason_code,
            note=note,
            confirm_effects=confirm_effects,
            mute_effects=mute_effects,
        )

        return change_request
