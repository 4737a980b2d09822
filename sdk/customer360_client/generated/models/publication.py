from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.configuration import Configuration
    from ..models.publication_mapping import PublicationMapping
    from ..models.publication_renamed import PublicationRenamed


T = TypeVar("T", bound="Publication")


@_attrs_define
class Publication:
    """A configuration, and what becomes of stages that are renamed or go away.

    Attributes:
        configuration (Configuration): A tenant's lifecycle. An unknown key is an error.
        renamed (PublicationRenamed | Unset): Stage -> the name that a stage of the live version has in this one.
        mapping (PublicationMapping | Unset): Stage -> where its customers go, as it goes away.
        comment (str | Unset):
    """

    configuration: Configuration
    renamed: PublicationRenamed | Unset = UNSET
    mapping: PublicationMapping | Unset = UNSET
    comment: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.configuration import Configuration  # noqa: PLC0415
        from ..models.publication_mapping import PublicationMapping  # noqa: PLC0415
        from ..models.publication_renamed import PublicationRenamed  # noqa: PLC0415

        configuration = self.configuration.to_dict()

        renamed: dict[str, Any] | Unset = UNSET
        if not isinstance(self.renamed, Unset):
            renamed = self.renamed.to_dict()

        mapping: dict[str, Any] | Unset = UNSET
        if not isinstance(self.mapping, Unset):
            mapping = self.mapping.to_dict()

        comment = self.comment

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "configuration": configuration,
            }
        )
        if renamed is not UNSET:
            field_dict["renamed"] = renamed
        if mapping is not UNSET:
            field_dict["mapping"] = mapping
        if comment is not UNSET:
            field_dict["comment"] = comment

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.configuration import Configuration  # noqa: PLC0415
        from ..models.publication_mapping import PublicationMapping  # noqa: PLC0415
        from ..models.publication_renamed import PublicationRenamed  # noqa: PLC0415

        d = dict(src_dict)
        configuration = Configuration.from_dict(d.pop("configuration"))

        _renamed = d.pop("renamed", UNSET)
        renamed: PublicationRenamed | Unset
        if isinstance(_renamed, Unset):
            renamed = UNSET
        else:
            renamed = PublicationRenamed.from_dict(_renamed)

        _mapping = d.pop("mapping", UNSET)
        mapping: PublicationMapping | Unset
        if isinstance(_mapping, Unset):
            mapping = UNSET
        else:
            mapping = PublicationMapping.from_dict(_mapping)

        comment = d.pop("comment", UNSET)

        publication = cls(
            configuration=configuration,
            renamed=renamed,
            mapping=mapping,
            comment=comment,
        )

        return publication
