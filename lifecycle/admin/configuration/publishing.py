"""Trying, publishing, discarding and rolling back: each a page that says what would happen, and one call."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import AdministrationEntry
from lifecycle.admin.configuration.gone import OVERVIEW, draft_ended
from lifecycle.admin.configuration.judging import LiveState, judge, judge_configuration, read_live_state
from lifecycle.admin.configuration.layout import read_target
from lifecycle.admin.configuration.overview import count_returning
from lifecycle.admin.configuration.sheet import GoneRow
from lifecycle.admin.configuration.targets import list_targets
from lifecycle.admin.import_forms import read_count
from lifecycle.sentences import say
from lifecycle.services.configuration.plans import MappingNeeded, complete_renames
from lifecycle.services.configuration.previews import Preview, preview_configuration
from lifecycle.services.configuration.publication import publish_draft, revert_publication
from lifecycle.services.configuration.returns import propose_mapping_back, rename_back
from lifecycle.services.transitions.effects_asked import read_budget
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.definitions import LONGEST_COMMENT
from tenants.rules.configuration.document import Configuration, Finding, InvalidConfiguration, read_configuration
from tenants.rules.configuration.errors import point
from tenants.rules.configuration.renames import name_replaced
from tenants.sentences import describe_refusal
from tenants.services.configuration.policies import policy_of
from tenants.services.configuration.versions import (
    REVERT,
    ConfigurationConflict,
    NoSuchVersion,
    discard_draft,
    live_version,
)

PageOrContext = HttpResponse | dict[str, Any]
ROLLED_BACK: Final = gettext_lazy("Version %(number)s is live: the former configuration again.")


class ReasonForm(forms.Form):
    """Why something is done, and what the caller had seen when they decided."""

    comment = forms.CharField(
        max_length=LONGEST_COMMENT,
        label=gettext_lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={
            "required": gettext_lazy("Enter a reason. It is kept with the version and in the administration log.")
        },
    )
    expected_version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    expected_revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput, required=False)


def try_draft(request: HttpRequest, draft: ConfigurationVersion) -> dict[str, Any]:
    """What the draft would do to the customers of today, and to what happened in the last 90 days."""
    configuration, findings = read_configuration(draft.document)
    return {"draft": draft, "preview": preview(draft, configuration, findings, service_arguments(request))}


def preview(
    draft: ConfigurationVersion,
    configuration: Configuration | None,
    findings: Sequence[Finding],
    arguments: Mapping[str, Any],
) -> Preview:
    """Try a draft, which was read already, on the live customers. Writes nothing."""
    return preview_configuration(
        configuration,
        findings,
        renamed=draft.renamed,
        mapping=draft.mapping,
        made_by=(arguments["actor"].name,),
        tenant=arguments["tenant"],
        now=arguments["now"],
    )


def publish(request: HttpRequest, draft: ConfigurationVersion) -> PageOrContext:
    """Ask once more, with everything that will happen; then publish."""
    arguments = service_arguments(request)
    form = ReasonForm(request.POST or None)
    found: list[Finding] = []
    if request.method == "POST" and form.is_valid():
        try:
            published = publish_draft(
                draft.id,
                expected_revision=form.cleaned_data["expected_revision"] or 0,
                expected_version=form.cleaned_data["expected_version"],
                comment=form.cleaned_data["comment"],
                **read_asked_effects(request.POST),
                **arguments,
            )
        except InvalidConfiguration as refusal:
            # They are listed above the form.
            found = refusal.errors
            form.add_error(None, _("Nothing was published: correct the errors first."))
        except NoSuchVersion as refusal:
            # As when one is discarded.
            raise draft_ended(draft.id, tenant=arguments["tenant"]) from refusal
        except (MappingNeeded, ConfigurationConflict) as refusal:
            form.add_error(None, describe_refusal(refusal))
        except EffectsUnconfirmed as refusal:
            form.add_error(None, say(refusal.refused.message))
        else:
            return _report(request, published.version, _("Version %(number)s is published."))
    live_state = read_live_state(arguments["tenant"])
    judgement = judge(draft.document, renamed=draft.renamed, mapping=draft.mapping, live_state=live_state)
    tried = preview(draft, judgement.configuration, judgement.findings, arguments)
    return {
        "draft": draft,
        "live_state": live_state,
        "form": _with_seen(form, live_state, draft.revision),
        "judgement": judgement,
        "errors": found or judgement.errors,
        "preview": tried,
        "start_effects": "start_effects" in request.POST,
        "asks_for_number": bool(tried.effects) and tried.effects_total > read_budget(arguments["tenant"]),
        "gone": (gone := _list_gone(draft, live_state, judgement.configuration)),
        # With a live version that today's rules cannot read there is nothing to compare: anything is another.
        "is_empty": bool(live_state.policy and judgement.configuration and not (judgement.changes or gone)),
    }


def read_asked_effects(post: QueryDict) -> dict[str, Any]:
    """Whether the moves are to start effects, and how many: the number that was typed, else the one that was shown."""
    if "start_effects" not in post:
        return {}
    typed = post.get("confirm_effects", post.get("seen_effects", ""))
    return {"starts_effects": True, "confirm_effects": read_count(typed)}


def discard(request: HttpRequest, draft: ConfigurationVersion) -> PageOrContext:
    """Throw a draft away, with a reason."""
    form = ReasonForm(request.POST or None)
    live_state = read_live_state(service_arguments(request)["tenant"])
    if request.method == "POST" and form.is_valid():
        try:
            discard_draft(
                draft.id,
                expected_revision=form.cleaned_data["expected_revision"] or 0,
                reason=form.cleaned_data["comment"],
                **service_arguments(request),
            )
        except NoSuchVersion as refusal:
            # Between our look and our turn: a button that was pressed twice, or another admin.
            raise draft_ended(draft.pk, tenant=live_state.tenant) from refusal
        except ConfigurationConflict as refusal:
            form.add_error(None, describe_refusal(refusal))
            draft.refresh_from_db()
        else:
            messages.success(request, _("Draft discarded."))
            return HttpResponseRedirect(reverse(OVERVIEW))
    return {"draft": draft, "form": _with_seen(form, live_state, draft.revision)}


def revert_version(request: HttpRequest) -> PageOrContext:
    """Ask once more, with what comes back; then publish the former version again."""
    arguments = service_arguments(request)
    live_state = read_live_state(arguments["tenant"])
    former = ConfigurationVersion.objects.filter(tenant_id=live_state.tenant.id, number=live_state.number - 1).first()
    undone, policy = live_state.version, policy_of(former)
    if undone is None or former is None or policy is None:
        messages.error(request, describe_refusal(NoSuchVersion("no_earlier_version")))
        return HttpResponseRedirect(reverse(OVERVIEW))
    form = ReasonForm(request.POST or None)
    stages = (*live_state.stages, *live_state.leaving)
    back = rename_back(undone, policy.configuration, stages=stages)
    proposed = propose_mapping_back(undone, former, policy.configuration, renamed=back, stages=stages)
    mapping = _read_mapping(request, live_state) if request.method == "POST" else proposed
    if request.method == "POST" and form.is_valid():
        try:
            published = revert_publication(
                comment=form.cleaned_data["comment"],
                expected_version=form.cleaned_data["expected_version"],
                mapping=mapping,
                **arguments,
            )
        except ConfigurationConflict as refusal:
            made = _find_made_before(form.cleaned_data, arguments)
            if made is not None:
                return _report(request, made, ROLLED_BACK)
            form.add_error(None, describe_refusal(refusal))
        except (InvalidConfiguration, MappingNeeded, NoSuchVersion) as refusal:
            form.add_error(None, describe_refusal(refusal))
        else:
            return _report(request, published.version, ROLLED_BACK)
    renamed = complete_renames(policy.configuration, back, stages=stages)
    judgement = judge_configuration(
        policy.configuration, renamed=back, mapping=mapping, live_state=live_state, is_return=True
    )
    return {
        "undone": undone,
        "former": former,
        "live_state": live_state,
        "form": _with_seen(form, live_state, 0),
        "changes": judgement.changes,
        "picture": judgement.picture,
        "returning": count_returning(undone, tenant=live_state.tenant),
        "gone": _gone_rows(live_state, set(policy.stages), renamed, mapping, judgement.plan_findings),
        "targets": list_targets(policy.configuration),
    }


def _find_made_before(asked: Mapping[str, Any], arguments: Mapping[str, Any]) -> ConfigurationVersion | None:
    """What the first press of a button has made that was pressed twice: the page of the second would say that someone
    else was faster, and offer to take the rollback back. Three statements.
    """
    live = live_version(arguments["tenant"])
    if live is None or live.number != asked["expected_version"] + 1:
        return None
    entries = AdministrationEntry.objects.filter(action=REVERT, subject=str(live.pk), reason=asked["comment"])
    return live if entries.filter(actor=arguments["actor"].name).exists() else None


def _read_mapping(request: HttpRequest, live_state: LiveState) -> dict[str, Any]:
    mapping = {}
    post = request.POST
    rows = zip(post.getlist("live-stage"), post.getlist("live-to"), post.getlist("live-reason"), strict=False)
    for stage, to, reason in rows:
        if stage in live_state.held and to:
            reason = reason.replace("\x00", "").strip()
            mapping[stage] = {"to": to.replace("\x00", "")} | ({"reason_code": reason} if reason else {})
    return mapping


def _list_gone(
    draft: ConfigurationVersion, live_state: LiveState, configuration: Configuration | None
) -> list[GoneRow]:
    names = draft.document.get("stages") if isinstance(draft.document, dict) else None
    present = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    if configuration is not None:
        # As they will be called: the JSON may have a blank too many, or another form of a letter.
        present = set(configuration.stages)
    replaced = name_replaced(draft.renamed, stages=live_state.held, new_stages=present)
    return _gone_rows(live_state, present, {**draft.renamed, **replaced}, draft.mapping, ())


def _gone_rows(
    live_state: LiveState,
    present: set[str],
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    findings: Sequence[Finding],
) -> list[GoneRow]:
    """Stages of today that go away, and where their customers go."""
    rows = []
    for stage in live_state.held:
        if renamed.get(stage, stage) in present:
            continue
        to, reason = read_target(mapping.get(stage))
        row = GoneRow(stage, live_state.customers.get(stage, 0), to, reason)
        if own := [finding for finding in findings if finding.path == point("mapping", stage)]:
            row.findings["to"] = own
        rows.append(row)
    return rows


def _with_seen(form: ReasonForm, live_state: LiveState, revision: int) -> ReasonForm:
    """The form with what the page shows now: after a conflict the caller decides again on what there is."""
    seen = {"expected_version": str(live_state.number), "expected_revision": str(revision)}
    if form.is_bound:
        form.data = {**form.data.dict(), **seen} if isinstance(form.data, QueryDict) else {**form.data, **seen}
    else:
        form.initial.update(seen)
    return form


def _report(request: HttpRequest, version: ConfigurationVersion, sentence: str | Promise) -> HttpResponse:
    """Say what was published. What becomes of its customers is said by the overview, as it is when that is read."""
    messages.success(request, str(sentence) % {"number": version.number})
    return HttpResponseRedirect(f"{reverse(OVERVIEW)}?published={version.number}")
