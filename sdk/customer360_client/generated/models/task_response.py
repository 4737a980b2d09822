from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="TaskResponse")


@_attrs_define
class TaskResponse:
    """Something to be done about a customer.

    Attributes:
        id (UUID):
        customer_id (UUID):
        title (None | str): null: erased or masked.
        title_erased (bool): It went with the customer's personal data.
        is_masked (bool): There is a text that the caller may not see: it needs the permission update_lifecycle.
        due_on (datetime.date | None):
        is_overdue (bool): It is open and its day is past, in UTC.
        assignee_id (None | UUID):
        created_at (datetime.datetime):
        created_by (str):
        done_at (datetime.datetime | None):
        done_by (None | str):
        version (int): Rises with each change; also the ETag.
    """

    id: UUID
    customer_id: UUID
    title: None | str
    title_erased: bool
    is_masked: bool
    due_on: datetime.date | None
    is_overdue: bool
    assignee_id: None | UUID
    created_at: datetime.datetime
    created_by: str
    done_at: datetime.datetime | None
    done_by: None | str
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        customer_id = str(self.customer_id)

        title: None | str
        title = self.title

        title_erased = self.title_erased

        is_masked = self.is_masked

        due_on: None | str
        if isinstance(self.due_on, datetime.date):
            due_on = self.due_on.isoformat()
        else:
            due_on = self.due_on

        is_overdue = self.is_overdue

        assignee_id: None | str
        if isinstance(self.assignee_id, UUID):
            assignee_id = str(self.assignee_id)
        else:
            assignee_id = self.assignee_id

        created_at = self.created_at.isoformat()

        created_by = self.created_by

        done_at: None | str
        if isinstance(self.done_at, datetime.datetime):
            done_at = self.done_at.isoformat()
        else:
            done_at = self.done_at

        done_by: None | str
        done_by = self.done_by

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "customer_id": customer_id,
                "title": title,
                "title_erased": title_erased,
                "is_masked": is_masked,
                "due_on": due_on,
                "is_overdue": is_overdue,
                "assignee_id": assignee_id,
                "created_at": created_at,
                "created_by": created_by,
                "done_at": done_at,
                "done_by": done_by,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        customer_id = UUID(d.pop("customer_id"))

        def _parse_title(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        title = _parse_title(d.pop("title"))

        title_erased = d.pop("title_erased")

        is_masked = d.pop("is_masked")

        def _parse_due_on(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                due_on_type_0 = datetime.date.fromisoformat(data)

                return due_on_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        due_on = _parse_due_on(d.pop("due_on"))

        is_overdue = d.pop("is_overdue")

        def _parse_assignee_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                assignee_id_type_0 = UUID(data)

                return assignee_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        assignee_id = _parse_assignee_id(d.pop("assignee_id"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        created_by = d.pop("created_by")

        def _parse_done_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                done_at_type_0 = datetime.datetime.fromisoformat(data)

                return done_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        done_at = _parse_done_at(d.pop("done_at"))

        def _parse_done_by(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        done_by = _parse_done_by(d.pop("done_by"))

        version = d.pop("version")

        task_response = cls(
            id=id,
            customer_id=customer_id,
            title=title,
            title_erased=title_erased,
            is_masked=is_masked,
            due_on=due_on,
            is_overdue=is_overdue,
            assignee_id=assignee_id,
            created_at=created_at,
            created_by=created_by,
            done_at=done_at,
            done_by=done_by,
            version=version,
        )

        task_response.additional_properties = d
        return task_response

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
