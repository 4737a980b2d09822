"""The editor of a draft: rows or JSON, both the same document, judged as it is at every step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from audit.models import AdministrationEntry
from lifecycle.admin.configuration.comparison import compare_lines, shorten_comparison
from lifecycle.admin.configuration.fitting import means_same
from lifecycle.admin.configuration.folding import MOST_OPEN, fold_sheet
from lifecycle.admin.configuration.json_text import find_line, find_lines, write_json
from lifecycle.admin.configuration.judging import Judgement, LiveState, judge, read_live_state
from lifecycle.admin.configuration.layout import lay_out, lay_out_gone, read_target
from lifecycle.admin.configuration.places import Filed, file_findings, file_plan_findings, find_step
from lifecycle.admin.configuration.rows import CannotLayOut
from lifecycle.admin.configuration.sheet import Sheet
from lifecycle.admin.configuration.steps import TITLES, find_changed, list_steps
from lifecycle.admin.configuration.targets import list_targets_of_document
from lifecycle.admin.configuration.words import COMPARISONS, MOMENTS, RISK_ACTIONS, offer_figures, offer_paths
from lifecycle.admin.configuration.work import FORM, JSON, Work, open_work, read_work
from lifecycle.sentences.configuration import EVENTS, KIND_WORDS, SOURCE_WORDS
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.document import Finding
from tenants.rules.configuration.effect_kinds import RECIPIENTS, ROLES, TOPICS
from tenants.rules.configuration.errors import point
from tenants.rules.configuration.source_priority import source_roots
from tenants.rules.effect_texts import FIELDS
from tenants.sentences import describe_refusal
from tenants.services.accounts.members import name_members_then
from tenants.services.configuration.versions import ConfigurationConflict, NoSuchVersion, save_draft

# More are a wall to people; what is left is said when some are gone.
MOST_FILED: Final = 50


@dataclass(slots=True)
class LiveRow:
    """In the JSON view: a stage of today that the document names otherwise, or not at all."""

    stage: str
    customers: int
    renamed_to: str = ""
    to: str = ""
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)


def edit_draft(request: HttpRequest, draft: ConfigurationVersion) -> HttpResponse | dict[str, Any]:
    """Show the draft; change it in front of the caller; save it. Either an answer or the context of the page."""
    arguments = service_arguments(request)
    live_state = read_live_state(arguments["tenant"])
    if request.method != "POST":
        view = JSON if request.GET.get("view") == JSON else FORM
        work = open_work(draft, view=view)
        work.opened = frozenset(key for key in request.GET.getlist("open", ["stages"]) if key in TITLES)
        return gather_editor(draft, work, live_state=live_state)
    work = read_work(request, live_state=live_state)
    do = request.POST.get("do", "")
    if work.refusal or work.document is None:
        return gather_editor(draft, work, live_state=live_state)
    if do in (FORM, JSON):
        # The other view of what is in front of them, still unsaved.
        work.view, work.sheet, work.text = do, None, ""
        return gather_editor(draft, work, live_state=live_state)
    if do not in ("save", "publish"):
        return gather_editor(draft, work, live_state=live_state)
    if do == "publish" and work.revision == draft.revision and _is_saved(work, draft):
        return HttpResponseRedirect(reverse("admin:configuration_publish", args=[draft.pk]))
    try:
        saved = save_draft(
            draft.id,
            document=work.document,
            renamed=work.renamed,
            mapping=work.mapping,
            expected_revision=work.revision,
            comment=work.comment,
            **arguments,
        )
    except ConfigurationConflict as conflict:
        draft.refresh_from_db()
        if not _is_saved(work, draft):
            return gather_editor(draft, work, live_state=live_state, conflict=conflict)
        # The button was pressed twice: what is in front of them is what the first press has saved.
        saved = draft
    except NoSuchVersion as refusal:
        work.refusal = describe_refusal(refusal)
        return gather_editor(draft, work, live_state=live_state)
    messages.success(request, _("Draft saved as revision %(revision)s.") % {"revision": saved.revision})
    if do == "publish":
        return HttpResponseRedirect(reverse("admin:configuration_publish", args=[draft.pk]))
    address = reverse("admin:tenants_configurationversion_change", args=[draft.pk])
    opened = sorted(_find_opened(work, draft)) or [""]
    return HttpResponseRedirect(f"{address}?{urlencode({'view': work.view, 'open': opened}, doseq=True)}")


def _find_opened(work: Work, draft: ConfigurationVersion) -> frozenset[str]:
    """The steps that are open: those that were, and without a script what someone is at work on."""
    return work.opened if work.keeps_folds else work.opened | find_changed(work.document, draft.document)


def _is_saved(work: Work, draft: ConfigurationVersion) -> bool:
    """Whether the draft holds what is in front of the caller."""
    saved = (draft.document, draft.renamed, draft.mapping, draft.comment)
    return means_same((work.document, work.renamed, work.mapping, work.comment), saved)


def gather_editor(
    draft: ConfigurationVersion, work: Work, *, live_state: LiveState, conflict: ConfigurationConflict | None = None
) -> dict[str, Any]:
    """The context of the editor's page."""
    work.is_saved = not conflict and _is_saved(work, draft)
    context = gather_look(draft, work, live_state=live_state)
    return context | {
        "conflict": _describe_conflict(draft, work, conflict, live_state) if conflict else None,
        # After a conflict they have seen the other's work: saving again replaces it on purpose.
        "revision": conflict.current if conflict else work.revision,
        "choices": _list_choices(),
    }


def gather_look(draft: ConfigurationVersion, work: Work, *, live_state: LiveState) -> dict[str, Any]:
    """What is said about a draft as someone has it in front of them: findings, changes, the picture, the steps."""
    judgement = Judgement(())
    if work.document is not None:
        judgement = judge(
            work.document, renamed=work.renamed, mapping=work.mapping, live_state=live_state, is_upright=True
        )
    cannot_lay_out = ""
    if work.view == FORM and work.sheet is None:
        try:
            # Also what is being emptied can get another name, and keep its customers so.
            work.sheet = lay_out(work.document, renamed=work.renamed, live_stages=live_state.held)
        except CannotLayOut as refusal:
            work.view, cannot_lay_out = JSON, str(refusal)
    context: dict[str, Any] = {
        "draft": draft,
        "work": work,
        "live_state": live_state,
        "judgement": judgement,
        "cannot_lay_out": cannot_lay_out,
    }
    if work.view == FORM and work.sheet is not None:
        filed = _file_at_form(work.sheet, work, judgement, live_state)
        context |= {"sheet": work.sheet, "steps": list_steps(work.sheet, filed, opened=_find_opened(work, draft))}
    else:
        context |= _gather_text(work, judgement, live_state)
        filed = [Filed(finding, find_step(finding), "text") for finding in judgement.all_findings]
    return context | {"filed": filed[:MOST_FILED], "more_filed": max(0, len(filed) - MOST_FILED)}


def look_at_draft(request: HttpRequest, draft: ConfigurationVersion) -> dict[str, Any]:
    """The same of what a form holds while it is being filled in. Nothing is saved."""
    live_state = read_live_state(service_arguments(request)["tenant"])
    return gather_look(draft, read_work(request, live_state=live_state), live_state=live_state)


def _file_at_form(sheet: Sheet, work: Work, judgement: Judgement, live_state: LiveState) -> list[Filed]:
    lay_out_gone(sheet, live_stages=live_state.held, mapping=work.mapping, customers=live_state.customers)
    fold_sheet(sheet)
    filed = file_findings(sheet, work.document or {}, judgement.findings)
    return filed + file_plan_findings(sheet, judgement.plan_findings)


def _list_choices() -> dict[str, Any]:
    return {
        "categories": CATEGORIES,
        "events": EVENTS,
        "occasions": MOMENTS,
        "kinds": KIND_WORDS,
        "recipients": RECIPIENTS,
        "roles": ROLES,
        "sources": SOURCE_WORDS,
        "topics": TOPICS,
        "placeholders": FIELDS,
        "most_open": MOST_OPEN,
        "figures": offer_figures(),
        "comparisons": COMPARISONS,
        "actions": RISK_ACTIONS,
        "paths": offer_paths(),
        "roots": source_roots(),
    }


def _gather_text(work: Work, judgement: Judgement, live_state: LiveState) -> dict[str, Any]:
    # What is not JSON stays as it was typed; everything else is set out again, so that lines can be named.
    text = work.text if work.document is None else write_json(work.document)
    findings = judgement.all_findings
    lines = find_lines(work.document, [finding.path for finding in findings])
    names = _stage_names(work.document)
    rows = []
    for stage in live_state.held:
        is_there = stage in names and stage not in work.renamed and stage not in work.renamed.values()
        # What is no JSON names no stages. What was said of some is kept in the form until it is JSON again.
        is_unsaid = work.document is None and stage not in work.renamed and stage not in work.mapping
        if is_there or is_unsaid:
            continue
        to, reason = read_target(work.mapping.get(stage))
        row = LiveRow(stage, live_state.customers.get(stage, 0), work.renamed.get(stage, ""), to, reason)
        places = {point(key, stage) for key in ("renamed", "mapping")}
        row.findings = [finding for finding in judgement.plan_findings if finding.path in places]
        rows.append(row)
    return {
        "text": text,
        "lined_findings": [(find_line(lines, finding.path), finding) for finding in findings],
        "live_rows": rows,
        "stage_names": names,
        "targets": list_targets_of_document(names, work.document),
        # New names first. One of today can be taken as well, from a stage that goes away.
        "new_names": sorted(names, key=lambda name: name in live_state.stages),
    }


def _stage_names(document: Any) -> list[str]:
    stages = document.get("stages") if isinstance(document, Mapping) else None
    return [name for name in stages if isinstance(name, str)] if isinstance(stages, list) else []


def _describe_conflict(
    draft: ConfigurationVersion, work: Work, conflict: ConfigurationConflict, live_state: LiveState
) -> dict[str, Any]:
    """What the other one saved: who it was, and their document beside the caller's own."""
    last = AdministrationEntry.objects.filter(action="save_draft", subject=str(draft.pk)).order_by("-id").first()
    names = name_members_then([(last.actor, last.recorded_at)], tenant=live_state.tenant) if last else {}
    both = (write_json(text).split("\n") for text in (draft.document, work.document))
    return {
        "sentence": describe_refusal(conflict),
        "current": conflict.current,
        "who": names[last.actor, last.recorded_at] if last else "",
        "lines": list(shorten_comparison(compare_lines(*both))),
    }
