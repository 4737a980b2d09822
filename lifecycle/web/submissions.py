"""A form that is sent twice (a double click, a reload) does once what it says.

Each form carries an id of its own (the tag ``submission``). What came of it is kept with the answers of the API's
Idempotency-Key, in the transaction of what was done: a second one that waits for the first finds its answer.
"""

import hashlib
from functools import wraps
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from lifecycle.services.transitions.idempotency import KeptResponse, KeyReused, claim_key, keep_answer
from tenants.pages import PageView, TenantRequest

SUBMISSION: Final = "submission"
_NOT_ASKED: Final = frozenset({SUBMISSION, "csrfmiddlewaretoken"})


def once(view: PageView) -> PageView:
    """Decorator, below ``page``: the same form of the same person leads where it led the first time.

    A form with other values is another one; one that was refused may be sent again. Without an id nothing is guarded.
    """

    @wraps(view)
    def guarded(request: TenantRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        id_ = _read_id(request) if request.method == "POST" else None
        if id_ is None:
            return view(request, *args, **kwargs)
        asked = _fingerprint(request)
        with transaction.atomic():
            try:
                claim = claim_key(
                    f"form:{id_}:{asked.hex()[:32]}",
                    principal=str(request.identity.user_id),
                    fingerprint=asked,
                    tenant=request.tenant,
                    now=timezone.now(),
                )
            except KeyReused:
                # Done, and what it was about has been erased since.
                return redirect("customer-list")
            if claim.answer is not None:
                return redirect(claim.answer.headers["Location"])
            response = view(request, *args, **kwargs)
            if response.status_code != 302:
                transaction.set_rollback(True)
                return response
            kept = KeptResponse(302, {"Location": response.headers["Location"]}, b"")
            customer_id = kwargs.get("customer_id")
            keep_answer(claim, kept, customer_ids=[customer_id] if isinstance(customer_id, UUID) else [])
        return response

    return guarded


def _read_id(request: TenantRequest) -> UUID | None:
    try:
        return UUID(request.POST.get(SUBMISSION, ""))
    except ValueError:
        return None


def _fingerprint(request: TenantRequest) -> bytes:
    """What the form asks for, without what differs each time it is shown (SHA-256)."""
    asked = [request.path, *(pair for pair in sorted(request.POST.lists()) if pair[0] not in _NOT_ASKED)]
    return hashlib.sha256(repr(asked).encode()).digest()
