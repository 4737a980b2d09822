"""The actions of effects in the description of the API."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from lifecycle.api import effect_responses as responses
from lifecycle.api.effect_serializers import (
    EndpointSerializer,
    PauseSerializer,
    PreferenceSerializer,
    ReplaySerializer,
    UndoSerializer,
)
from lifecycle.api.openapi.parameters import BUDGET, IDEMPOTENCY_KEY, PAGING, REPLAYED
from lifecycle.api.schema import describe
from lifecycle.models import EffectRun

TAG = "effects"


def _path(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.UUID, OpenApiParameter.PATH, description=text)


def _query(name: str, text: str, **options: object) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.QUERY, description=text, **options)  # type: ignore[arg-type]


EFFECT = _path("effect_id", "The effect.")
ENDPOINT = _path("endpoint_id", "The endpoint.")
REQUEST = _path("request_id", "The request that made the change: X-Request-ID of its response, request_id of its rows.")
LIST_EFFECTS = describe(
    "list_effects",
    TAG,
    _query("state", "Only those in this state.", enum=EffectRun.STATES),
    _query("kind", "Only those of this kind."),
    _query("effect", "Only those of the effect of this name."),
    OpenApiParameter("customer_id", OpenApiTypes.UUID, description="Only those of this customer."),
    OpenApiParameter("request_id", OpenApiTypes.UUID, description="Only those that this request started."),
    *PAGING,
    answer=responses.EffectPageResponse,
)
GET_EFFECT = describe("get_effect", TAG, EFFECT, answer=responses.EffectDetailResponse)
REPLAY_EFFECT = describe(
    "replay_effect",
    TAG,
    EFFECT,
    IDEMPOTENCY_KEY,
    REPLAYED,
    answer=responses.ReplayedResponse,
    status=202,
    problems=(409, 422),
    request=None,
)
CANCEL_EFFECT = describe(
    "cancel_effect",
    TAG,
    EFFECT,
    IDEMPOTENCY_KEY,
    REPLAYED,
    answer=responses.CancelledResponse,
    status=202,
    problems=(409, 422),
    request=None,
)
REPLAY_EFFECTS = describe(
    "replay_effects",
    TAG,
    IDEMPOTENCY_KEY,
    REPLAYED,
    request=ReplaySerializer,
    answer=responses.ReplayedResponse,
    status=202,
    problems=(422,),
)
PAUSE_EFFECTS = describe("pause_effects", TAG, request=PauseSerializer, answer=responses.PausesResponse)
LIST_ENDPOINTS = describe("list_webhook_endpoints", TAG, *PAGING, answer=responses.EndpointsResponse)
CREATE_ENDPOINT = describe(
    "create_webhook_endpoint",
    TAG,
    request=EndpointSerializer,
    answer=responses.NewEndpointResponse,
    status=201,
    problems=(409,),
)
ROTATE_ENDPOINT = describe("rotate_webhook_secret", TAG, ENDPOINT, answer=responses.SecretResponse, request=None)
TEST_ENDPOINT = describe("test_webhook_endpoint", TAG, ENDPOINT, answer=responses.TestResponse, request=None)
DELETE_ENDPOINT = describe("delete_webhook_endpoint", TAG, ENDPOINT, answer=None, status=204)
BEGIN_UNDO = describe(
    "undo_transitions",
    "lifecycle",
    REQUEST,
    IDEMPOTENCY_KEY,
    *BUDGET,
    REPLAYED,
    request=UndoSerializer,
    answer=responses.UndoResponse,
    status=202,
    problems=(422, 429),
)
GET_UNDO = describe("get_undo", "lifecycle", _path("undo_id", "The undo."), answer=responses.UndoResponse)
NOTIFICATION = _path("notification_id", "The notification.")
LIST_NOTIFICATIONS = describe(
    "list_notifications",
    "notifications",
    OpenApiParameter("unread", bool, description="Only those that were not read."),
    *PAGING,
    answer=responses.NotificationPageResponse,
)
READ_NOTIFICATION = describe(
    "read_notification", "notifications", NOTIFICATION, answer=responses.NotificationResponse, request=None
)
ACKNOWLEDGE_NOTIFICATION = describe(
    "acknowledge_notification", "notifications", NOTIFICATION, answer=responses.NotificationResponse, request=None
)
READ_NOTIFICATIONS = describe("read_notifications", "notifications", answer=responses.ReadResponse, request=None)
GET_PREFERENCES = describe("get_notification_preferences", "notifications", answer=responses.PreferenceResponse)
SET_PREFERENCES = describe(
    "set_notification_preferences",
    "notifications",
    IDEMPOTENCY_KEY,
    REPLAYED,
    request=PreferenceSerializer,
    answer=responses.PreferenceResponse,
    problems=(422,),
)
