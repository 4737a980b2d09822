"""``POST /auth/token`` and ``POST /auth/token/refresh`` [API-4]."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants.api.serializers import (
    LoginSerializer,
    PasswordResetResponse,
    PasswordResetSerializer,
    RefreshSerializer,
    TokenPairSerializer,
)
from tenants.refusals import RequestRefused
from tenants.services.accounts.login_guard import LoginsLimited
from tenants.services.accounts.logins import LoginRefused, check_login
from tenants.services.accounts.mails import is_mail_configured
from tenants.services.accounts.open_sessions import describe_visitor
from tenants.services.accounts.password_resets import request_reset
from tenants.services.accounts.tokens import TokenPair, TokenRefused, issue_pair, rotate
from tenants.services.proxies import client_address
from tenants.views import METHODS

RESET_ASKED = gettext_lazy(
    "If there is an account with this user name, a link was sent to its e-mail address. It works for 30 minutes."
)
RESET_IMPOSSIBLE = gettext_lazy(
    "This installation does not send e-mail, so nothing was sent. Ask your administrator to set a new password."
)


class OpenView(APIView):
    """Anyone may ask. Outside ATOMIC_REQUESTS: what a refusal writes (a revoked family) has to stay."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names = METHODS

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """The view function, left out of ATOMIC_REQUESTS."""
        return transaction.non_atomic_requests(super().as_view(**initkwargs))


class TokenView(OpenView):
    """Log in."""

    @extend_schema(
        operation_id="create_token", tags=["auth"], request=LoginSerializer, responses=TokenPairSerializer, auth=[]
    )
    def post(self, request: Request) -> Response:
        """A pair of tokens for a username and a password."""
        body = LoginSerializer.read(request.data)
        now = timezone.now()
        try:
            user = check_login(**body, address=client_address(request._request), now=now)
        except LoginsLimited as limited:
            raise RequestRefused(
                "rate_limited", str(limited), headers={"Retry-After": str(limited.retry_after)}
            ) from limited
        except LoginRefused as refused:
            raise RequestRefused("not_authenticated", str(refused)) from refused
        return _answer(issue_pair(user, now=now, visitor=describe_visitor(request._request)))


class RefreshView(OpenView):
    """Stay logged in."""

    @extend_schema(
        operation_id="refresh_token", tags=["auth"], request=RefreshSerializer, responses=TokenPairSerializer, auth=[]
    )
    def post(self, request: Request) -> Response:
        """The next pair for a refresh token.

        Again within 10 seconds it gives the same pair; later it is dead, and using it ends every token of the log-in.
        """
        body = RefreshSerializer.read(request.data)
        try:
            pair = rotate(body["refresh"], now=timezone.now(), visitor=describe_visitor(request._request))
        except TokenRefused as refused:
            raise RequestRefused("not_authenticated", str(refused)) from refused
        return _answer(pair)


class PasswordResetView(OpenView):
    """Forgot the password."""

    @extend_schema(
        operation_id="request_password_reset",
        tags=["auth"],
        request=PasswordResetSerializer,
        responses={202: PasswordResetResponse},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Have a link sent by e-mail to the person of a user name, by which they set a new password within 30 minutes.

        The answer is the same whether there is such an account or not, and whether it has a password here or signs in
        by an identity provider, to which nothing is sent.
        """
        body = PasswordResetSerializer.read(request.data)
        try:
            request_reset(body["username"], address=client_address(request._request), now=timezone.now())
        except LoginsLimited as limited:
            raise RequestRefused(
                "rate_limited", str(limited), headers={"Retry-After": str(limited.retry_after)}
            ) from limited
        detail = RESET_ASKED if is_mail_configured() else RESET_IMPOSSIBLE
        return Response({"detail": detail}, status=202, headers={"Cache-Control": "no-store"})


def _answer(pair: TokenPair) -> Response:
    return Response(TokenPairSerializer(pair).data, headers={"Cache-Control": "no-store"})
