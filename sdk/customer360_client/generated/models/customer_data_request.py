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
    from ..models.billing_data_request import BillingDataRequest
    from ..models.contact_data_request import ContactDataRequest
    from ..models.support_data_request import SupportDataRequest


T = TypeVar("T", bound="CustomerDataRequest")


@_attrs_define
class CustomerDataRequest:
    """``PUT /customers/by-external-id/{external_id}``: what a source says of a customer, and since when it holds.

    Attributes:
        source (str): Which system says so: `/crm` of the company and its contacts, `/billing`, `/support`.
        time (datetime.datetime): When it was so in the source: of each field the newest is kept.
        id (None | str | Unset): Your name of this message; with the source it is taken once. Left out: the same words
            count once.
        name (str | Unset): Name of the company.
        industry (None | str | Unset): Industry of the company.
        segment (None | str | Unset): Segment that the tenant puts the customer into.
        owner (None | str | Unset): Username of the account manager.
        website (None | str | Unset): Address of the company's website.
        contacts (list[ContactDataRequest] | Unset): All people: they replace those of before.
        billing (BillingDataRequest | Unset): What the billing system says; null clears.
        support (SupportDataRequest | Unset): What the support system says; null clears.
    """

    source: str
    time: datetime.datetime
    id: None | str | Unset = UNSET
    name: str | Unset = UNSET
    industry: None | str | Unset = UNSET
    segment: None | str | Unset = UNSET
    owner: None | str | Unset = UNSET
    website: None | str | Unset = UNSET
    contacts: list[ContactDataRequest] | Unset = UNSET
    billing: BillingDataRequest | Unset = UNSET
    support: SupportDataRequest | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.billing_data_request import BillingDataRequest  # noqa: PLC0415
        from ..models.contact_data_request import ContactDataRequest  # noqa: PLC0415
        from ..models.support_data_request import SupportDataRequest  # noqa: PLC0415

        source = self.source

        time = self.time.isoformat()

        id: None | str | Unset
        if isinstance(self.id, Unset):
            id = UNSET
        else:
            id = self.id

        name = self.name

        industry: None | str | Unset
        if isinstance(self.industry, Unset):
            industry = UNSET
        else:
            industry = self.industry

        segment: None | str | Unset
        if isinstance(self.segment, Unset):
            segment = UNSET
        else:
            segment = self.segment

        owner: None | str | Unset
        if isinstance(self.owner, Unset):
            owner = UNSET
        else:
            owner = self.owner

        website: None | str | Unset
        if isinstance(self.website, Unset):
            website = UNSET
        else:
            website = self.website

        contacts: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.contacts, Unset):
            contacts = []
            for contacts_item_data in self.contacts:
                contacts_item = contacts_item_data.to_dict()
                contacts.append(contacts_item)

        billing: dict[str, Any] | Unset = UNSET
        if not isinstance(self.billing, Unset):
            billing = self.billing.to_dict()

        support: dict[str, Any] | Unset = UNSET
        if not isinstance(self.support, Unset):
            support = self.support.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "source": source,
                "time": time,
            }
        )
        if id is not UNSET:
            field_dict["id"] = id
        if name is not UNSET:
            field_dict["name"] = name
        if industry is not UNSET:
            field_dict["industry"] = industry
        if segment is not UNSET:
            field_dict["segment"] = segment
        if owner is not UNSET:
            field_dict["owner"] = owner
        if website is not UNSET:
            field_dict["website"] = website
        if contacts is not UNSET:
            field_dict["contacts"] = contacts
        if billing is not UNSET:
            field_dict["billing"] = billing
        if support is not UNSET:
            field_dict["support"] = support

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.billing_data_request import BillingDataRequest  # noqa: PLC0415
        from ..models.contact_data_request import ContactDataRequest  # noqa: PLC0415
        from ..models.support_data_request import SupportDataRequest  # noqa: PLC0415

        d = dict(src_dict)
        source = d.pop("source")

        time = datetime.datetime.fromisoformat(d.pop("time"))

        def _parse_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        id = _parse_id(d.pop("id", UNSET))

        name = d.pop("name", UNSET)

        def _parse_industry(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        industry = _parse_industry(d.pop("industry", UNSET))

        def _parse_segment(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        segment = _parse_segment(d.pop("segment", UNSET))

        def _parse_owner(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        owner = _parse_owner(d.pop("owner", UNSET))

        def _parse_website(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        website = _parse_website(d.pop("website", UNSET))

        _contacts = d.pop("contacts", UNSET)
        contacts: list[ContactDataRequest] | Unset = UNSET
        if _contacts is not UNSET:
            contacts = []
            for contacts_item_data in _contacts:
                contacts_item = ContactDataRequest.from_dict(contacts_item_data)

                contacts.append(contacts_item)

        _billing = d.pop("billing", UNSET)
        billing: BillingDataRequest | Unset
        if isinstance(_billing, Unset):
            billing = UNSET
        else:
            billing = BillingDataRequest.from_dict(_billing)

        _support = d.pop("support", UNSET)
        support: SupportDataRequest | Unset
        if isinstance(_support, Unset):
            support = UNSET
        else:
            support = SupportDataRequest.from_dict(_support)

        customer_data_request = cls(
            source=source,
            time=time,
            id=id,
            name=name,
            industry=industry,
            segment=segment,
            owner=owner,
            website=website,
            contacts=contacts,
            billing=billing,
            support=support,
        )

        return customer_data_request
