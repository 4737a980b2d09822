from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
    from ..models.source_response import SourceResponse


T = TypeVar("T", bound="CompanyResponse")


@_attrs_define
class CompanyResponse:
    """The company.

    Attributes:
        name (str):
        industry (str):
        segment (str):
        owner (str):
        website (str):
        provenance (None | SourceResponse):
    """

    name: str
    industry: str
    segment: str
    owner: str
    website: str
    provenance: None | SourceResponse
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.source_response import SourceResponse  # noqa: PLC0415

        name = self.name

        industry = self.industry

        segment = self.segment

        owner = self.owner

        website = self.website

        provenance: dict[str, Any] | None
        if isinstance(self.provenance, SourceResponse):
            provenance = self.provenance.to_dict()
        else:
            provenance = self.provenance

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "industry": industry,
                "segment": segment,
                "owner": owner,
                "website": website,
                "provenance": provenance,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.source_response import SourceResponse  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        industry = d.pop("industry")

        segment = d.pop("segment")

        owner = d.pop("owner")

        website = d.pop("website")

        def _parse_provenance(data: object) -> None | SourceResponse:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                provenance_type_0 = SourceResponse.from_dict(data)

                return provenance_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | SourceResponse, data)

        provenance = _parse_provenance(d.pop("provenance"))

        company_response = cls(
            name=name,
            industry=industry,
            segment=segment,
            owner=owner,
            website=website,
            provenance=provenance,
        )

        company_response.additional_properties = d
        return company_response

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
