"""A draft that someone else published or discarded while it was being edited: what was written becomes a new draft."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from lifecycle.admin.configuration.drafts import gather_editor
from lifecycle.admin.configuration.gone import EDITOR, find_discarding
from lifecycle.admin.configuration.judging import read_live_state
from lifecycle.admin.configuration.work import read_work
from tenants.actors import TenantRef
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.services.accounts.members import name_members_then
from tenants.services.configuration.versions import open_draft_once


@dataclass(frozen=True, slots=True)
class Ended:
    """A draft that is none any more, and the sentence that says what became of it, and by whom."""

    draft: ConfigurationVersion
    sentence: str


def find_discarded(draft_id: object, *, tenant: TenantRef) -> Ended | None:
    """A draft of this tenant that was discarded; None if there was none. At most two statements."""
    entry = find_discarding(draft_id)
    if entry is None:
        return None
    key = UUID(entry.subject)
    act = (entry.actor, entry.recorded_at)
    who = name_members_then([act], tenant=tenant)[act]
    sentence = _("%(who)s discarded this draft while you were editing it.") % {"who": who}
    return Ended(ConfigurationVersion(id=key, tenant_id=tenant.id, document={"stages": []}), sentence)


def describe_published(version: ConfigurationVersion, *, tenant: TenantRef) -> Ended:
    """A draft that has become a version. One statement."""
    assert version.published_at is not None  # noqa: S101  for the type checker
    act = (version.published_by, version.published_at)
    who = name_members_then([act], tenant=tenant)[act]
    sentence = _("%(who)s published this draft as version %(number)s while you were editing it.")
    return Ended(version, sentence % {"who": who, "number": version.number})


def keep_work(request: HttpRequest, ended: Ended) -> HttpResponse | dict[str, Any]:
    """Keep what is in front of the caller: saved, as a draft of its own; else in the form, with what has happened.

    Renames and places of stages that are gone by now are left out of the new draft: they are done, or about nothing.
    """
    arguments = service_arguments(request)
    live_state = read_live_state(arguments["tenant"])
    work = read_work(request, live_state=live_state)
    if request.POST.get("do") not in ("save", "publish") or work.refusal or work.document is None:
        kept = _("Save the draft to keep what is in front of you as a new draft.")
        work.refusal = " ".join(filter(None, (ended.sentence, kept, work.refusal)))
        return gather_editor(ended.draft, work, live_state=live_state)
    # One, also where the button was pressed twice.
    kept_as = json.dumps([arguments["actor"].name, work.comment, work.document], sort_keys=True)
    draft = open_draft_once(
        uuid5(ended.draft.pk, kept_as),
        document=work.document,
        renamed={stage: name for stage, name in work.renamed.items() if stage in live_state.held},
        mapping={stage: place for stage, place in work.mapping.items() if stage in live_state.held},
        comment=work.comment,
        **arguments,
    )
    kept = _("What you had in front of you is kept as this new draft.")
    messages.warning(request, f"{ended.sentence} {kept}")
    return HttpResponseRedirect(reverse(EDITOR, args=[draft.pk]))
