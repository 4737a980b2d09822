"""Trying, publishing, discarding and taking back: each a page that says what would happen, and one call."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from lifecycle.admin.drafts import LONGEST_COMMENT
from lifecycle.admin.judging import Today, compile_version, draw, judge, look_at_today
from lifecycle.admin.layout import read_target
from lifecycle.admin.overview import compare_versions, count_returning
from lifecycle.admin.sheet import GoneRow
from lifecycle.services.configuration.previews import Preview, preview_configuration
from lifecycle.services.configuration.publication import (
    MappingNeeded,
    Publication,
    complete_renames,
    propose_mapping_back,
    publish_draft,
    rename_back,
    take_back,
)
from lifecycle.services.configuration.stage_migrations import move_after_commit
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.errors import Fault, InvalidConfiguration, point
from tenants.rules.configuration.renames import name_replaced
from tenants.services.configuration.versions import ConfigurationConflict, NoSuchVersion, discard_draft

OVERVIEW = "admin:tenants_configurationversion_changelist"
EDITOR = "admin:tenants_configurationversion_change"

Answer = HttpResponse | dict[str, Any]


class ReasonForm(forms.Form):
    """Why something is done, and what the caller had seen when he decided."""

    comment = forms.CharField(
        max_length=LONGEST_COMMENT,
        label="Reason",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Enter a reason. It is kept with the version and in the administration log."},
    )
    expected_version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    expected_revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput, required=False)


def try_draft(request: HttpRequest, draft: ConfigurationVersion) -> dict[str, Any]:
    """What the draft would do to the customers of today, and to what happened in the last 90 days."""
    arguments = service_arguments(request)
    return {"draft": draft, "preview": preview(draft, arguments)}


def preview(draft: ConfigurationVersion, arguments: Mapping[str, Any]) -> Preview:
    """Try a draft on the live customers. Writes nothing."""
    return preview_configuration(
        draft.document,
        renamed=draft.renamed,
        mapping=draft.mapping,
        tenant=arguments["tenant"],
        now=arguments["now"],
    )


def publish(request: HttpRequest, draft: ConfigurationVersion) -> Answer:
    """Ask once more, with everything that will happen; then publish."""
    arguments = service_arguments(request)
    form = ReasonForm(request.POST or None)
    faults: tuple[Fault, ...] = ()
    if request.method == "POST" and form.is_valid():
        try:
            published = publish_draft(
                draft.id,
                expected_revision=form.cleaned_data["expected_revision"] or 0,
                expected_version=form.cleaned_data["expected_version"],
                comment=form.cleaned_data["comment"],
                **arguments,
            )
        except InvalidConfiguration as refusal:
            faults = refusal.faults
            form.add_error(None, str(refusal))
        except (MappingNeeded, ConfigurationConflict, NoSuchVersion) as refusal:
            form.add_error(None, str(refusal))
        else:
            return _tell(request, published, "is published")
    today = look_at_today(arguments["tenant"])
    judgement = judge(draft.document, renamed=draft.renamed, mapping=draft.mapping, today=today)
    return {
        "draft": draft,
        "today": today,
        "form": _with_seen(form, today, draft.revision),
        "judgement": judgement,
        "faults": faults or judgement.errors,
        "preview": preview(draft, arguments),
        "gone": (gone := _list_gone(draft, today)),
        "is_empty": bool(today.number and judgement.configuration and not (judgement.changes or gone)),
    }


def discard(request: HttpRequest, draft: ConfigurationVersion) -> Answer:
    """Throw a draft away, with a reason."""
    form = ReasonForm(request.POST or None)
    today = look_at_today(service_arguments(request)["tenant"])
    if request.method == "POST" and form.is_valid():
        try:
            discard_draft(
                draft.id,
                expected_revision=form.cleaned_data["expected_revision"] or 0,
                reason=form.cleaned_data["comment"],
                **service_arguments(request),
            )
        except (ConfigurationConflict, NoSuchVersion) as refusal:
            form.add_error(None, str(refusal))
            draft.refresh_from_db()
        else:
            messages.success(request, "Draft discarded.")
            return HttpResponseRedirect(reverse(OVERVIEW))
    return {"draft": draft, "form": _with_seen(form, today, draft.revision)}


def take_back_version(request: HttpRequest) -> Answer:
    """Ask once more, with what comes back; then publish the former version again."""
    arguments = service_arguments(request)
    today = look_at_today(arguments["tenant"])
    former = ConfigurationVersion.objects.filter(tenant_id=today.tenant.id, number=today.number - 1).first()
    undone, policy = today.version, compile_version(former)
    if undone is None or former is None or policy is None:
        messages.error(request, "There is no earlier version to roll back to.")
        return HttpResponseRedirect(reverse(OVERVIEW))
    form = ReasonForm(request.POST or None)
    stages = (*today.stages, *today.leaving)
    proposed = propose_mapping_back(undone, former, stages=stages)
    mapping = _read_mapping(request, today) if request.method == "POST" else proposed
    if request.method == "POST" and form.is_valid():
        try:
            published = take_back(
                comment=form.cleaned_data["comment"],
                expected_version=form.cleaned_data["expected_version"],
                mapping=mapping,
                **arguments,
            )
        except (InvalidConfiguration, MappingNeeded, ConfigurationConflict, NoSuchVersion) as refusal:
            form.add_error(None, str(refusal))
        else:
            return _tell(request, published, "is live: the former configuration again")
    back = rename_back(undone, former, stages=stages)
    judgement = judge(former.document, renamed=back, mapping=mapping, today=today, is_return=True)
    renamed = complete_renames(policy.configuration, back, stages=stages)
    return {
        "undone": undone,
        "former": former,
        "today": today,
        "form": _with_seen(form, today, 0),
        "changes": compare_versions(undone, _as_next(former, renamed)),
        "picture": draw(policy, today=today, renamed=renamed),
        "returning": count_returning(undone, tenant=today.tenant),
        "gone": _gone_rows(today, set(policy.stages), renamed, mapping, judgement.plan_faults),
        "stage_names": policy.stages,
    }


def _as_next(former: ConfigurationVersion, renamed: Mapping[str, str]) -> ConfigurationVersion:
    """The former version as it would come after the live one, for the comparison."""
    return ConfigurationVersion(number=former.number, document=former.document, renamed=dict(renamed))


def _read_mapping(request: HttpRequest, today: Today) -> dict[str, Any]:
    mapping = {}
    post = request.POST
    rows = zip(post.getlist("live-stage"), post.getlist("live-to"), post.getlist("live-reason"), strict=False)
    for stage, to, reason in rows:
        if stage in today.held and to:
            reason = reason.replace("\x00", "").strip()
            mapping[stage] = {"to": to.replace("\x00", "")} | ({"reason_code": reason} if reason else {})
    return mapping


def _list_gone(draft: ConfigurationVersion, today: Today) -> list[GoneRow]:
    names = draft.document.get("stages") if isinstance(draft.document, dict) else None
    present = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    replaced = name_replaced(draft.renamed, stages=today.held, new_stages=present)
    return _gone_rows(today, present, {**draft.renamed, **replaced}, draft.mapping, ())


def _gone_rows(
    today: Today,
    present: set[str],
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    faults: tuple[Fault, ...],
) -> list[GoneRow]:
    """Stages of today that go away, and where their customers go."""
    rows = []
    for stage in today.held:
        if renamed.get(stage, stage) in present:
            continue
        to, reason = read_target(mapping.get(stage))
        row = GoneRow(stage, today.customers.get(stage, 0), to, reason)
        if own := [fault for fault in faults if fault.path == point("mapping", stage)]:
            row.faults["to"] = own
        rows.append(row)
    return rows


def _with_seen(form: ReasonForm, today: Today, revision: int) -> ReasonForm:
    """The form with what the page shows now: after a conflict the caller decides anew on what there is."""
    seen = {"expected_version": str(today.number), "expected_revision": str(revision)}
    if form.is_bound:
        form.data = {**form.data.dict(), **seen} if isinstance(form.data, QueryDict) else {**form.data, **seen}
    else:
        form.initial.update(seen)
    return form


def _tell(request: HttpRequest, published: Publication, what: str) -> HttpResponse:
    """Say what became of it; small moves are made right after the commit, the worker does the rest."""
    arguments = service_arguments(request)
    move_after_commit(arguments["tenant"], now=arguments["now"])
    total = sum(move.total for move in published.moves)
    moving = f" {total:,} {'customer is' if total == 1 else 'customers are'} being moved." if total else ""
    messages.success(request, f"Version {published.version.number} {what}.{moving}")
    return HttpResponseRedirect(reverse(OVERVIEW))
