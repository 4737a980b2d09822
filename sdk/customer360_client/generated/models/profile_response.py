from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime

if TYPE_CHECKING:
    from ..models.billing_response import BillingResponse
    from ..models.company_response import CompanyResponse
    from ..models.contact_response import ContactResponse
    from ..models.heard_response import HeardResponse
    from ..models.profile_response_provenance import ProfileResponseProvenance
    from ..models.sourced_support_response import SourcedSupportResponse
    from ..models.stay_response import StayResponse


T = TypeVar("T", bound="ProfileResponse")


@_attrs_define
class ProfileResponse:
    """Everything that is known of a customer [FR-01].

    Attributes:
        id (UUID):
        customer_id (UUID): The same as id.
        external_id (str):
        company (CompanyResponse): The company.
        contacts (list[ContactResponse]):
        billing (BillingResponse): What Billing reported.
        support (SourcedSupportResponse): What Support reported.
        created_at (datetime.datetime):
        updated_at (datetime.datetime):
        erased_at (datetime.datetime | None):
        lifecycle (None | StayResponse):
        provenance (ProfileResponseProvenance): By field: `name`, `owner`, `billing.arr`, `contacts` and so on.
        freshness (list[HeardResponse]): The source that has been silent longest first.
    """

    id: UUID
    customer_id: UUID
    external_id: str
    company: CompanyResponse
    contacts: list[ContactResponse]
    billing: BillingResponse
    support: SourcedSupportResponse
    created_at: datetime.datetime
    updated_at: datetime.datetime
    erased_at: datetime.datetime | None
    lifecycle: None | StayResponse
    provenance: ProfileResponseProvenance
    freshness: list[HeardResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.billing_response import BillingResponse  # noqa: PLC0415
        from ..models.company_response import CompanyResponse  # noqa: PLC0415
        from ..models.contact_response import ContactResponse  # noqa: PLC0415
        from ..models.heard_response import HeardResponse  # noqa: PLC0415
        from ..models.profile_response_provenance import ProfileResponseProvenance  # noqa: PLC0415
        from ..models.sourced_support_response import SourcedSupportResponse  # noqa: PLC0415
        from ..models.stay_response import StayResponse  # noqa: PLC0415

        id = str(self.id)

        customer_id = str(self.customer_id)

        external_id = self.external_id

        company = self.company.to_dict()

        contacts = []
        for contacts_item_data in self.contacts:
            contacts_item = contacts_item_data.to_dict()
            contacts.append(contacts_item)

        billing = self.billing.to_dict()

        support = self.support.to_dict()

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        erased_at: None | str
        if isinstance(self.erased_at, datetime.datetime):
            erased_at = self.erased_at.isoformat()
        else:
            erased_at = self.erased_at

        lifecycle: dict[str, Any] | None
        if isinstance(self.lifecycle, StayResponse):
            lifecycle = self.lifecycle.to_dict()
        else:
            lifecycle = self.lifecycle

        provenance = self.provenance.to_dict()

        freshness = []
        for freshness_item_data in self.freshness:
            freshness_item = freshness_item_data.to_dict()
            freshness.append(freshness_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "customer_id": customer_id,
                "external_id": external_id,
                "company": company,
                "contacts": contacts,
                "billing": billing,
                "support": support,
                "created_at": created_at,
                "updated_at": updated_at,
                "erased_at": erased_at,
                "lifecycle": lifecycle,
                "provenance": provenance,
                "freshness": freshness,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.billing_response import BillingResponse  # noqa: PLC0415
        from ..models.company_response import CompanyResponse  # noqa: PLC0415
        from ..models.contact_response import ContactResponse  # noqa: PLC0415
        from ..models.heard_response import HeardResponse  # noqa: PLC0415
        from ..models.profile_response_provenance import ProfileResponseProvenance  # noqa: PLC0415
        from ..models.sourced_support_response import SourcedSupportResponse  # noqa: PLC0415
        from ..models.stay_response import StayResponse  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        customer_id = UUID(d.pop("customer_id"))

        external_id = d.pop("external_id")

        company = CompanyResponse.from_dict(d.pop("company"))

        contacts = []
        _contacts = d.pop("contacts")
        for contacts_item_data in _contacts:
            contacts_item = ContactResponse.from_dict(contacts_item_data)

            contacts.append(contacts_item)

        billing = BillingResponse.from_dict(d.pop("billing"))

        support = SourcedSupportResponse.from_dict(d.pop("support"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        def _parse_erased_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                erased_at_type_0 = datetime.datetime.fromisoformat(data)

                return erased_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        erased_at = _parse_erased_at(d.pop("erased_at"))

        def _parse_lifecycle(data: object) -> None | StayResponse:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                lifecycle_type_0 = StayResponse.from_dict(data)

                return lifecycle_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | StayResponse, data)

        lifecycle = _parse_lifecycle(d.pop("lifecycle"))

        provenance = ProfileResponseProvenance.from_dict(d.pop("provenance"))

        freshness = []
        _freshness = d.pop("freshness")
        for freshness_item_data in _freshness:
            freshness_item = HeardResponse.from_dict(freshness_item_data)

            freshness.append(freshness_item)

        profile_response = cls(
            id=id,
            customer_id=customer_id,
            external_id=external_id,
            company=company,
            contacts=contacts,
            billing=billing,
            support=support,
            created_at=created_at,
            updated_at=updated_at,
            erased_at=erased_at,
            lifecycle=lifecycle,
            provenance=provenance,
            freshness=freshness,
        )

        profile_response.additional_properties = d
        return profile_response

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
