from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.notification_response_kind_enum import NotificationResponseKindEnum
from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="NotificationResponse")


@_attrs_define
class NotificationResponse:
    """An alert, a mention in a note or a task, as one person sees it.

    Attributes:
        id (UUID):
        kind (NotificationResponseKindEnum): * `alert` - alert
            * `mention` - mention
            * `task` - task
        effect (str):
        customer_id (UUID):
        about_id (None | UUID): The note or the task; null for an alert.
        made_by (str): Who wrote it; empty for an alert.
        from_stage (str):
        to_stage (str): Empty for what is no alert.
        subject (str): Empty where the effect has no text of its own.
        body (str): Empty where the effect has no text of its own.
        is_escalated (bool): No one had acknowledged it in time.
        created_at (datetime.datetime):
        read_at (datetime.datetime | None):
        acknowledged_at (datetime.datetime | None):
    """

    id: UUID
    kind: NotificationResponseKindEnum
    effect: str
    customer_id: UUID
    about_id: None | UUID
    made_by: str
    from_stage: str
    to_stage: str
    subject: str
    body: str
    is_escalated: bool
    created_at: datetime.datetime
    read_at: datetime.datetime | None
    acknowledged_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        kind = self.kind.value

        effect = self.effect

        customer_id = str(self.customer_id)

        about_id: None | str
        if isinstance(self.about_id, UUID):
            about_id = str(self.about_id)
        else:
            about_id = self.about_id

        made_by = self.made_by

        from_stage = self.from_stage

        to_stage = self.to_stage

        subject = self.subject

        body = self.body

        is_escalated = self.is_escalated

        created_at = self.created_at.isoformat()

        read_at: None | str
        if isinstance(self.read_at, datetime.datetime):
            read_at = self.read_at.isoformat()
        else:
            read_at = self.read_at

        acknowledged_at: None | str
        if isinstance(self.acknowledged_at, datetime.datetime):
            acknowledged_at = self.acknowledged_at.isoformat()
        else:
            acknowledged_at = self.acknowledged_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "kind": kind,
                "effect": effect,
                "customer_id": customer_id,
                "about_id": about_id,
                "made_by": made_by,
                "from_stage": from_stage,
                "to_stage": to_stage,
                "subject": subject,
                "body": body,
                "is_escalated": is_escalated,
                "created_at": created_at,
                "read_at": read_at,
                "acknowledged_at": acknowledged_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        kind = NotificationResponseKindEnum(d.pop("kind"))

        effect = d.pop("effect")

        customer_id = UUID(d.pop("customer_id"))

        def _parse_about_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                about_id_type_0 = UUID(data)

                return about_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        about_id = _parse_about_id(d.pop("about_id"))

        made_by = d.pop("made_by")

        from_stage = d.pop("from_stage")

        to_stage = d.pop("to_stage")

        subject = d.pop("subject")

        body = d.pop("body")

        is_escalated = d.pop("is_escalated")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        def _parse_read_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                read_at_type_0 = datetime.datetime.fromisoformat(data)

                return read_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        read_at = _parse_read_at(d.pop("read_at"))

        def _parse_acknowledged_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                acknowledged_at_type_0 = datetime.datetime.fromisoformat(data)

                return acknowledged_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        acknowledged_at = _parse_acknowledged_at(d.pop("acknowledged_at"))

        notification_response = cls(
            id=id,
            kind=kind,
            effect=effect,
            customer_id=customer_id,
            about_id=about_id,
            made_by=made_by,
            from_stage=from_stage,
            to_stage=to_stage,
            subject=subject,
            body=body,
            is_escalated=is_escalated,
            created_at=created_at,
            read_at=read_at,
            acknowledged_at=acknowledged_at,
        )

        notification_response.additional_properties = d
        return notification_response

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
