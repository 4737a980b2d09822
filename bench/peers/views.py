"""What the product's entry points are held against: the same views as one would build them from well-known packages.

DRF with simplejwt as it comes (its authentication reads the user each time), a membership query, django-redis; for the
change django-fsm-2 with django-fsm-log, a serializer, an outbox row, and the cached value dropped after the commit.
"""

from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication

from bench.constant import BODY
from bench.peers.models import INTO_RISK, OUT_OF_RISK, PeerMembership, PeerUser, move_with_fsm
from tenants.models import User

MAY_VIEW = frozenset({"viewer", "manager", "admin"})
MAY_UPDATE = frozenset({"manager", "admin"})


@transaction.non_atomic_requests
def constant(_: HttpRequest) -> HttpResponse:
    """The least that the product's server, middlewares and log make of a request."""
    return HttpResponse(BODY, content_type="application/json")


class PeerAuthentication(JWTAuthentication):
    """simplejwt's, with the peers' users."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.user_model: Any = PeerUser


class IsMember(BasePermission):
    """Whether the user's membership allows the method. One query; the view finds it at ``request.membership``."""

    def has_permission(self, request: Request, _: APIView) -> bool:
        """Read and decide."""
        membership = PeerMembership.objects.filter(user_id=request.user.pk).first()
        request.membership = membership  # type: ignore[attr-defined]
        roles = MAY_VIEW if request.method == "GET" else MAY_UPDATE
        return membership is not None and membership.role in roles


class ChangeSerializer(serializers.Serializer[Any]):
    """The body of a change."""

    stage = serializers.ChoiceField(choices=(OUT_OF_RISK, INTO_RISK))
    reason_code = serializers.CharField(max_length=255, required=False, default="")


class StatusSerializer(serializers.Serializer[Any]):
    """What a change is answered with."""

    success = serializers.BooleanField(default=True)
    updated_at = serializers.DateTimeField()


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class PeerView(APIView):
    """A customer's summary, and its change."""

    authentication_classes: Any = (PeerAuthentication,)
    permission_classes: Any = (IsAuthenticated, IsMember)

    def get(self, request: Request, customer_id: UUID) -> Response:
        """The cached summary."""
        return Response(cache.get(summary_key(customer_id)))

    def patch(self, request: Request, customer_id: UUID) -> Response:
        """Move the customer."""
        body = ChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            author = User(pk=request.user.pk)  # the log's foreign key wants one of AUTH_USER_MODEL
            status = move_with_fsm(customer_id, user=author, reason=body.validated_data["reason_code"])
            transaction.on_commit(lambda: cache.delete(summary_key(customer_id)))
        return Response(StatusSerializer({"success": True, "updated_at": status.updated_at}).data)


def summary_key(customer_id: UUID) -> str:
    """Where a summary is cached."""
    return f"peer:summary:{customer_id}"
