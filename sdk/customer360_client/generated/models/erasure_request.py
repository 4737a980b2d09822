from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset


T = TypeVar("T", bound="ErasureRequest")


@_attrs_define
class ErasureRequest:
    """``POST /customers/{id}/erase`` [SEC-7].

    Attributes:
        reason (str): Why, for the administration log.
        company (bool | Unset): Erase the company's name as well. Default: False.
    """

    reason: str
    company: bool | Unset = False

    def to_dict(self) -> dict[str, Any]:
        reason = self.reason

        company = self.company

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "reason": reason,
            }
        )
        if company is not UNSET:
            field_dict["company"] = company

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        reason = d.pop("reason")

        company = d.pop("company", UNSET)

        erasure_request = cls(
            reason=reason,
            company=company,
        )

        return erasure_request
