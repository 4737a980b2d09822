"""Importing customers in the browser: upload, columns and first rows, dry run, progress, rejected lines."""

from collections.abc import Callable
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.admin.import_forms import (
    describe_columns,
    describe_effects,
    list_fields,
    name_state,
    read_as_of,
    read_count,
    read_mapping,
    show_run,
)
from lifecycle.admin.import_forms import download_rejects as build_download
from lifecycle.models import ImportUpload
from lifecycle.sentences import say
from lifecycle.services.imports.columns import MappingRefused
from lifecycle.services.imports.encoding_names import list_encodings
from lifecycle.services.imports.kinds import CSV, NDJSON
from lifecycle.services.imports.parts import UploadGone, read_facts
from lifecycle.services.imports.texts import FileRefused
from lifecycle.services.imports.uploads import (
    GONE,
    KEPT,
    LARGEST,
    MOST_KEPT,
    UploadRefused,
    can_go_on,
    choose_columns,
    choose_encoding,
    discard_upload,
    find_upload,
    go_on_with_import,
    list_uploads,
    record_download,
    show_rows,
    start_run,
    stop_run,
    store_upload,
)
from tenants.actors import TenantRef
from tenants.admin.base import TenantAdmin, identity_of, service_arguments
from tenants.pages import PageGone
from tenants.rules.values import InvalidValue
from tenants.sentences import describe_value
from tenants.services.accounts.members import name_members_then

LIST = "admin:lifecycle_importupload_changelist"
PAGE = "admin:lifecycle_importupload_change"
KINDS = {
    "": gettext_lazy("Detect from the file name"),
    CSV: gettext_lazy("CSV"),
    NDJSON: gettext_lazy("NDJSON, one object per line"),
}
State = ImportUpload.State
# The states that buttons lead to.
BEGINS = {
    "encoding": State.READING,
    "check": State.CHECKING,
    "import": State.IMPORTING,
    "go_on": State.IMPORTING,
}
NO_TENANT = gettext_lazy("You have not opened a tenant's workspace. Choose one first.")


@admin.register(ImportUpload)
class ImportAdmin(TenantAdmin):
    """Files to import customers from. Everything that changes something calls a service."""

    def get_urls(self) -> list[Any]:
        """The pages, under names that begin with ``import_``, before Django's own."""
        pages: list[tuple[str, Callable[..., Any], str]] = [
            ("<uuid:upload_id>/progress", self.progress_view, "progress"),
            ("<uuid:upload_id>/rejects", self.rejects_view, "rejects"),
            ("<uuid:upload_id>/discard", self.discard_view, "discard"),
        ]
        own = [path(address, self.admin_site.admin_view(view), name=f"import_{name}") for address, view, name in pages]
        return own + super().get_urls()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Those who work for a tenant."""
        return identity_of(request).tenant is not None and self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The files that are kept, and the form to upload another."""
        return self._show_list(request, self._tenant(request))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Take a file, and have it read."""
        tenant = self._tenant(request)
        if request.method != "POST":
            return self._show_list(request, tenant)
        file = request.FILES.get("file")
        kind = request.POST.get("kind", "")
        if not isinstance(file, UploadedFile) or file.file is None or kind not in KINDS:
            return self._show_list(request, tenant, refusal=_("Choose a file to upload."))
        try:
            upload = store_upload(
                cast("BinaryIO", file.file),
                name=file.name or "",
                size=file.size or 0,
                kind=kind,
                **service_arguments(request),
            )
        except FileRefused as refusal:
            return self._show_list(request, tenant, refusal=f"{refusal.on_page} {_('Nothing was kept.')}")
        except UploadRefused as refusal:
            return self._show_list(request, tenant, refusal=str(refusal))
        return HttpResponseRedirect(reverse(PAGE, args=[upload.pk]))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """One file: how far it is, and what can be decided about it."""
        tenant = self._tenant(request)
        upload = self._find(object_id, tenant)
        refusal = ""
        if request.method == "POST":
            try:
                self._decide(request, upload)
            except MappingRefused as error:
                refusal = error.on_page
            except UploadRefused as error:
                if _is_done(request, self._find(object_id, tenant)):
                    return HttpResponseRedirect(reverse(PAGE, args=[upload.pk]))
                refusal = str(error)
            except InvalidValue as error:
                refusal = describe_value(error)
            else:
                return HttpResponseRedirect(reverse(PAGE, args=[upload.pk]))
            upload = self._find(object_id, tenant)
        return self._show(request, upload, tenant, refusal=refusal)

    def progress_view(self, request: HttpRequest, upload_id: UUID) -> HttpResponse:
        """The part of the page that shows how far it is; the whole page is loaded again when that is over."""
        tenant = self._tenant(request)
        upload = find_upload(upload_id, tenant=tenant)
        if upload is None or not upload.is_active:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return self._page(request, "progress", {"upload": upload, "state": name_state(upload)})

    def rejects_view(self, request: HttpRequest, upload_id: UUID) -> Any:
        """The rejected lines as a file that can be corrected and uploaded again."""
        upload = self._find(upload_id, self._tenant(request))
        if not upload.rejected:
            raise PageGone(_("No line was rejected."), (reverse(PAGE, args=[upload.pk]), _("Back to the file")))
        arguments = service_arguments(request)
        record_download(upload, actor=arguments["actor"], now=arguments["now"])
        return build_download(upload)

    def discard_view(self, request: HttpRequest, upload_id: UUID) -> HttpResponse:
        """Destroy a file, after asking once more."""
        upload = self._find(upload_id, self._tenant(request))
        if request.method == "POST":
            try:
                discard_upload(upload.id, **service_arguments(request))
            except UploadRefused as refusal:
                messages.error(request, str(refusal))
            else:
                said = _("“%(name)s” is discarded. What was imported of it stays.")
                messages.success(request, said % {"name": upload.name})
            return HttpResponseRedirect(reverse(LIST))
        return self._page(request, "discard", {"title": _("Discard the file"), "upload": upload})

    def _decide(self, request: HttpRequest, upload: ImportUpload) -> None:
        post, arguments = request.POST, service_arguments(request)
        seen, do = _read_revision(request), post.get("do", "")
        if do == "stop":
            stop_run(upload.id, revision=seen, **arguments)
        elif do == "go_on":
            go_on_with_import(upload.id, revision=seen, **arguments)
        elif do == "encoding":
            choose_encoding(upload.id, encoding=post.get("encoding", ""), revision=seen, **arguments)
        elif do in ("columns", "check", "import") and upload.state == ImportUpload.State.READY:
            facts = read_facts(upload)
            mapping, as_of = read_mapping(post, facts), read_as_of(post.get("as_of", ""))
            seen = choose_columns(upload.id, mapping=mapping, as_of=as_of, revision=seen, **arguments)
            if do != "columns":
                start_run(
                    upload.id,
                    dry_run=do == "check",
                    revision=seen,
                    starts_effects="start_effects" in post,
                    confirmed=read_count(post.get("confirm_effects", "")),
                    **arguments,
                )
        else:
            raise UploadRefused("upload_in_another_state")

    def _show_list(self, request: HttpRequest, tenant: TenantRef, *, refusal: str = "") -> HttpResponse:
        uploads = list_uploads(tenant)
        names = name_members_then([(upload.created_by, upload.created_at) for upload in uploads], tenant=tenant)
        context = {
            "title": _("Import customers"),
            "uploads": [
                (upload, names[upload.created_by, upload.created_at], name_state(upload)) for upload in uploads
            ],
            "refusal": refusal,
            "kinds": KINDS.items(),
            "largest": LARGEST,
            "most_kept": MOST_KEPT,
            "kept_hours": KEPT.total_seconds() // 3600,
        }
        return self._page(request, "list", context)

    def _show(self, request: HttpRequest, upload: ImportUpload, tenant: TenantRef, *, refusal: str) -> HttpResponse:
        facts = read_facts(upload)
        asked = [(upload.created_by, upload.created_at)]
        if upload.started_at is not None:
            asked.append((upload.started_by, upload.started_at))
        people = name_members_then(asked, tenant=tenant)
        context = {
            "title": upload.name,
            "upload": upload,
            "state": name_state(upload),
            "facts": facts,
            "refusal": refusal,
            "who": people[asked[0]],
            "starter": people[asked[-1]],
            "encodings": list_encodings(),
            "until": upload.created_at + KEPT,
            "run": show_run(upload),
            "is_imported": upload.last_run == ImportUpload.State.IMPORTING or upload.state == ImportUpload.State.DONE,
            "can_go_on": can_go_on(upload, facts),
        }
        if upload.state == ImportUpload.State.READY:
            try:
                rows = show_rows(upload, facts)
            except UploadGone:
                raise _file_gone() from None
            context |= {"fields": list_fields(), **describe_columns(facts, rows, request.POST)}
            # What was just sent and refused stays as it was typed: without it the file would count as exported now.
            context["typed_as_of"] = request.POST.get("as_of")
            if facts.foreseen and upload.is_checked:
                context |= describe_effects(facts, tenant=tenant, post=request.POST)
        return self._page(request, "upload", context)

    def _tenant(self, request: HttpRequest) -> TenantRef:
        """The tenant at hand. Raises PermissionDenied for those who may not import, or have chosen none."""
        if not self.has_view_permission(request):
            raise PermissionDenied(_("You don't have access to imports."))
        tenant = identity_of(request).tenant
        if tenant is None:
            raise PermissionDenied(NO_TENANT)
        return tenant

    def _find(self, upload_id: object, tenant: TenantRef) -> ImportUpload:
        try:
            upload = find_upload(UUID(str(upload_id)), tenant=tenant)
        except ValueError:
            upload = None
        if upload is None:
            raise _file_gone()
        return upload

    def _page(self, request: HttpRequest, page: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/imports/{page}.html", {**shared, **context})


def _read_revision(request: HttpRequest) -> int:
    """What the page had shown; 0 for what is no number."""
    revision = request.POST.get("revision", "")
    return int(revision) if revision.isascii() and revision.isdecimal() and len(revision) < 10 else 0


def _is_done(request: HttpRequest, upload: ImportUpload) -> bool:
    """Whether the upload is as the button was to make it, by the same person: it was pressed twice."""
    post, do, decided = request.POST, request.POST.get("do", ""), upload.revision - _read_revision(request)
    if do == "stop":
        return decided == 1 and upload.state == State.READY and bool(upload.last_run) and not upload.is_checked
    is_theirs = upload.started_by == service_arguments(request)["actor"].name
    # The columns are another decision than the run.
    if not (is_theirs and decided in (1, 2) and upload.state == BEGINS.get(do)):
        return False
    facts = read_facts(upload)
    if do not in ("check", "import"):
        return do == "go_on" or facts.encoding == post.get("encoding", "")
    starts_effects = do == "import" and "start_effects" in post
    try:
        asked = read_mapping(post, facts), read_as_of(post.get("as_of", "")), starts_effects
    except InvalidValue:
        return False
    return asked == (facts.mapping, upload.as_of, facts.starts_effects)


def _file_gone() -> PageGone:
    return PageGone(say(GONE), (reverse(LIST), _("Go to the imports")))
