"""The API keys of a tenant's service accounts."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.filters import read_limit, refuse_unknown_parameters
from lifecycle.api.openapi.parameters import PAGING
from lifecycle.api.paging import PAGING as PAGING_NAMES
from lifecycle.api.paging import PageResponse, encode_before_id, read_before_id, surround
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.serializers import LONGEST_NAME, WholeNumberField
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from tenants.api.serializers import StrictSerializer, TextField
from tenants.models import ApiKey, User
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES, PERMISSIONS
from tenants.services.accounts import api_keys
from tenants.services.accounts.api_keys import LONGEST_LIFE, ApiKeyRefused, NewKey
from tenants.services.accounts.members import find_members

NO_KEY: Final = gettext_noop("There is no such API key: check the id.")
TOO_MUCH: Final = gettext_noop(
    "You cannot give a key more than you may yourself: %(scopes)s. Leave that out, or ask a tenant admin. Nothing was"
    " changed."
)
QUESTION: Final = b"keys"
STATES: Final = ("live", "expired", "revoked")
KEY = OpenApiParameter("key_id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class KeySerializer(StrictSerializer):
    """``POST /keys``."""

    account = TextField(max_length=LONGEST_NAME, help_text="The service account: its username or id.")
    name = TextField(max_length=api_keys.LONGEST_NAME, trim_whitespace=True, help_text="What the key is for.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=PERMISSIONS),
        min_length=1,
        max_length=len(PERMISSIONS),
        help_text="What the key may do, at most what the account and you may.",
    )
    valid_days = WholeNumberField(min_value=1, max_value=LONGEST_LIFE.days, default=90, required=False)


class KeyResponse(ResponseSerializer):
    """One API key, without its secret."""

    id = serializers.UUIDField()
    account = serializers.CharField(help_text="The service account's username.")
    account_id = serializers.UUIDField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS))
    state = serializers.ChoiceField(choices=STATES)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewKeyResponse(KeyResponse):
    """The same with its secret, which is shown this once."""

    secret = serializers.CharField(help_text="c360_sk_...: it is not shown again.")


@extend_schema_serializer(many=False)
class KeysResponse(PageResponse):
    """A page of the tenant's API keys, the newest first."""

    results = KeyResponse(many=True)


class KeyViewSet(TenantViewSet):
    """``/keys``."""

    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("list", "create", "rotate", "destroy"), CONFIGURE_STAGES
    )
    denied_actions: ClassVar[dict[str, str]] = dict.fromkeys(required_permissions, "manage API keys")

    @schema.describe("list_keys", "keys", *PAGING, answer=KeysResponse)
    def list(self, request: Request) -> Response:
        """All API keys of the tenant's service accounts, those that have ended too."""
        parameters = request.query_params
        refuse_unknown_parameters(parameters, PAGING_NAMES)
        limit, before = read_limit(parameters), read_before_id(parameters, QUESTION)
        found = api_keys.list_keys(self.tenant, before=before, limit=limit + 1)
        shown = found[:limit]
        around = surround(
            request,
            encode_before_id(shown[-1].id if len(found) > limit else None, QUESTION),
            count=lambda: api_keys.count_keys(self.tenant),
        )
        now = timezone.now()
        return Response(KeysResponse.render({"results": [_describe(key, key.user, now) for key in shown], **around}))

    @schema.describe(
        "create_key",
        "keys",
        request=KeySerializer,
        responses={201: OpenApiResponse(NewKeyResponse, description="Made: keep the secret now.")},
        status=201,
        answer=NewKeyResponse,
        problems=(409,),
    )
    def create(self, request: Request) -> Response:
        """Make a key for a service account. Its secret is shown this once."""
        refuse_unknown_parameters(request.query_params, ())
        asked = KeySerializer.read(request.data)
        self._check_scopes(asked["scopes"])
        arguments = self._arguments()
        try:
            new = api_keys.create_key(
                account=self._find_account(asked["account"]),
                name=asked["name"],
                scopes=asked["scopes"],
                expires_at=arguments["now"] + dt.timedelta(days=asked["valid_days"]),
                **arguments,
            )
        except ApiKeyRefused as refused:
            raise RequestRefused("conflict", str(refused)) from refused
        return self._show(new, status=201)

    @schema.describe("rotate_key", "keys", KEY, answer=NewKeyResponse, problems=(409,))
    def rotate(self, request: Request, key_id: str) -> Response:
        """Replace the key by a new one of the same name, scopes and length of life. The old one ends at once."""
        refuse_unknown_parameters(request.query_params, ())
        key = self._find(key_id)
        self._check_scopes(key.scopes)
        try:
            return self._show(api_keys.rotate_key(key.id, **self._arguments()))
        except ApiKeyRefused as refused:
            raise RequestRefused("conflict", str(refused)) from refused

    @schema.describe("revoke_key", "keys", KEY, answer=KeyResponse)
    def destroy(self, request: Request, key_id: str) -> Response:
        """End the key, and the access tokens that came from it, with the next request. Again it changes nothing."""
        refuse_unknown_parameters(request.query_params, ())
        key = self._find(key_id)
        arguments = self._arguments()
        revoked = api_keys.revoke_key(key.id, **arguments)
        return Response(KeyResponse.render(_describe(revoked, key.user, arguments["now"])))

    def _show(self, new: NewKey, status: int = 200) -> Response:
        account = User.objects.get(id=new.key.user_id)
        shown = {**_describe(new.key, account, timezone.now()), "secret": new.secret}
        return Response(NewKeyResponse.render(shown), status=status)

    def _arguments(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "actor": self.identity.actor(), "now": timezone.now()}

    def _find(self, key_id: str) -> ApiKey:
        wanted = read_id(key_id, "key_id")
        key = ApiKey.objects.filter(tenant_id=self.tenant.id, id=wanted).select_related("user").first()
        if key is None:
            raise RequestRefused("not_found", _(NO_KEY))
        return key

    def _find_account(self, name: str) -> User:
        found = find_members([name], tenant=self.tenant).get(name)
        account = User.objects.filter(tenant_id=self.tenant.id, id=found).first() if found else None
        if account is None or not account.is_service_account:
            sentence = _("There is no such service account in this tenant. People log in and need no key.")
            error = {"pointer": "#/account", "detail": sentence, "code": "unknown_account"}
            raise RequestRefused("invalid_request", sentence, errors=[error])
        return account

    def _check_scopes(self, scopes: Iterable[str]) -> None:
        """Refuse what the caller may not do: a key is no way to more rights than one's own."""
        beyond = [scope for scope in scopes if not self.identity.may(scope)]
        if beyond:
            raise RequestRefused("permission_denied", _(TOO_MUCH) % {"scopes": ", ".join(beyond)})


def _describe(key: ApiKey, account: User, now: dt.datetime) -> dict[str, Any]:
    state = "revoked" if key.revoked_at is not None else "expired" if key.expires_at <= now else "live"
    return {
        "id": key.id,
        "account": account.username,
        "account_id": account.id,
        "name": key.name,
        "scopes": key.scopes,
        "state": state,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
