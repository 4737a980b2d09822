from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="WrittenNoteResponse")


@_attrs_define
class WrittenNoteResponse:
    """The note as it is kept, and the names in it that lead to no one who may read it.

    Attributes:
        id (UUID):
        customer_id (UUID):
        text (None | str): null: deleted, erased or masked.
        text_erased (bool): It went with the customer's personal data.
        is_masked (bool): There is a text that the caller may not see: it needs the permission update_lifecycle.
        mentions (list[UUID]): The colleagues that the text mentions.
        created_at (datetime.datetime):
        created_by (str):
        version (int): Rises with each edit; also the ETag.
        edited_at (datetime.datetime | None):
        deleted_at (datetime.datetime | None):
        deleted_by (None | str):
        not_notified (list[str]):
    """

    id: UUID
    customer_id: UUID
    text: None | str
    text_erased: bool
    is_masked: bool
    mentions: list[UUID]
    created_at: datetime.datetime
    created_by: str
    version: int
    edited_at: datetime.datetime | None
    deleted_at: datetime.datetime | None
    deleted_by: None | str
    not_notified: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        customer_id = str(self.customer_id)

        text: None | str
        text = self.text

        text_erased = self.text_erased

        is_masked = self.is_masked

        mentions = []
        for mentions_item_data in self.mentions:
            mentions_item = str(mentions_item_data)
            mentions.append(mentions_item)

        created_at = self.created_at.isoformat()

        created_by = self.created_by

        version = self.version

        edited_at: None | str
        if isinstance(self.edited_at, datetime.datetime):
            edited_at = self.edited_at.isoformat()
        else:
            edited_at = self.edited_at

        deleted_at: None | str
        if isinstance(self.deleted_at, datetime.datetime):
            deleted_at = self.deleted_at.isoformat()
        else:
            deleted_at = self.deleted_at

        deleted_by: None | str
        deleted_by = self.deleted_by

        not_notified = self.not_notified

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "customer_id": customer_id,
                "text": text,
                "text_erased": text_erased,
                "is_masked": is_masked,
                "mentions": mentions,
                "created_at": created_at,
                "created_by": created_by,
                "version": version,
                "edited_at": edited_at,
                "deleted_at": deleted_at,
                "deleted_by": deleted_by,
                "not_notified": not_notified,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        customer_id = UUID(d.pop("customer_id"))

        def _parse_text(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        text = _parse_text(d.pop("text"))

        text_erased = d.pop("text_erased")

        is_masked = d.pop("is_masked")

        mentions = []
        _mentions = d.pop("mentions")
        for mentions_item_data in _mentions:
            mentions_item = UUID(mentions_item_data)

            mentions.append(mentions_item)

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        created_by = d.pop("created_by")

        version = d.pop("version")

        def _parse_edited_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                edited_at_type_0 = datetime.datetime.fromisoformat(data)

                return edited_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        edited_at = _parse_edited_at(d.pop("edited_at"))

        def _parse_deleted_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                deleted_at_type_0 = datetime.datetime.fromisoformat(data)

                return deleted_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        deleted_at = _parse_deleted_at(d.pop("deleted_at"))

        def _parse_deleted_by(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        deleted_by = _parse_deleted_by(d.pop("deleted_by"))

        not_notified = cast(list[str], d.pop("not_notified"))

        written_note_response = cls(
            id=id,
            customer_id=customer_id,
            text=text,
            text_erased=text_erased,
            is_masked=is_masked,
            mentions=mentions,
            created_at=created_at,
            created_by=created_by,
            version=version,
            edited_at=edited_at,
            deleted_at=deleted_at,
            deleted_by=deleted_by,
            not_notified=not_notified,
        )

        written_note_response.additional_properties = d
        return written_note_response

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
