from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime

if TYPE_CHECKING:
    from ..models.export_response_administration_item import ExportResponseAdministrationItem
    from ..models.export_response_billing_type_0 import ExportResponseBillingType0
    from ..models.export_response_company_type_0 import ExportResponseCompanyType0
    from ..models.export_response_contacts_item import ExportResponseContactsItem
    from ..models.export_response_dead_letters_item import ExportResponseDeadLettersItem
    from ..models.export_response_figures_past_item import ExportResponseFiguresPastItem
    from ..models.export_response_former_names_item import ExportResponseFormerNamesItem
    from ..models.export_response_history_item import ExportResponseHistoryItem
    from ..models.export_response_lifecycle_type_0 import ExportResponseLifecycleType0
    from ..models.export_response_notes_item import ExportResponseNotesItem
    from ..models.export_response_parked_events_item import ExportResponseParkedEventsItem
    from ..models.export_response_refused_attempts_item import ExportResponseRefusedAttemptsItem
    from ..models.export_response_stored_answers_item import ExportResponseStoredAnswersItem
    from ..models.export_response_support_type_0 import ExportResponseSupportType0
    from ..models.export_response_tasks_item import ExportResponseTasksItem
    from ..models.export_response_uploads_item import ExportResponseUploadsItem


T = TypeVar("T", bound="ExportResponse")


@_attrs_define
class ExportResponse:
    """Everything that is kept about a customer [SEC-7], personal data in clear.

    Attributes:
        exported_at (datetime.datetime):
        tenant (str):
        company (ExportResponseCompanyType0 | None): The company's data.
        former_names (list[ExportResponseFormerNamesItem]): What the company was called before: `name, until`.
        contacts (list[ExportResponseContactsItem]): The people: `id, name, email, phone, role`.
        billing (ExportResponseBillingType0 | None): Billing's figures.
        support (ExportResponseSupportType0 | None): Support's figures.
        lifecycle (ExportResponseLifecycleType0 | None): The customer's stage.
        figures_past (list[ExportResponseFiguresPastItem]): What changed of the figures: `effective_at, recorded_at,
            source, figures`.
        history (list[ExportResponseHistoryItem]): Every transition, with its note; `note_erased` if it can no longer be
            read.
        notes (list[ExportResponseNotesItem]): What people wrote about the customer: each with its earlier `versions`.
        tasks (list[ExportResponseTasksItem]): What was to be done about the customer.
        refused_attempts (list[ExportResponseRefusedAttemptsItem]): Attempts to move the customer that were refused.
        administration (list[ExportResponseAdministrationItem]): What was done about the customer: exports, erasures.
        stored_answers (list[ExportResponseStoredAnswersItem]): Answers kept for repetitions under an Idempotency-Key.
        dead_letters (list[ExportResponseDeadLettersItem]): Messages about the customer that could not be applied, with
            their bytes.
        parked_events (list[ExportResponseParkedEventsItem]): Events that wait for the customer's creation.
        uploads (list[ExportResponseUploadsItem]): Uploaded files that are kept for a day and may name the customer:
            `id, name, created_at`.
        withheld_messages (int): Messages of no known tenant that may be about this customer, and are not handed out for
            that reason.
    """

    exported_at: datetime.datetime
    tenant: str
    company: ExportResponseCompanyType0 | None
    former_names: list[ExportResponseFormerNamesItem]
    contacts: list[ExportResponseContactsItem]
    billing: ExportResponseBillingType0 | None
    support: ExportResponseSupportType0 | None
    lifecycle: ExportResponseLifecycleType0 | None
    figures_past: list[ExportResponseFiguresPastItem]
    history: list[ExportResponseHistoryItem]
    notes: list[ExportResponseNotesItem]
    tasks: list[ExportResponseTasksItem]
    refused_attempts: list[ExportResponseRefusedAttemptsItem]
    administration: list[ExportResponseAdministrationItem]
    stored_answers: list[ExportResponseStoredAnswersItem]
    dead_letters: list[ExportResponseDeadLettersItem]
    parked_events: list[ExportResponseParkedEventsItem]
    uploads: list[ExportResponseUploadsItem]
    withheld_messages: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.export_response_administration_item import ExportResponseAdministrationItem  # noqa: PLC0415
        from ..models.export_response_billing_type_0 import ExportResponseBillingType0  # noqa: PLC0415
        from ..models.export_response_company_type_0 import ExportResponseCompanyType0  # noqa: PLC0415
        from ..models.export_response_contacts_item import ExportResponseContactsItem  # noqa: PLC0415
        from ..models.export_response_dead_letters_item import ExportResponseDeadLettersItem  # noqa: PLC0415
        from ..models.export_response_figures_past_item import ExportResponseFiguresPastItem  # noqa: PLC0415
        from ..models.export_response_former_names_item import ExportResponseFormerNamesItem  # noqa: PLC0415
        from ..models.export_response_history_item import ExportResponseHistoryItem  # noqa: PLC0415
        from ..models.export_response_lifecycle_type_0 import ExportResponseLifecycleType0  # noqa: PLC0415
        from ..models.export_response_notes_item import ExportResponseNotesItem  # noqa: PLC0415
        from ..models.export_response_parked_events_item import ExportResponseParkedEventsItem  # noqa: PLC0415
        from ..models.export_response_refused_attempts_item import ExportResponseRefusedAttemptsItem  # noqa: PLC0415
        from ..models.export_response_stored_answers_item import ExportResponseStoredAnswersItem  # noqa: PLC0415
        from ..models.export_response_support_type_0 import ExportResponseSupportType0  # noqa: PLC0415
        from ..models.export_response_tasks_item import ExportResponseTasksItem  # noqa: PLC0415
        from ..models.export_response_uploads_item import ExportResponseUploadsItem  # noqa: PLC0415

        exported_at = self.exported_at.isoformat()

        tenant = self.tenant

        company: dict[str, Any] | None
        if isinstance(self.company, ExportResponseCompanyType0):
            company = self.company.to_dict()
        else:
            company = self.company

        former_names = []
        for former_names_item_data in self.former_names:
            former_names_item = former_names_item_data.to_dict()
            former_names.append(former_names_item)

        contacts = []
        for contacts_item_data in self.contacts:
            contacts_item = contacts_item_data.to_dict()
            contacts.append(contacts_item)

        billing: dict[str, Any] | None
        if isinstance(self.billing, ExportResponseBillingType0):
            billing = self.billing.to_dict()
        else:
            billing = self.billing

        support: dict[str, Any] | None
        if isinstance(self.support, ExportResponseSupportType0):
            support = self.support.to_dict()
        else:
            support = self.support

        lifecycle: dict[str, Any] | None
        if isinstance(self.lifecycle, ExportResponseLifecycleType0):
            lifecycle = self.lifecycle.to_dict()
        else:
            lifecycle = self.lifecycle

        figures_past = []
        for figures_past_item_data in self.figures_past:
            figures_past_item = figures_past_item_data.to_dict()
            figures_past.append(figures_past_item)

        history = []
        for history_item_data in self.history:
            history_item = history_item_data.to_dict()
            history.append(history_item)

        notes = []
        for notes_item_data in self.notes:
            notes_item = notes_item_data.to_dict()
            notes.append(notes_item)

        tasks = []
        for tasks_item_data in self.tasks:
            tasks_item = tasks_item_data.to_dict()
            tasks.append(tasks_item)

        refused_attempts = []
        for refused_attempts_item_data in self.refused_attempts:
            refused_attempts_item = refused_attempts_item_data.to_dict()
            refused_attempts.append(refused_attempts_item)

        administration = []
        for administration_item_data in self.administration:
            administration_item = administration_item_data.to_dict()
            administration.append(administration_item)

        stored_answers = []
        for stored_answers_item_data in self.stored_answers:
            stored_answers_item = stored_answers_item_data.to_dict()
            stored_answers.append(stored_answers_item)

        dead_letters = []
        for dead_letters_item_data in self.dead_letters:
            dead_letters_item = dead_letters_item_data.to_dict()
            dead_letters.append(dead_letters_item)

        parked_events = []
        for parked_events_item_data in self.parked_events:
            parked_events_item = parked_events_item_data.to_dict()
            parked_events.append(parked_events_item)

        uploads = []
        for uploads_item_data in self.uploads:
            uploads_item = uploads_item_data.to_dict()
            uploads.append(uploads_item)

        withheld_messages = self.withheld_messages

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "exported_at": exported_at,
                "tenant": tenant,
                "company": company,
                "former_names": former_names,
                "contacts": contacts,
                "billing": billing,
                "support": support,
                "lifecycle": lifecycle,
                "figures_past": figures_past,
                "history": history,
                "notes": notes,
                "tasks": tasks,
                "refused_attempts": refused_attempts,
                "administration": administration,
                "stored_answers": stored_answers,
                "dead_letters": dead_letters,
                "parked_events": parked_events,
                "uploads": uploads,
                "withheld_messages": withheld_messages,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.export_response_administration_item import ExportResponseAdministrationItem  # noqa: PLC0415
        from ..models.export_response_billing_type_0 import ExportResponseBillingType0  # noqa: PLC0415
        from ..models.export_response_company_type_0 import ExportResponseCompanyType0  # noqa: PLC0415
        from ..models.export_response_contacts_item import ExportResponseContactsItem  # noqa: PLC0415
        from ..models.export_response_dead_letters_item import ExportResponseDeadLettersItem  # noqa: PLC0415
        from ..models.export_response_figures_past_item import ExportResponseFiguresPastItem  # noqa: PLC0415
        from ..models.export_response_former_names_item import ExportResponseFormerNamesItem  # noqa: PLC0415
        from ..models.export_response_history_item import ExportResponseHistoryItem  # noqa: PLC0415
        from ..models.export_response_lifecycle_type_0 import ExportResponseLifecycleType0  # noqa: PLC0415
        from ..models.export_response_notes_item import ExportResponseNotesItem  # noqa: PLC0415
        from ..models.export_response_parked_events_item import ExportResponseParkedEventsItem  # noqa: PLC0415
        from ..models.export_response_refused_attempts_item import ExportResponseRefusedAttemptsItem  # noqa: PLC0415
        from ..models.export_response_stored_answers_item import ExportResponseStoredAnswersItem  # noqa: PLC0415
        from ..models.export_response_support_type_0 import ExportResponseSupportType0  # noqa: PLC0415
        from ..models.export_response_tasks_item import ExportResponseTasksItem  # noqa: PLC0415
        from ..models.export_response_uploads_item import ExportResponseUploadsItem  # noqa: PLC0415

        d = dict(src_dict)
        exported_at = datetime.datetime.fromisoformat(d.pop("exported_at"))

        tenant = d.pop("tenant")

        def _parse_company(data: object) -> ExportResponseCompanyType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                company_type_0 = ExportResponseCompanyType0.from_dict(data)

                return company_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ExportResponseCompanyType0 | None, data)

        company = _parse_company(d.pop("company"))

        former_names = []
        _former_names = d.pop("former_names")
        for former_names_item_data in _former_names:
            former_names_item = ExportResponseFormerNamesItem.from_dict(former_names_item_data)

            former_names.append(former_names_item)

        contacts = []
        _contacts = d.pop("contacts")
        for contacts_item_data in _contacts:
            contacts_item = ExportResponseContactsItem.from_dict(contacts_item_data)

            contacts.append(contacts_item)

        def _parse_billing(data: object) -> ExportResponseBillingType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                billing_type_0 = ExportResponseBillingType0.from_dict(data)

                return billing_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ExportResponseBillingType0 | None, data)

        billing = _parse_billing(d.pop("billing"))

        def _parse_support(data: object) -> ExportResponseSupportType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                support_type_0 = ExportResponseSupportType0.from_dict(data)

                return support_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ExportResponseSupportType0 | None, data)

        support = _parse_support(d.pop("support"))

        def _parse_lifecycle(data: object) -> ExportResponseLifecycleType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                lifecycle_type_0 = ExportResponseLifecycleType0.from_dict(data)

                return lifecycle_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ExportResponseLifecycleType0 | None, data)

        lifecycle = _parse_lifecycle(d.pop("lifecycle"))

        figures_past = []
        _figures_past = d.pop("figures_past")
        for figures_past_item_data in _figures_past:
            figures_past_item = ExportResponseFiguresPastItem.from_dict(figures_past_item_data)

            figures_past.append(figures_past_item)

        history = []
        _history = d.pop("history")
        for history_item_data in _history:
            history_item = ExportResponseHistoryItem.from_dict(history_item_data)

            history.append(history_item)

        notes = []
        _notes = d.pop("notes")
        for notes_item_data in _notes:
            notes_item = ExportResponseNotesItem.from_dict(notes_item_data)

            notes.append(notes_item)

        tasks = []
        _tasks = d.pop("tasks")
        for tasks_item_data in _tasks:
            tasks_item = ExportResponseTasksItem.from_dict(tasks_item_data)

            tasks.append(tasks_item)

        refused_attempts = []
        _refused_attempts = d.pop("refused_attempts")
        for refused_attempts_item_data in _refused_attempts:
            refused_attempts_item = ExportResponseRefusedAttemptsItem.from_dict(refused_attempts_item_data)

            refused_attempts.append(refused_attempts_item)

        administration = []
        _administration = d.pop("administration")
        for administration_item_data in _administration:
            administration_item = ExportResponseAdministrationItem.from_dict(administration_item_data)

            administration.append(administration_item)

        stored_answers = []
        _stored_answers = d.pop("stored_answers")
        for stored_answers_item_data in _stored_answers:
            stored_answers_item = ExportResponseStoredAnswersItem.from_dict(stored_answers_item_data)

            stored_answers.append(stored_answers_item)

        dead_letters = []
        _dead_letters = d.pop("dead_letters")
        for dead_letters_item_data in _dead_letters:
            dead_letters_item = ExportResponseDeadLettersItem.from_dict(dead_letters_item_data)

            dead_letters.append(dead_letters_item)

        parked_events = []
        _parked_events = d.pop("parked_events")
        for parked_events_item_data in _parked_events:
            parked_events_item = ExportResponseParkedEventsItem.from_dict(parked_events_item_data)

            parked_events.append(parked_events_item)

        uploads = []
        _uploads = d.pop("uploads")
        for uploads_item_data in _uploads:
            uploads_item = ExportResponseUploadsItem.from_dict(uploads_item_data)

            uploads.append(uploads_item)

        withheld_messages = d.pop("withheld_messages")

        export_response = cls(
            exported_at=exported_at,
            tenant=tenant,
            company=company,
            former_names=former_names,
            contacts=contacts,
            billing=billing,
            support=support,
            lifecycle=lifecycle,
            figures_past=figures_past,
            history=history,
            notes=notes,
            tasks=tasks,
            refused_attempts=refused_attempts,
            administration=administration,
            stored_answers=stored_answers,
            dead_letters=dead_letters,
            parked_events=parked_events,
            uploads=uploads,
            withheld_messages=withheld_messages,
        )

        export_response.additional_properties = d
        return export_response

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
