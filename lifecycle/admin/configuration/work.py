"""What someone has in front of them while they edit a draft, as it was saved or as a form sends it back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.admin.configuration.documents import SameNameTwice, write_document, write_mapping, write_renamed
from lifecycle.admin.configuration.health_sheet import change_health
from lifecycle.admin.configuration.judging import LiveState
from lifecycle.admin.configuration.posted import change_rows, read_sheet
from lifecycle.admin.configuration.sheet import Sheet
from lifecycle.admin.configuration.source_rows import change_sources
from lifecycle.admin.configuration.steps import find_opened
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.definitions import LONGEST_COMMENT
from tenants.rules.configuration.document import Finding
from tenants.rules.strict_json import InvalidJson, parse_object
from tenants.rules.texts import unify_breaks
from tenants.sentences import describe_json, describe_refusal
from tenants.sentences.figures import say_number

LARGEST_FILE = 1_000_000
FORM, JSON = "form", "json"
CUT = gettext_lazy(
    "This form holds more rows, or more names of missing stages, than can be shown, so not all of it was read. "
    "Nothing was saved. Open the draft again, and edit it as JSON."
)


@dataclass(slots=True)
class Work:
    """What someone has in front of them: a document, saved or not, and how it is shown.

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
    # The steps of the form that are open; whether that is all that is known of them, as a script keeps it.
    opened: frozenset[str] = frozenset()
    keeps_folds: bool = False


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


def read_work(request: HttpRequest, *, live_state: LiveState) -> Work:
    """What a sent form holds, after what its button does to the rows."""
    post = request.POST
    revision = post.get("revision", "")
    work = Work(
        view=JSON if post.get("view") == JSON else FORM,
        revision=int(revision) if revision.isascii() and revision.isdecimal() and len(revision) < 10 else 0,
        comment=post.get("comment", "").replace("\x00", "").strip(),
        is_saved=False,
        opened=frozenset(find_opened(post.getlist("open"), post.get("do", ""))),
        keeps_folds="folds" in post,
    )
    if work.view == FORM:
        work.sheet = read_sheet(post)
        if work.sheet.is_cut:
            work.refusal = str(CUT)
        change_rows(work.sheet, post.get("do", ""))
        change_health(work.sheet.health, post.get("do", ""))
        change_sources(work.sheet.sources, post.get("do", ""))
        work.mapping, work.renamed = write_mapping(work.sheet), write_renamed(work.sheet)
        try:
            work.document = write_document(work.sheet)
        except SameNameTwice as refusal:
            work.refusal = describe_refusal(refusal)
            _file_same_name(work.sheet, refusal)
    else:
        _read_text(request, work)
        work.renamed, work.mapping = _read_places(post, live_state)
    if len(work.comment) > LONGEST_COMMENT:
        work.refusal = _("The description has %(length)s characters; at most %(most)s are kept.") % {
            "length": say_number(len(work.comment)),
            "most": LONGEST_COMMENT,
        }
    return work


def _file_same_name(sheet: Sheet, refusal: SameNameTwice) -> None:
    for row in sheet.stages:
        if row.name == refusal.name:
            row.findings["name"] = [Finding("", "duplicate", refusal.message, refusal.params)]


def _read_text(request: HttpRequest, work: Work) -> None:
    """JSON from the text field, or from a file, which wins."""
    post, upload = request.POST, request.FILES.get("file")
    work.text = unify_breaks(post.get("text", ""))
    subject = _("The text")
    if upload is not None:
        if (upload.size or 0) > LARGEST_FILE:
            sizes = {"size": say_number(upload.size or 0), "most": say_number(LARGEST_FILE)}
            work.refusal = _("The file has %(size)s bytes; a configuration has at most %(most)s.") % sizes
            return
        work.text, subject = upload.read().decode("utf-8", errors="replace"), _("The file")
    try:
        work.document = parse_object(work.text.encode("utf-8", errors="surrogatepass"))
    except InvalidJson as refusal:
        work.refusal = describe_json(refusal, subject=subject)
    if (size := len(json.dumps(work.document, ensure_ascii=False, separators=(",", ":")).encode())) > LARGEST_FILE:
        work.document = None
        work.refusal = _(
            "%(subject)s has %(size)s bytes; a configuration has at most %(most)s. Nothing was saved: shorten it."
        ) % {"subject": subject, "size": say_number(size), "most": say_number(LARGEST_FILE)}


def _read_places(post: Any, live_state: LiveState) -> tuple[dict[str, str], dict[str, Any]]:
    """What is said about stages that the text does not have: their names, and where the customers of others go."""
    renamed: dict[str, str] = {}
    mapping: dict[str, Any] = {}
    for index, stage in enumerate(post.getlist("live-stage")[:200]):
        name, to, reason = (_field(post, f"live-{part}", index) for part in ("name", "to", "reason"))
        if stage not in live_state.held:
            continue
        if name:
            renamed[stage] = name
        elif to:
            mapping[stage] = {"to": to} | ({"reason_code": reason} if reason else {})
    return renamed, mapping


def _field(post: Any, name: str, index: int) -> str:
    values = post.getlist(name)
    return values[index].replace("\x00", "").strip() if index < len(values) else ""
