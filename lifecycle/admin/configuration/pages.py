"""The configuration's pages in the admin: who may open them, their addresses, their templates."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from uuid_utils.compat import uuid7

from lifecycle.admin.configuration import (
    drafts,
    effect_preview,
    ended_drafts,
    gone,
    health_pages,
    overview,
    publishing,
    rule_play,
)
from lifecycle.admin.configuration.json_text import write_json
from lifecycle.admin.configuration.judging import draw, read_live_state
from tenants.actors import TenantRef
from tenants.admin.base import TenantAdmin, identity_of, service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.definitions import LONGEST_COMMENT
from tenants.rules.configuration.starters import STARTERS
from tenants.services.accounts.members import name_members_then
from tenants.services.configuration.policies import policy_of
from tenants.services.configuration.versions import live_version, open_draft_once

LIVE, EMPTY = "live", "empty"
NO_TENANT = gettext_lazy("You have not opened a tenant's workspace. Choose one first.")


class NewDraftForm(forms.Form):
    """What a draft begins as, and what it is for."""

    base = forms.ChoiceField(label=gettext_lazy("Start from"), widget=forms.RadioSelect, initial=LIVE)
    comment = forms.CharField(
        label=gettext_lazy("Description"), max_length=LONGEST_COMMENT, required=False, widget=forms.TextInput
    )
    form_id = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, has_live: bool, initial: dict[str, Any]) -> None:
        super().__init__(data, initial={"form_id": uuid7(), **initial})
        base = self.fields["base"]
        assert isinstance(base, forms.ChoiceField)  # noqa: S101  for the type checker
        base.choices = [
            *([(LIVE, _("The live configuration"))] if has_live else []),
            *((key, f"{_(starter.title)}: {_(starter.summary)}") for key, starter in STARTERS.items()),
            (EMPTY, _("Nothing")),
        ]
        if initial.get("base") not in dict(base.choices):
            self.initial["base"] = LIVE if has_live else next(iter(STARTERS))

    def name_draft(self) -> UUID:
        """The id of the draft that it opens: one, also where the form is sent twice as it is."""
        asked = self.cleaned_data
        return uuid5(asked["form_id"] or uuid7(), f"{asked['base']} {asked['comment']}")


@admin.register(ConfigurationVersion)
class ConfigurationAdmin(TenantAdmin):
    """Drafts and versions of the lifecycle. Everything that changes something calls a service."""

    def get_urls(self) -> list[Any]:
        """The pages, under names that begin with ``configuration_``, before Django's own."""
        pages: list[tuple[str, Callable[..., Any], str]] = [
            ("moves", self.moves_view, "moves"),
            ("revert", self.revert_view, "revert"),
            ("<uuid:draft_id>/look", self.look_view, "look"),
            ("<uuid:draft_id>/try", self.try_view, "try"),
            ("<uuid:draft_id>/effects", self.effects_view, "effects"),
            ("<uuid:draft_id>/rules", self.rules_view, "rules"),
            ("<uuid:draft_id>/health", self.health_view, "health"),
            ("<uuid:draft_id>/publish", self.publish_view, "publish"),
            ("<uuid:draft_id>/discard", self.discard_view, "discard"),
            ("<uuid:version_id>/download", self.download_view, "download"),
        ]
        own = [
            path(address, self.admin_site.admin_view(view), name=f"configuration_{name}")
            for address, view, name in pages
        ]
        return own + super().get_urls()

    def changes_something(self, request: HttpRequest) -> bool:
        """Not the editor's buttons that only show the draft in another way."""
        return super().changes_something(request) and request.POST.get("do", "save") in ("save", "publish")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Anyone who works in a tenant's workspace: a draft is opened."""
        return identity_of(request).tenant is not None and self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """What is live, what is being moved, drafts and versions."""
        tenant = self._check(request)
        before, published = (_read_number(request.GET.get(name, "")) for name in ("before", "published"))
        context = overview.gather_overview(tenant, before=before, published=published)
        return self._page(request, "overview", {"title": _("Lifecycle"), **context})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Open a draft: from what is live, from a starter, or from nothing."""
        tenant = self._check(request)
        has_live = live_version(tenant) is not None
        form = NewDraftForm(request.POST or None, has_live=has_live, initial={"base": request.GET.get("base")})
        if request.method == "POST" and form.is_valid():
            base = form.cleaned_data["base"]
            document: Any = {"stages": []} if base == EMPTY else None
            if base in STARTERS:
                document = dict(STARTERS[base].document)
            draft = open_draft_once(
                form.name_draft(),
                document=document,
                comment=form.cleaned_data["comment"],
                **service_arguments(request),
            )
            return HttpResponseRedirect(reverse(gone.EDITOR, args=[draft.pk]))
        return self._page(request, "new_draft", {"title": _("New draft"), "form": form})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The editor of a draft; a published version, which cannot be changed, to be read."""
        tenant = self._check(request)
        try:
            version = self._find(object_id, tenant)
        except Http404:
            ended = ended_drafts.find_discarded(object_id, tenant=tenant) if request.method == "POST" else None
            if ended is None:
                raise
            return self._answer(request, "editor", ended_drafts.keep_work(request, ended), title=_("Draft"))
        if version.published_at is not None and "revision" in request.POST:
            ended = ended_drafts.describe_published(version, tenant=tenant)
            return self._answer(request, "editor", ended_drafts.keep_work(request, ended), title=_("Draft"))
        if version.published_at is not None:
            return self._show_version(request, version)
        answer = drafts.edit_draft(request, version)
        return self._answer(request, "editor", answer, title=_("Draft"))

    def moves_view(self, request: HttpRequest) -> HttpResponse:
        """The part of the overview that shows running moves; it asks for itself until they are done."""
        tenant = self._check(request)
        moves = overview.list_moves(tenant)
        response = self._page(request, "moves", {"moves": moves})
        if not moves:
            response.headers["HX-Refresh"] = "true"
        return response

    def look_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """What is wrong with a draft, and how it looks, while it is being edited. Nothing is saved."""
        tenant = self._check(request)
        draft = self._draft(draft_id, tenant)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return self._page(request, "look", drafts.look_at_draft(request, draft))

    def try_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """What a draft would do."""
        tenant = self._check(request)
        return self._answer(
            request, "try", publishing.try_draft(request, self._draft(draft_id, tenant)), title=_("Preview impact")
        )

    def effects_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """What an effect of a draft would say, to whom and when."""
        tenant = self._check(request)
        context = effect_preview.preview_effect(request, self._draft(draft_id, tenant))
        return self._page(request, "effects", {"title": _("Preview automations"), **context})

    def rules_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """What the at-risk rules of a draft would have done; ``part=play``: only what changes while they are played."""
        tenant = self._check(request)
        draft = self._draft(draft_id, tenant)
        if request.GET.get("part") == "play":
            return self._page(request, "play", rule_play.gather_play(draft, identity_of(request).tenant))
        return self._answer(request, "rules", rule_play.show_rules(request, draft), title=_("Test the rules"))

    def health_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """What a draft would make of the health of all customers; ``part=play``: only what changes as it is played."""
        tenant = self._check(request)
        draft = self._draft(draft_id, tenant)
        if request.GET.get("part") == "play":
            context = health_pages.gather_health_play(draft, identity_of(request).tenant)
            return self._page(request, "health_play", context)
        answer = health_pages.preview_health(request, draft)
        return self._answer(request, "health", answer, title=_("Preview health"))

    def publish_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """Publish a draft, after asking once more."""
        tenant = self._check(request)
        answer = publishing.publish(request, self._draft(draft_id, tenant))
        return self._answer(request, "publish", answer, title=_("Publish the draft"))

    def discard_view(self, request: HttpRequest, draft_id: UUID) -> HttpResponse:
        """Throw a draft away, after asking once more."""
        tenant = self._check(request)
        answer = publishing.discard(request, self._draft(draft_id, tenant))
        return self._answer(request, "discard", answer, title=_("Discard the draft"))

    def revert_view(self, request: HttpRequest) -> HttpResponse:
        """Take the live version back, after asking once more."""
        self._check(request)
        return self._answer(request, "revert", publishing.revert_version(request), title=_("Roll back"))

    def download_view(self, request: HttpRequest, version_id: UUID) -> HttpResponse:
        """The JSON of a draft or version as a file."""
        tenant = self._check(request)
        version = self._find(version_id, tenant)
        name = f"{tenant.slug}-{f'version-{version.number}' if version.number else 'draft'}.json"
        response = HttpResponse(f"{write_json(version.document)}\n", content_type="application/json")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _show_version(self, request: HttpRequest, version: ConfigurationVersion) -> HttpResponse:
        tenant = self._check(request)
        live_state, policy = read_live_state(tenant), policy_of(version)
        former = ConfigurationVersion.objects.filter(tenant_id=tenant.id, number=(version.number or 0) - 1).first()
        is_live = version.number == live_state.number
        assert version.published_at is not None  # noqa: S101  a draft has a page of its own
        published = (version.published_by, version.published_at)
        context = {
            "title": _("Version %(number)s") % {"number": version.number},
            "version": version,
            "is_live": is_live,
            "who": name_members_then([published], tenant=tenant)[published],
            "changes": overview.compare_versions(former, version),
            "lines": overview.describe_stages(policy, live_state.customers if is_live else None),
            "is_open": policy is not None and policy.configuration.is_open,
            "picture": draw(policy, live_state=live_state, renamed={}, alone=not is_live) if policy else None,
            "json": write_json(version.document),
        }
        return self._page(request, "version", context)

    def _check(self, request: HttpRequest) -> TenantRef:
        """The tenant at hand. Raises PermissionDenied for anyone who may not configure it, or has chosen none."""
        if not self.has_view_permission(request):
            raise PermissionDenied(_("Only tenant admins can change the lifecycle configuration."))
        tenant = identity_of(request).tenant
        if tenant is None:
            raise PermissionDenied(str(NO_TENANT))
        return tenant

    def _find(self, version_id: object, tenant: TenantRef) -> ConfigurationVersion:
        """A draft or version of the tenant at hand: row-level security shows no other. Raises PageGone."""
        try:
            version = ConfigurationVersion.objects.filter(pk=UUID(str(version_id))).first()
        except ValueError:
            version = None
        if version is None:
            raise gone.draft_gone(version_id, tenant=tenant)
        return version

    def _draft(self, draft_id: UUID, tenant: TenantRef) -> ConfigurationVersion:
        version = self._find(draft_id, tenant)
        if version.published_at is not None:
            raise gone.draft_published(version, tenant=tenant)
        return version

    def _answer(self, request: HttpRequest, page: str, answer: Any, *, title: str) -> HttpResponse:
        if isinstance(answer, HttpResponse):
            return answer
        return self._page(request, page, {"title": title, **answer})

    def _page(self, request: HttpRequest, page: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/configuration/{page}.html", {**shared, **context})


def _read_number(text: str) -> int | None:
    """The number of a version in an address."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
