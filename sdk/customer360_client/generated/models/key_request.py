from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.scopes_enum import ScopesEnum
from ..types import UNSET, Unset
from typing import cast


T = TypeVar("T", bound="KeyRequest")


@_attrs_define
class KeyRequest:
    """``POST /keys``.

    Attributes:
        account (str): The service account: its username or id.
        name (str): What the key is for.
        scopes (list[ScopesEnum]): What the key may do, at most what the account and you may.
        valid_days (int | Unset):  Default: 90.
    """

    account: str
    name: str
    scopes: list[ScopesEnum]
    valid_days: int | Unset = 90

    def to_dict(self) -> dict[str, Any]:
        account = self.account

        name = self.name

        scopes = []
        for scopes_item_data in self.scopes:
            scopes_item = scopes_item_data.value
            scopes.append(scopes_item)

        valid_days = self.valid_days

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "account": account,
                "name": name,
                "scopes": scopes,
            }
        )
        if valid_days is not UNSET:
            field_dict["valid_days"] = valid_days

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        account = d.pop("account")

        name = d.pop("name")

        scopes = []
        _scopes = d.pop("scopes")
        for scopes_item_data in _scopes:
            scopes_item = ScopesEnum(scopes_item_data)

            scopes.append(scopes_item)

        valid_days = d.pop("valid_days", UNSET)

        key_request = cls(
            account=account,
            name=name,
            scopes=scopes,
            valid_days=valid_days,
        )

        return key_request
