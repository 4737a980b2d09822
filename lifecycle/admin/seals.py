"""The seals of the audit trail in the admin: the last one, its age, and a copy of its root to keep elsewhere."""

from typing import Any

import orjson
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import AuditSeal
from audit.services.seals import MOST, count_unsealed, describe_seal
from tenants.admin.base import TenantAdmin, identity_of
from tenants.sentences.figures import say_number


@admin.register(AuditSeal)
class AuditSealAdmin(TenantAdmin):
    """Every seal of the tenant's history, the newest first."""

    list_display = ("number", "sealed_at", "leaves", "root_in_hex", "key_id")
    list_display_links = ("number",)
    ordering = ("-number",)
    fields = ("number", "sealed_at", "leaves", "root_in_hex", "previous_in_hex", "key_id", "signature_text", "id")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything: it is the record."""
        return self.fields

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The page of one seal, which is called by its number."""
        number = say_number(context["original"].number)
        context["subtitle"] = _("Seal %(number)s") % {"number": number}
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("Root"))
    def root_in_hex(self, seal: AuditSeal) -> str:
        """The root of the Merkle tree over the rows."""
        return bytes(seal.root).hex()

    @admin.display(description=gettext_lazy("Digest of the seal before"))
    def previous_in_hex(self, seal: AuditSeal) -> str:
        """The SHA-256 of the seal before."""
        return bytes(seal.previous).hex() or "–"

    @admin.display(description=gettext_lazy("Signature"))
    def signature_text(self, seal: AuditSeal) -> str:
        """Ed25519, in base64."""
        return str(describe_seal(seal)["signature"])

    def get_urls(self) -> list[Any]:
        """The copy of the last seal, before Django's own pages."""
        view = self.admin_site.admin_view(self.copy_view)
        return [path("last.json", view, name="copy_last_seal"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, with what is to be said of the last seal above it."""
        tenant = identity_of(request).tenant
        above: dict[str, Any] = {}
        if tenant is not None and self.has_view_permission(request) and (last := self._last()):
            above = {"last": last, "last_root": bytes(last.root).hex(), "unsealed": self._say_unsealed(tenant.id)}
        return super().changelist_view(request, {**above, **(extra_context or {})})

    def copy_view(self, request: HttpRequest) -> HttpResponse:
        """The last seal as it is published: what is kept elsewhere shows later that nothing before it was rewritten."""
        tenant = identity_of(request).tenant
        if not self.has_view_permission(request) or tenant is None:
            raise PermissionDenied(_("Choose the tenant whose seals you want to see."))
        seal = self._last()
        if seal is None:
            return HttpResponse(_("Nothing is sealed yet."), status=404, content_type="text/plain; charset=utf-8")
        # One line: as verify_audit --published and verify_bundle.py --seal read it.
        body = orjson.dumps(describe_seal(seal), option=orjson.OPT_APPEND_NEWLINE)
        named = f'attachment; filename="seal-{tenant.slug}-{seal.number}.json"'
        return HttpResponse(body, content_type="application/json", headers={"Content-Disposition": named})

    def _last(self) -> AuditSeal | None:
        return AuditSeal.objects.order_by("-number").first()

    def _say_unsealed(self, tenant_id: Any) -> str:
        count = count_unsealed(tenant_id)
        return _("more than %(count)s") % {"count": say_number(MOST)} if count > MOST else say_number(count)
