from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime


T = TypeVar("T", bound="RecipientResponse")


@_attrs_define
class RecipientResponse:
    """Whom an effect would reach, and when.

    Attributes:
        name (str): A person, a contact (masked without the right), an endpoint or an address.
        kind (str): escalation: only if no one acknowledges the alert.
        state (str): held: can be taken back until due_at; suppressed: would not run.
        reason (str): A code.
        why (str):
        due_at (datetime.datetime):
    """

    name: str
    kind: str
    state: str
    reason: str
    why: str
    due_at: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        kind = self.kind

        state = self.state

        reason = self.reason

        why = self.why

        due_at = self.due_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "kind": kind,
                "state": state,
                "reason": reason,
                "why": why,
                "due_at": due_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        kind = d.pop("kind")

        state = d.pop("state")

        reason = d.pop("reason")

        why = d.pop("why")

        due_at = datetime.datetime.fromisoformat(d.pop("due_at"))

        recipient_response = cls(
            name=name,
            kind=kind,
            state=state,
            reason=reason,
            why=why,
            due_at=due_at,
        )

        recipient_response.additional_properties = d
        return recipient_response

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
