"""The editor of a draft: rows or JSON, both the same document, judged as it stands at every step."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit.models import AdministrationEntry
from lifecycle.admin.folding import MOST_OPEN, fold_sheet
from lifecycle.admin.judging import Judgement, Today, judge, look_at_today
from lifecycle.admin.layout import CannotLayOut, lay_out, lay_out_gone, read_target
from lifecycle.admin.places import file_faults, file_plan_faults
from lifecycle.admin.posted import change_rows, read_sheet
from lifecycle.admin.pretty import find_line, find_lines, write_json
from lifecycle.admin.sheet import SameNameTwice, Sheet, write_document, write_mapping, write_renamed
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.comparing import compare_lines, shorten_comparison
from tenants.rules.configuration.conditions import OPERATORS
from tenants.rules.configuration.definitions import CATEGORIES, EFFECT_KINDS, EFFECT_MOMENTS
from tenants.rules.configuration.document import Fault
from tenants.rules.configuration.events import event_fields, event_types
from tenants.rules.configuration.sections import RECIPIENTS
from tenants.rules.strict_json import BadJson, parse_object
from tenants.services.accounts.members import name_members
from tenants.services.configuration.versions import ConfigurationConflict, NoSuchVersion, save_draft

LONGEST_COMMENT = 500
LARGEST_FILE = 1_000_000
FORM, JSON = "form", "json"
CUT = (
    "This form holds more rows, or more names of missing stages, than can be shown, so not all of it was read. "
    "Nothing was saved. Open the draft again, and edit it as JSON."
)


@dataclass(slots=True)
class LiveRow:
    """In the JSON view: a stage of today that the document names otherwise, or not at all."""

    stage: str
    customers: int
    renamed_to: str = ""
    to: str = ""
    reason: str = ""
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class Work:
    """What somebody has in front of him: a document, saved or not, and how it is shown.

    ``text`` is JSON as typed; ``document`` None when it is none.
    """

    view: str
    revision: int
    comment: str
    document: Any = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, Any] = field(default_factory=dict)
    sheet: Sheet | None = None
    text: str = ""
    refusal: str = ""
    is_saved: bool = True


def open_work(draft: ConfigurationVersion, *, view: str) -> Work:
    """A draft as it was saved."""
    return Work(
        view=view,
        revision=draft.revision,
        comment=draft.comment,
        document=draft.document,
        renamed=draft.renamed,
        mapping=draft.mapping,
    )


def read_work(request: HttpRequest, *, today: Today) -> Work:
    """What a sent form holds, after what its button does to the rows."""
    post = request.POST
    revision = post.get("revision", "")
    work = Work(
        view=JSON if post.get("view") == JSON else FORM,
        revision=int(revision) if revision.isascii() and revision.isdecimal() and len(revision) < 10 else 0,
        comment=post.get("comment", "").replace("\x00", "").strip(),
        is_saved=False,
    )
    if work.view == FORM:
        work.sheet = read_sheet(post)
        if work.sheet.is_cut:
            work.refusal = CUT
        change_rows(work.sheet, post.get("do", ""))
        work.mapping, work.renamed = write_mapping(work.sheet), write_renamed(work.sheet)
        try:
            work.document = write_document(work.sheet)
        except SameNameTwice as refusal:
            work.refusal = str(refusal)
            _file_same_name(work.sheet, refusal)
    else:
        _read_text(request, work, today)
    if len(work.comment) > LONGEST_COMMENT:
        work.refusal = (
            f"What the draft is for has {len(work.comment):,} characters; at most {LONGEST_COMMENT} are kept."
        )
    return work


def _file_same_name(sheet: Sheet, refusal: SameNameTwice) -> None:
    for row in sheet.stages:
        if row.name == refusal.name:
            row.faults["name"] = [Fault("", "duplicate", str(refusal))]


def _read_text(request: HttpRequest, work: Work, today: Today) -> None:
    """JSON from the text field, or from a file, which wins; with what is said about stages that it does not have."""
    post, upload = request.POST, request.FILES.get("file")
    work.text = post.get("text", "").replace("\r\n", "\n")
    subject = "The text"
    if upload is not None:
        if (upload.size or 0) > LARGEST_FILE:
            work.refusal = f"The file has {upload.size:,} bytes; a configuration has at most {LARGEST_FILE:,}."
            return
        work.text, subject = upload.read().decode("utf-8", errors="replace"), "The file"
    try:
        work.document = parse_object(work.text.encode("utf-8", errors="surrogatepass"), subject=subject)
    except BadJson as refusal:
        work.refusal = str(refusal)
    if (size := len(json.dumps(work.document, ensure_ascii=False, separators=(",", ":")).encode())) > LARGEST_FILE:
        work.document = None
        work.refusal = (
            f"{subject} has {size:,} bytes; a configuration has at most {LARGEST_FILE:,}. "
            "Nothing was saved: shorten it."
        )
    renamed, mapping = {}, {}
    for index, stage in enumerate(post.getlist("live-stage")[:200]):
        name, to, reason = (_field(post, f"live-{part}", index) for part in ("name", "to", "reason"))
        if stage not in today.held:
            continue
        if name:
            renamed[stage] = name
        elif to:
            mapping[stage] = {"to": to} | ({"reason_code": reason} if reason else {})
    work.renamed, work.mapping = renamed, mapping


def _field(post: Any, name: str, index: int) -> str:
    values = post.getlist(name)
    return values[index].replace("\x00", "").strip() if index < len(values) else ""


def edit_draft(request: HttpRequest, draft: ConfigurationVersion) -> HttpResponse | dict[str, Any]:
    """Show the draft; change it in front of the caller; save it. Either an answer or the context of the page."""
    arguments = service_arguments(request)
    today = look_at_today(arguments["tenant"])
    if request.method != "POST":
        view = JSON if request.GET.get("view") == JSON else FORM
        return gather_editor(draft, open_work(draft, view=view), today=today)
    work = read_work(request, today=today)
    do = request.POST.get("do", "")
    if work.refusal or work.document is None:
        return gather_editor(draft, work, today=today)
    if do in (FORM, JSON):
        # The other view of what is in front of him, still unsaved.
        work.view, work.sheet, work.text = do, None, ""
        return gather_editor(draft, work, today=today)
    if do not in ("save", "publish"):
        return gather_editor(draft, work, today=today)
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
        return gather_editor(draft, work, today=today, conflict=conflict)
    except NoSuchVersion as refusal:
        work.refusal = str(refusal)
        return gather_editor(draft, work, today=today)
    messages.success(request, f"Draft saved as revision {saved.revision}.")
    if do == "publish":
        return HttpResponseRedirect(reverse("admin:configuration_publish", args=[draft.pk]))
    address = reverse("admin:tenants_configurationversion_change", args=[draft.pk])
    return HttpResponseRedirect(f"{address}?view={work.view}")


def _is_saved(work: Work, draft: ConfigurationVersion) -> bool:
    """Whether the draft holds what is in front of the caller."""
    saved = (draft.document, draft.renamed, draft.mapping, draft.comment)
    return (work.document, work.renamed, work.mapping, work.comment) == saved


def gather_editor(
    draft: ConfigurationVersion, work: Work, *, today: Today, conflict: ConfigurationConflict | None = None
) -> dict[str, Any]:
    """The context of the editor's page."""
    judgement = judge(work.document, renamed=work.renamed, mapping=work.mapping, today=today)
    if work.document is None:
        judgement = Judgement(())
    work.is_saved = not conflict and _is_saved(work, draft)
    cannot_lay_out = ""
    if work.view == FORM and work.sheet is None:
        try:
            work.sheet = lay_out(work.document, renamed=work.renamed, live_stages=today.stages)
        except CannotLayOut as refusal:
            work.view, cannot_lay_out = JSON, str(refusal)
    context: dict[str, Any] = {
        "draft": draft,
        "work": work,
        "today": today,
        "judgement": judgement,
        "cannot_lay_out": cannot_lay_out,
        "fault_list": [
            (_find_section(fault, work.view), fault) for fault in (*judgement.faults, *judgement.plan_faults)
        ],
        "conflict": _describe_conflict(draft, work, conflict, today) if conflict else None,
        # After a conflict he has seen the other's work: saving again replaces it on purpose.
        "revision": conflict.current if conflict else work.revision,
    }
    if work.view == FORM and work.sheet is not None:
        return context | _gather_form(work.sheet, work, judgement, today)
    return context | _gather_text(work, judgement, today)


def _find_section(fault: Fault, view: str) -> str:
    """The id of the part of the page that a fault is about."""
    head = fault.path.split("/")[1] if "/" in fault.path else ""
    if head == "mapping":
        return "gone"
    if view == JSON:
        return "text"
    return head if head in ("transitions", "event_rules", "effects") else "stages"


def _gather_form(sheet: Sheet, work: Work, judgement: Judgement, today: Today) -> dict[str, Any]:
    lay_out_gone(sheet, live_stages=today.held, mapping=work.mapping, customers=today.customers)
    file_faults(sheet, work.document or {}, judgement.faults)
    file_plan_faults(sheet, judgement.plan_faults)
    fold_sheet(sheet)
    return {
        "sheet": sheet,
        "choices": {
            "categories": CATEGORIES,
            "events": event_types(),
            "operators": OPERATORS,
            "moments": EFFECT_MOMENTS,
            "kinds": EFFECT_KINDS,
            "fields": sorted(frozenset[str]().union(*map(event_fields, event_types()))),
            "recipients": RECIPIENTS,
            "most_open": MOST_OPEN,
        },
    }


def _gather_text(work: Work, judgement: Judgement, today: Today) -> dict[str, Any]:
    # What is not JSON stays as it was typed; everything else is set out anew, so that lines can be named.
    text = work.text if work.document is None else write_json(work.document)
    faults = (*judgement.faults, *judgement.plan_faults)
    lines = find_lines(work.document, [fault.path for fault in faults])
    names = _stage_names(work.document)
    rows = []
    for stage in today.held:
        if stage in names and stage not in work.renamed and stage not in work.renamed.values():
            continue
        to, reason = read_target(work.mapping.get(stage))
        row = LiveRow(stage, today.customers.get(stage, 0), work.renamed.get(stage, ""), to, reason)
        row.faults = [fault for fault in judgement.plan_faults if fault.path.rpartition("/")[2] == stage]
        rows.append(row)
    return {
        "text": text,
        "lined_faults": [(find_line(lines, fault.path), fault) for fault in faults],
        "live_rows": rows if work.document is not None else [],
        "stage_names": names,
        # New names first. One of today can be taken as well, from a stage that goes away.
        "new_names": sorted(names, key=lambda name: name in today.stages),
    }


def _stage_names(document: Any) -> list[str]:
    stages = document.get("stages") if isinstance(document, Mapping) else None
    return [name for name in stages if isinstance(name, str)] if isinstance(stages, list) else []


def _describe_conflict(
    draft: ConfigurationVersion, work: Work, conflict: ConfigurationConflict, today: Today
) -> dict[str, Any]:
    """What the other one saved: who it was, and his document beside the caller's own."""
    last = AdministrationEntry.objects.filter(action="save_draft", subject=str(draft.pk)).order_by("-id").first()
    names = name_members([last.actor], tenant=today.tenant) if last else {}
    both = (write_json(text).split("\n") for text in (draft.document, work.document))
    return {
        "sentence": str(conflict),
        "current": conflict.current,
        "who": names[last.actor] if last else "",
        "lines": list(shorten_comparison(compare_lines(*both))),
    }
