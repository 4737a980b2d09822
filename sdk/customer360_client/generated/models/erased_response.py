from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="ErasedResponse")


@_attrs_define
class ErasedResponse:
    """What an erasure has destroyed [SEC-7].

    Attributes:
        customer_id (UUID):
        erased_at (datetime.datetime):
        contacts (int):
        messages (int): Messages about the customer that were waiting or could not be applied.
        answers (int): Answers that were kept for repetitions.
        uploads (int): Uploaded files that were being imported: any may name the person.
        key_destroyed (bool): Whether notes or contacts were encrypted until now.
        company (bool): Whether the company's name was erased as well.
        unreadable (int): Messages that could not be read because their master key is missing.
    """

    customer_id: UUID
    erased_at: datetime.datetime
    contacts: int
    messages: int
    answers: int
    uploads: int
    key_destroyed: bool
    company: bool
    unreadable: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        customer_id = str(self.customer_id)

        erased_at = self.erased_at.isoformat()

        contacts = self.contacts

        messages = self.messages

        answers = self.answers

        uploads = self.uploads

        key_destroyed = self.key_destroyed

        company = self.company

        unreadable = self.unreadable

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customer_id": customer_id,
                "erased_at": erased_at,
                "contacts": contacts,
                "messages": messages,
                "answers": answers,
                "uploads": uploads,
                "key_destroyed": key_destroyed,
                "company": company,
                "unreadable": unreadable,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        customer_id = UUID(d.pop("customer_id"))

        erased_at = datetime.datetime.fromisoformat(d.pop("erased_at"))

        contacts = d.pop("contacts")

        messages = d.pop("messages")

        answers = d.pop("answers")

        uploads = d.pop("uploads")

        key_destroyed = d.pop("key_destroyed")

        company = d.pop("company")

        unreadable = d.pop("unreadable")

        erased_response = cls(
            customer_id=customer_id,
            erased_at=erased_at,
            contacts=contacts,
            messages=messages,
            answers=answers,
            uploads=uploads,
            key_destroyed=key_destroyed,
            company=company,
            unreadable=unreadable,
        )

        erased_response.additional_properties = d
        return erased_response

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
