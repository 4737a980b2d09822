"""The least that a DRF view with a token and one look into Redis can be: what the cached summary is held against."""

from typing import Any

from django.db import transaction
from django.utils.decorators import method_decorator
from django_redis import get_redis_connection
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication

KEY = "bench:bare"


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class BareView(APIView):
    """simplejwt without a user query, one GET, one answer of the same size as a summary."""

    authentication_classes: Any = (JWTStatelessUserAuthentication,)
    permission_classes: Any = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        """What stands in Redis."""
        return Response({"value": get_redis_connection("default").get(KEY).decode()})
