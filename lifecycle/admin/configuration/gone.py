"""A draft that is none any more: what became of it and by whom, and the pages to go on with."""

from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from audit.models import AdministrationEntry
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.pages import PageGone
from tenants.sentences.figures import say_timestamp
from tenants.services.accounts.members import name_members_then

OVERVIEW = "admin:tenants_configurationversion_changelist"
EDITOR = "admin:tenants_configurationversion_change"


def find_discarding(draft_id: object) -> AdministrationEntry | None:
    """How a draft of the tenant at hand was discarded; None if there was none. One statement."""
    try:
        key = UUID(str(draft_id))
    except ValueError:
        return None
    return AdministrationEntry.objects.filter(action="discard_draft", subject=str(key)).order_by("-id").first()


def draft_gone(draft_id: object, *, tenant: TenantRef) -> PageGone:
    """For a page of a draft that there is not: who discarded it, when and why, as far as it ever was this tenant's."""
    overview = (reverse(OVERVIEW), _("Go to the lifecycle"))
    entry = find_discarding(draft_id)
    if entry is None:
        return PageGone(_("There is no such draft or version. It may have been discarded."), overview)
    act = (entry.actor, entry.recorded_at)
    shown = {
        "who": name_members_then([act], tenant=tenant)[act],
        "when": say_timestamp(entry.recorded_at),
        "reason": entry.reason,
    }
    sentence = (
        _("%(who)s discarded this draft on %(when)s: “%(reason)s”")
        if entry.reason
        else _("%(who)s discarded this draft on %(when)s.")
    )
    return PageGone(sentence % shown, overview)


def draft_published(version: ConfigurationVersion, *, tenant: TenantRef) -> PageGone:
    """For a page of a draft that has become a version: by whom and when, and the way to that version."""
    assert version.published_at is not None  # noqa: S101  for the type checker
    act = (version.published_by, version.published_at)
    shown = {
        "who": name_members_then([act], tenant=tenant)[act],
        "when": say_timestamp(version.published_at),
        "number": version.number,
    }
    return PageGone(
        _("%(who)s published this draft as version %(number)s on %(when)s.") % shown,
        (reverse(EDITOR, args=[version.pk]), _("See version %(number)s") % shown),
        (reverse(OVERVIEW), _("Go to the lifecycle")),
    )


def draft_ended(draft_id: UUID, *, tenant: TenantRef) -> PageGone:
    """For a draft that was there a moment ago: it has become a version, or was discarded."""
    version = ConfigurationVersion.objects.filter(tenant_id=tenant.id, pk=draft_id, published_at__isnull=False).first()
    return draft_gone(draft_id, tenant=tenant) if version is None else draft_published(version, tenant=tenant)
