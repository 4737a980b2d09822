"""``POST /auth/oauth/token``: the token endpoint of RFC 6749 for the grant ``client_credentials``."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.views import OpenView
from tenants.services.accounts.client_credentials import INVALID_CLIENT, CredentialsRefused, issue_by_credentials

GRANT: Final = "client_credentials"
FORM: Final = "application/x-www-form-urlencoded"
PARAMETERS: Final = ("grant_type", "scope", "client_id", "client_secret")
LONGEST: Final = 1024
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthTokenSerializer(serializers.Serializer[Any]):
    """The form of a token request. Parameters that are not listed are overlooked, as the RFC has it."""

    grant_type = serializers.ChoiceField(choices=[GRANT])
    scope = serializers.CharField(
        required=False, max_length=LONGEST, help_text="Permissions or roles, with spaces between; by default all."
    )
    client_id = serializers.CharField(
        required=False, max_length=LONGEST, help_text="The service account's username or id, unless Basic names it."
    )
    client_secret = serializers.CharField(
        required=False, max_length=LONGEST, help_text="One of its API keys, unless Basic brings it."
    )


class OAuthTokenResponse(serializers.Serializer[Any]):
    """An access token (RFC 6749, section 5.1)."""

    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds.")
    scope = serializers.CharField(help_text="What the token may do: permissions, with spaces between.")


class OAuthErrorResponse(serializers.Serializer[Any]):
    """Why there is no token (RFC 6749, section 5.2)."""

    error = serializers.ChoiceField(
        choices=["invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"]
    )
    error_description = serializers.CharField()


class OAuthTokenView(OpenView):
    """Tokens for programs."""

    parser_classes = (FormParser,)

    @extend_schema(
        operation_id="create_oauth_token",
        tags=["auth"],
        request={FORM: OAuthTokenSerializer},
        responses={
            200: OAuthTokenResponse,
            400: OpenApiResponse(OAuthErrorResponse, description="The request is not one that is granted."),
            401: OpenApiResponse(OAuthErrorResponse, description="The client or its secret is not valid."),
        },
        parameters=[
            OpenApiParameter(
                "WWW-Authenticate",
                str,
                OpenApiParameter.HEADER,
                description="`Basic`: how a client may say who it is.",
                response=[401],
            )
        ],
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """An access token for a service account by the grant `client_credentials` (RFC 6749, section 4.4).

        The client is the service account, its secret one of its API keys; both in HTTP Basic, or in the form. The token
        works for 15 minutes, at most as long as the key, and ends at once when the key is revoked. There is no refresh
        token: ask again.
        """
        try:
            form = _read_form(request)
            client_id, secret = _read_client(request, form)
            access = issue_by_credentials(client_id, secret, form.get("scope"), now=timezone.now())
        except CredentialsRefused as refused:
            return _refuse(refused)
        answer = {
            "access_token": access.token,
            "token_type": "Bearer",
            "expires_in": access.seconds,
            "scope": " ".join(access.scopes),
        }
        return Response(answer, headers=NO_STORE)


def _refuse(refused: CredentialsRefused) -> Response:
    is_unknown = refused.code == INVALID_CLIENT
    headers = {**NO_STORE, **({"WWW-Authenticate": 'Basic realm="customer360"'} if is_unknown else {})}
    body = {"error": refused.code, "error_description": str(refused)}
    return Response(body, status=401 if is_unknown else 400, headers=headers)


def _read_form(request: Request) -> Mapping[str, str]:
    """The parameters that have a value: one without counts as left out. Raises CredentialsRefused."""
    try:
        data = request.data
    except ParseError as error:
        raise CredentialsRefused("invalid_request", str(error.detail)) from error
    form = {}
    for name in PARAMETERS:
        # Without a body there is not even a form.
        values = data.getlist(name) if isinstance(data, QueryDict) else []
        if len(values) > 1:
            raise CredentialsRefused("invalid_request", f"{name} was given more than once.")
        if values and values[0]:
            if len(values[0]) > LONGEST or "\x00" in values[0]:
                raise CredentialsRefused("invalid_request", f"{name} is too long, or no text.")
            form[name] = values[0]
    if "grant_type" not in form:
        raise CredentialsRefused("invalid_request", f"grant_type is missing: it is {GRANT}.")
    if form["grant_type"] != GRANT:
        raise CredentialsRefused("unsupported_grant_type", f"The only grant is {GRANT}.")
    return form


def _read_client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Who asks, and the secret: from HTTP Basic, or else from the form. Raises CredentialsRefused."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "basic":
        if "client_secret" in form:
            raise CredentialsRefused("invalid_request", "Say who you are in HTTP Basic or in the form, not in both.")
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise CredentialsRefused(INVALID_CLIENT, "The header Authorization is not valid HTTP Basic.") from error
        client_id, secret = unquote_plus(client_id), unquote_plus(secret)
        if form.get("client_id", client_id) != client_id:
            raise CredentialsRefused("invalid_request", "client_id is another one than HTTP Basic names.")
        return client_id, secret
    if "client_id" not in form or "client_secret" not in form:
        raise CredentialsRefused(INVALID_CLIENT, "Say who you are: HTTP Basic, or client_id and client_secret.")
    return form["client_id"], form["client_secret"]
