from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
from uuid import UUID


T = TypeVar("T", bound="ItemRequest")


@_attrs_define
class ItemRequest:
    """One item of ``POST /lifecycle/transitions``.

    Attributes:
        stage (str): One of the tenant's stages.
        customer_id (UUID):
        updated_by (None | str | Unset): Who asks for it: you, by any of your names. A service account may name a user
            of its tenant.
        reason_code (None | str | Unset): Why; for some stages the tenant requires it and lists what is accepted.
        note (None | str | Unset): Free text for the history. It is encrypted and erased with the customer.
        version (int | None | Unset): Refuse if the customer has changed since this version.
    """

    stage: str
    customer_id: UUID
    updated_by: None | str | Unset = UNSET
    reason_code: None | str | Unset = UNSET
    note: None | str | Unset = UNSET
    version: int | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        stage = self.stage

        customer_id = str(self.customer_id)

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

        version: int | None | Unset
        if isinstance(self.version, Unset):
            version = UNSET
        else:
            version = self.version

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "stage": stage,
                "customer_id": customer_id,
            }
        )
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by
        if reason_code is not UNSET:
            field_dict["reason_code"] = reason_code
        if note is not UNSET:
            field_dict["note"] = note
        if version is not UNSET:
            field_dict["version"] = version

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        stage = d.pop("stage")

        customer_id = UUID(d.pop("customer_id"))

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

        def _parse_version(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        version = _parse_version(d.pop("version", UNSET))

        item_request = cls(
            stage=stage,
            customer_id=customer_id,
            updated_by=updated_by,
            reason_code=reason_code,
            note=note,
            version=version,
        )

        return item_request
