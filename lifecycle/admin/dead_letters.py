"""Dead letters in the admin, for internal staff: look, filter, replay after a fix, discard with a reason."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lifecycle.admin.coded import (
    DeadLetterFilter,
    DeadLetterStateFilter,
    name_dead_letter,
    name_dead_letter_state,
)
from lifecycle.admin.import_forms import read_count
from lifecycle.admin.naming import name_for_staff
from lifecycle.models import NO_TENANT, DeadLetter
from lifecycle.sentences import say, say_kept
from lifecycle.sentences.codes import name_source
from lifecycle.services.events.dead_letter_actions import (
    LONGEST_REASON,
    WAITS,
    DeadLetterRefused,
    Replayed,
    discard_dead_letters,
    open_message,
    replay_dead_letters,
)
from lifecycle.services.events.replay_agreement import MoreWouldStart
from lifecycle.services.events.replay_previews import MOST_FORESEEN, preview_replay
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from storage.servers import current_server, on_server
from tenants.admin.base import identity_of, is_super_admin, service_arguments
from tenants.admin.everywhere import OfAllServers, ValuesOfAllServers, on_each_server
from tenants.sentences.figures import say_number
from tenants.services.directory import PLATFORM

NOT_KEPT = gettext_lazy("(not kept)")


class ReasonForm(ActionForm):
    """The choice of an action, and why."""

    reason = forms.CharField(max_length=LONGEST_REASON, required=False, label=gettext_lazy("Reason (to discard)"))


@admin.register(DeadLetter)
class DeadLetterAdmin(OfAllServers):
    """Messages that could not be applied: of the tenant that a super admin works for, or of no tenant that is known."""

    list_display = ("failed_at", "tenant_slug", "type", "cause", "said", "came_from", "shown_state")
    list_filter = (
        ("state", DeadLetterStateFilter),
        ("code", DeadLetterFilter),
        ("type", ValuesOfAllServers),
        ("tenant_slug", ValuesOfAllServers),
    )
    unlisted = ("message", "key", "value", "headers", "subjects")
    search_fields = ("event_id", "tenant_slug")
    ordering = ("id",)
    action_form = ReasonForm
    actions = ("replay", "replay_starting", "discard")
    exclude = ("headers", "subjects", "resolved_by", "sentence", "message")
    needs_tenant = False
    readonly_fields = ("said", "who_resolved", "key_as_it_came", "headers_as_they_came", "value_as_it_came")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The tenant's; without a tenant those whose tenant is unknown."""
        if identity_of(request).tenant is None:
            return DeadLetter.objects.using(PLATFORM).filter(tenant_id=NO_TENANT).order_by(*self.ordering)
        return super().get_queryset(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Internal staff only: a message may speak of any tenant."""
        return is_super_admin(request)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The dead letter, with the name of who resolved it."""
        found = super().get_object(request, object_id, from_field)
        if found is not None and found.resolved_at is not None:
            found.resolver = name_for_staff(found.resolved_by, found.resolved_at, identity_of(request).tenant)
        return found

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may replay and discard."""
        return is_super_admin(request)

    @admin.action(description=gettext_lazy("Replay the selected failed events"), permissions=["decide"])
    def replay(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Through the consumer's own path; what fails again says why."""
        # Each with its own time, as by command: very many go on for long.
        actor = identity_of(request).actor()
        parts = (replay_dead_letters(part.order_by("id"), actor=actor) for part in _each_part(request, queryset))
        _report(request, chain.from_iterable(parts))

    @admin.action(
        description=gettext_lazy("Replay the selected failed events and start automations"), permissions=["decide"]
    )
    def replay_starting(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        """The same, so that it starts what it would have: first a page that names it, then no more than that."""
        servers = _list_servers(request, queryset)
        if len(servers) > 1:
            said = _(
                "Choose failed events of one database server at a time. Nothing was replayed. Servers: %(servers)s"
            )
            messages.error(request, said % {"servers": ", ".join(servers)})
            return None
        with on_server(servers[0] if servers else current_server(), apart=True):
            return self._replay_starting(request, queryset)

    def _replay_starting(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        dead_letters = list(queryset.order_by("id")[: MOST_FORESEEN + 1])
        try:
            preview = preview_replay(dead_letters, **_who(request))
        except DeadLetterRefused as refusal:
            messages.error(request, str(refusal))
            return None
        refused = ""
        if "seen_effects" in request.POST:
            try:
                agreement = preview.agree(read_count(request.POST.get("confirm_effects", request.POST["seen_effects"])))
            except EffectsUnconfirmed as unconfirmed:
                refused = say(unconfirmed.refused.message)
            else:
                agreed: dict[str, Any] = {"starts_effects": True, "agreement": agreement}
                _report(request, replay_dead_letters(dead_letters, actor=identity_of(request).actor(), **agreed))
                return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Replay and start automations"),
            "dead_letters": dead_letters,
            "effects": [
                {"name": name, "kind": kind, "count": count, "recipients": None}
                for (name, kind), count in preview.counts.items()
            ],
            "effects_total": len(preview.starting),
            "asks_for_number": preview.asks_for_number,
            "refusal": refused,
        }
        return TemplateResponse(request, "admin/dead_letters/replay.html", context)

    @admin.action(description=gettext_lazy("Discard the selected failed events"), permissions=["decide"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Destroy the bytes; the facts and the reason stay."""
        arguments = service_arguments(request)
        try:
            count = sum(
                discard_dead_letters(
                    part.order_by("id"),
                    reason=request.POST.get("reason", ""),
                    actor=arguments["actor"],
                    now=arguments["now"],
                )
                for part in _each_part(request, queryset)
            )
        except DeadLetterRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("%(count)s discarded.") % {"count": say_number(count)})

    @admin.display(description=gettext_lazy("Resolved by"))
    def who_resolved(self, dead_letter: DeadLetter) -> str:
        """Who replayed or discarded it."""
        return getattr(dead_letter, "resolver", "–")

    @admin.display(description=gettext_lazy("Cause"), ordering="code")
    def cause(self, dead_letter: DeadLetter) -> str:
        """Why it could not be applied, in a few words."""
        return name_dead_letter(dead_letter.code)

    @admin.display(description=gettext_lazy("What is wrong"), ordering="sentence")
    def said(self, dead_letter: DeadLetter) -> str:
        """What is wrong and what to do, in the reader's language where it was kept so that it can be."""
        return say_kept(dead_letter.message, dead_letter.code, dead_letter.sentence)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def shown_state(self, dead_letter: DeadLetter) -> str:
        """Whether it was dealt with, in words."""
        return name_dead_letter_state(dead_letter.state)

    @admin.display(description=gettext_lazy("source"), ordering="source")
    def came_from(self, dead_letter: DeadLetter) -> str:
        """Who sent it, as people call them; where it does not say, the topic it came by."""
        return name_source(dead_letter.source) if dead_letter.source else dead_letter.topic

    @admin.display(description=gettext_lazy("key"))
    def key_as_it_came(self, dead_letter: DeadLetter) -> str:
        """The key, readable."""
        return _readable(None if dead_letter.key is None else bytes(dead_letter.key))

    @admin.display(description=gettext_lazy("headers"))
    def headers_as_they_came(self, dead_letter: DeadLetter) -> str:
        """One header a line."""
        try:
            headers: Any = open_message(dead_letter).headers
        except DeadLetterRefused:
            return str(NOT_KEPT)
        return "\n".join(f"{name}: {_readable(value)}" for name, value in headers)

    @admin.display(description=gettext_lazy("value"))
    def value_as_it_came(self, dead_letter: DeadLetter) -> str:
        """The value, readable."""
        try:
            return _readable(open_message(dead_letter).value)
        except DeadLetterRefused:
            return str(NOT_KEPT)


def _list_servers(request: HttpRequest, queryset: QuerySet[DeadLetter]) -> list[str]:
    """The servers that have some of what was chosen; those of a tenant are where it lives."""
    if identity_of(request).tenant is not None:
        return [current_server()]
    return [server for server, part in on_each_server(queryset, "tenant_id") if part.exists()]


def _each_part(request: HttpRequest, queryset: QuerySet[DeadLetter]) -> Iterator[QuerySet[DeadLetter]]:
    """What was chosen, server by server, with this thread on each while its part is worked off.

    The server of the request's own transaction is the last: waiting for others, it would be ended as idle, after theirs
    were committed.
    """
    own = current_server()
    for server in sorted(_list_servers(request, queryset), key=lambda one: one == own):
        with on_server(server, apart=True):
            yield queryset


def _who(request: HttpRequest) -> dict[str, Any]:
    arguments = service_arguments(request)
    return {"actor": arguments["actor"], "now": arguments["now"]}


def _report(request: HttpRequest, replayed: Iterator[Replayed]) -> None:
    """Replay them, and say what became of each."""
    done = before = failed = 0
    try:
        for result in replayed:
            done += result.is_resolved and not result.was_resolved
            before += result.was_resolved
            failed += not result.is_resolved
            if not result.is_resolved:
                said = _("%(id)s failed again: %(why)s") % {"id": result.dead_letter_id, "why": result.sentence}
                messages.warning(request, said)
            elif result.waits:
                messages.warning(request, f"{result.dead_letter_id} {_(WAITS)}")
    except MoreWouldStart as refusal:
        messages.error(request, str(refusal))
        failed += 1
    if before:
        said = ngettext(
            "%(count)s had been replayed or discarded before. Nothing was done about it.",
            "%(count)s had been replayed or discarded before. Nothing was done about them.",
            before,
        )
        messages.warning(request, said % {"count": say_number(before)})
    if done or not (before or failed):
        messages.success(request, _("%(count)s replayed.") % {"count": say_number(done)})


def _readable(value: bytes | None) -> str:
    return _("(none)") if value is None else value.decode(errors="backslashreplace")
