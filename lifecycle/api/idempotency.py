"""Idempotency-Key on the actions that change something."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api.preconditions import read_versions
from lifecycle.api.serializers import read_uuid
from lifecycle.services.transitions.idempotency import KeptResponse, KeyReused, claim_key, keep_answer
from tenants.refusals import RequestRefused

REPLAYED = "Idempotency-Replayed"
KEY_FORM = gettext_noop("Idempotency-Key must be 1 to 255 printable ASCII characters; a UUID is a good choice.")
# What belongs to the response itself; how much of a budget is left does not.
KEPT_HEADERS = ("ETag",)
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")

Action = Callable[..., Response]


def idempotent(action: Action) -> Action:
    """Give the first answer again when the same caller repeats a request under the same key.

    For actions of a TenantViewSet that run inside the tenant's context. What the action raises rolls the claim back
    with everything else. Permission was asked before: those who may not do it any more do not see what they did.
    """

    @functools.wraps(action)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = read_key(request)
        if key is None:
            return action(view, request, *args, **kwargs)
        try:
            claim = claim_key(
                key,
                principal=str(view.identity.user_id),
                fingerprint=fingerprint(request),
                tenant=view.tenant,
                now=timezone.now(),
            )
        except KeyReused as reused:
            raise RequestRefused("idempotency_mismatch", str(reused)) from reused
        if claim.answer is not None:
            headers = {**claim.answer.headers, REPLAYED: "true"}
            return Response(orjson.loads(claim.answer.body), status=claim.answer.status, headers=headers)
        response = action(view, request, *args, **kwargs)
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        body = orjson.dumps(response.data, default=str, option=orjson.OPT_UTC_Z)
        keep_answer(claim, KeptResponse(response.status_code, kept, body), customer_ids=_find_customers(view, request))
        return response

    return answer


def read_key(request: Request) -> str | None:
    """The Idempotency-Key, None if there is none. Raises RequestRefused for one that is malformed."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and _KEY.fullmatch(key) is None:
        raise RequestRefused("invalid_request", _(KEY_FORM))
    return key


def _find_customers(view: Any, request: Request) -> set[UUID]:
    """The customers that a request is about: the one of its address, those of its items, those that it was answered
    about (``answered`` of the view).
    """
    named = [view.kwargs.get("customer_id")]
    if isinstance(request.data, Mapping) and isinstance(request.data.get("items"), list):
        named += [item.get("customer_id") for item in request.data["items"] if isinstance(item, Mapping)]
    return {found for name in named if (found := read_uuid(name)) is not None} | getattr(view, "answered", set())


def fingerprint(request: Request) -> bytes:
    """What a request asks for, whatever the order and spacing of its JSON and the form of its tags (SHA-256)."""
    asked = [request.method, request.path, read_versions(request), request.data]
    # Not orjson: it refuses whole numbers of more than 64 bits, which are for the serializer to refuse.
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
