"""What the administration offers, in the order in which admins look for it, under names that say what it is for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the administration: the model behind it, what it is called, and what is found there."""

    model: str
    name: str | Promise
    summary: str | Promise


@dataclass(frozen=True, slots=True)
class Section:
    """Entries that belong together. ``key`` is its id in the page."""

    key: str
    title: str | Promise
    entries: tuple[Entry, ...]


SECTIONS: Final[tuple[Section, ...]] = (
    Section(
        "lifecycle",
        _("Lifecycle"),
        (
            Entry(
                "tenants.configurationversion",
                _("Lifecycle"),
                _("Stages, transitions, rules and automations: what is live, drafts, and every version before."),
            ),
            Entry(
                "lifecycle.effectrun",
                _("Automation runs"),
                _("What stage changes started: waiting, done, failed. Replay, cancel, pause."),
            ),
            Entry(
                "lifecycle.webhookendpoint",
                _("Webhook endpoints"),
                _("Addresses of other systems that are notified of stage changes, with their secrets."),
            ),
            Entry(
                "audit.refusedattempt",
                _("Blocked moves"),
                _("Who wanted to move whom, and which rule said no."),
            ),
        ),
    ),
    Section(
        "customers",
        _("Customers"),
        (
            Entry("lifecycle.customer", _("Customers"), _("Personal data of one customer: export and erasure.")),
            Entry("lifecycle.importupload", _("Imports"), _("Customers and history from files.")),
            Entry(
                "audit.lifecyclehistory",
                _("History of stage changes"),
                _("Every stage change: who, when, why, and by which version."),
            ),
            Entry(
                "lifecycle.deadletter",
                _("Failed events"),
                _("Events that could not be applied: review them, correct the cause, then replay or discard."),
            ),
        ),
    ),
    Section(
        "people",
        _("People and access"),
        (
            Entry("tenants.user", _("Users"), _("Invite people, set roles and teams, deactivate accounts.")),
            Entry("tenants.apikey", _("API keys"), _("Keys of service accounts: rights, expiry, last use.")),
            Entry("tenants.tenant", _("Tenant"), _("Name and limits of the workspace.")),
        ),
    ),
    Section(
        "record",
        _("Audit"),
        (
            Entry("audit.administrationentry", _("Administration log"), _("What admins did, and why.")),
            Entry("audit.auditseal", _("Audit seals"), _("Signed proofs that the history has not been altered.")),
        ),
    ),
)


def arrange_sections(apps: Sequence[Mapping[str, Any]], *, address: str) -> list[dict[str, Any]]:
    """Django's list of apps, as the viewer may see it, as sections. A model that no section names keeps its app."""
    models = {model["model"]._meta.label_lower: model for app in apps for model in app["models"]}
    arranged: list[dict[str, Any]] = []
    for section in SECTIONS:
        shown = [
            {**models.pop(entry.model), "name": entry.name, "summary": entry.summary}
            for entry in section.entries
            if entry.model in models
        ]
        if shown:
            arranged.append(
                {
                    "name": section.title,
                    "app_label": section.key,
                    "app_url": address,
                    "has_module_perms": True,
                    "models": shown,
                }
            )
    for app in apps:
        if left := [model for model in app["models"] if model["model"]._meta.label_lower in models]:
            arranged.append({**app, "models": left})
    return arranged
