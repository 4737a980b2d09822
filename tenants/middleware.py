"""Refused attempts survive the rollback of the request that made them."""

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit.services.refusals import MOST_RECORDED, Refusal, log_refusals, record_refusals
from tenants.context import tenant_context
from tenants.identity import Identity

log = structlog.get_logger(__name__)


def note_refusal(
    request: Any,
    identity: Identity,
    *,
    source: str,
    code: str,
    detail: str,
    customer_id: UUID | None = None,
    from_stage: str = "",
    to_stage: str = "",
) -> None:
    """Keep in mind that a lifecycle change was refused; RecordRefusedAttempts writes it when the request is over.

    ``request`` is Django's or DRF's. Without a tenant (a super admin who named none) there is nowhere to keep it.
    """
    if identity.tenant is None:
        return
    http_request = getattr(request, "_request", request)
    noted: list[Refusal] = http_request.__dict__.setdefault("refused_attempts", [])
    if len(noted) >= MOST_RECORDED:
        return
    actor = identity.actor()
    noted.append(
        Refusal(
            tenant_id=identity.tenant.id,
            attempted_at=timezone.now(),
            actor=actor.name,
            actor_kind=actor.kind,
            source=source,
            code=code,
            detail=detail,
            customer_id=customer_id,
            from_stage=from_stage,
            to_stage=to_stage,
            request_id=current_request_id(),
        )
    )


def current_request_id() -> UUID | None:
    """The id under which this request is logged; history rows and refused attempts carry it too."""
    text = structlog.contextvars.get_contextvars().get("request_id")
    if not isinstance(text, str):
        return None
    try:
        return UUID(text)
    except ValueError:
        # The proxy numbers its requests in another way: the same text is always the same id.
        return uuid5(NAMESPACE_URL, f"urn:customer360:request:{text}")


class RecordRefusedAttempts:
    """Writes ``request.refused_attempts`` after the request's own transaction has ended, in one of their own.

    The answer never suffers: if they cannot be written, the log has them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, then record."""
        response = self.get_response(request)
        refusals: list[Refusal] = request.__dict__.get("refused_attempts", [])
        if refusals:
            log_refusals(refusals)
            try:
                with tenant_context(refusals[0].tenant_id):
                    record_refusals(refusals, in_turn=True)
            except DatabaseError as error:
                # A database that is away needs no traceback.
                is_away = isinstance(error, OperationalError | InterfaceError)
                log.error(
                    "refused attempts could not be written",
                    attempts=len(refusals),
                    error=type(error).__name__,
                    exc_info=None if is_away else error,
                )
        return response
