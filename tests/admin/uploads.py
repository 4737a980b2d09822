"""Files as an admin uploads them, and their page."""

import re
from collections import Counter
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AdministrationEntry
from lifecycle.models import CustomerLifecycleStatus, ImportPart, ImportUpload
from lifecycle.services.imports import working
from lifecycle.services.imports.importing import Import
from lifecycle.services.imports.working import UploadWorker
from tenants.actors import TenantRef
from tenants.context import tenant_context

LIST = reverse("admin:lifecycle_importupload_changelist")
ADD = reverse("admin:lifecycle_importupload_add")
State = ImportUpload.State

FILE = """Record ID,Company name,Stage,Annual value,Email
1,Vale & Sons,Active,1200.50,ann@vale.example
2,Norvale,Zombie,,
3,Südwerk,,12x,
4,Ostwerk,Onboarded,,ben@ost.example
"""


def send(client: Client, content: str | bytes, name: str = "crm.csv", kind: str = "") -> Any:
    file = SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())
    return client.post(ADD, {"file": file, "kind": kind})


def upload(client: Client, content: str | bytes, name: str = "crm.csv", *, read: bool = True) -> str:
    """The address of the file's page, once it was read."""
    answer = send(client, content, name)
    assert answer.status_code == 302, text_of(answer)
    if read:
        work()
    return str(answer.headers["Location"])


def work(worker: UploadWorker | None = None) -> None:
    """What the process does until nothing is left."""
    worker = worker or UploadWorker()
    while worker.work():
        pass


def import_one_batch(
    client: Client, page: str, monkeypatch: pytest.MonkeyPatch, *, of: int, **fields: str
) -> UploadWorker:
    """Begin the import and let a worker do one batch ``of`` so many lines; from then on all batches have so many."""
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=of))
    press(client, page, "import", **fields)
    worker = UploadWorker()
    worker.work()
    return worker


def later(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker's clock be ahead."""
    monkeypatch.setattr(working, "timezone", type("Clock", (), {"now": staticmethod(lambda: shifted(seconds))}))


def shifted(seconds: int) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def press(client: Client, page: str, do: str, **changes: str) -> Any:
    """Press a button of the page, as it stands, with some fields changed."""
    form = fields_of(client.get(page)) | changes
    return client.post(page, {**form, "do": do}, follow=True)


def fields_of(answer: Any) -> dict[str, str]:
    """The values that a browser would send of the page's last form."""
    html = answer.content.decode().rpartition("<form")[2]
    values = dict(re.findall(r'<input type="(?:hidden|text)"[^>]*name="([^"]+)" value="([^"]*)"', html))
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'<option value="([^"]+)" selected>', options)
        values[name] = chosen[1] if chosen else ""
    return {name: unescape(value) for name, value in values.items() if name != "csrfmiddlewaretoken"}


def text_of(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def row(tenant: TenantRef) -> ImportUpload:
    with tenant_context(tenant.id):
        return ImportUpload.objects.get()


def parts(tenant: TenantRef) -> Counter[str]:
    with tenant_context(tenant.id):
        return Counter(ImportPart.objects.values_list("kind", flat=True))


def stages(tenant: TenantRef) -> dict[str, str]:
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.for_tenant(tenant.id)
        return dict(rows.values_list("customer__external_id", "stage"))


def actions(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(action__contains="import").order_by("id")
        return list(entries.values_list("action", flat=True))


def many(count: int) -> str:
    return "id,name\n" + "".join(f"C-{number},Company {number}\n" for number in range(count))


def entries(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.order_by("id").values_list("action", flat=True))
