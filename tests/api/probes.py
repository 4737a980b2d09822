"""Addresses of a test's own: views that fail in every way a view can, behind the product's own machinery."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import Http404, HttpResponse
from django.urls import include, path, re_path
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from config.errors import api_address_not_found
from tenants.context import current_tenant_id
from tenants.models import Stage, Tenant
from tenants.pages import tenant_page
from tenants.refusals import RequestRefused
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE, VIEW_LIFECYCLE
from tenants.services.configuration.policies import NoConfiguration
from tenants.views import TenantViewMixin


class Body(serializers.Serializer):
    stage = serializers.CharField(max_length=10)
    items = serializers.ListField(child=serializers.IntegerField(), required=False)


def lose_connection():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    kill(pid)
    Tenant.objects.count()


def take_long(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SELECT pg_sleep(5)")


def kill(pid):
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])


def run(statement):
    """A statement that PostgreSQL refuses."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def raise_state(state):
    """What PostgreSQL says with this SQLSTATE, said by itself."""
    run(f"DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{state}'; END $$")


FAILURES = {
    "bug": lambda: 1 / 0,
    "missing": lambda: (_ for _ in ()).throw(Http404("Customer with secret 42")),
    "denied": lambda: (_ for _ in ()).throw(PermissionDenied("Not on Sundays.")),
    "suspicious": lambda: (_ for _ in ()).throw(SuspiciousOperation("/etc/passwd")),
    "throttled": lambda: (_ for _ in ()).throw(exceptions.Throttled(wait=7)),
    "unconfigured": lambda: (_ for _ in ()).throw(NoConfiguration("x")),
    "conflict": lambda: (_ for _ in ()).throw(
        RequestRefused("version_conflict", "It has changed.", headers={"ETag": '"4"'}, current={"version": 4})
    ),
    "disconnect": lose_connection,
    "read_only": lambda: run("SET TRANSACTION READ ONLY; UPDATE tenants_tenant SET name = 'x'"),
    "deadlock": lambda: raise_state("40P01"),
    "full": lambda: raise_state("53100"),
    "too_complex": lambda: raise_state("54001"),
    "slow": lambda: take_long("SET LOCAL statement_timeout = '50ms'"),
    # In one message: a limit that is met between two ends the connection while no one reads why.
    "long": lambda: run(
        "SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = '50ms'; SELECT pg_sleep(5)"
    ),
}


class Failing(TenantViewMixin, APIView):
    """Renames the tenant, then fails."""

    required_permissions = {"get": VIEW_LIFECYCLE}

    def get(self, request, failure):
        Tenant.objects.filter(id=self.tenant.id).update(name="renamed by a request that failed")
        FAILURES[failure]()
        return Response({})


class Looking(TenantViewMixin, APIView):
    """Shows whose rows the database shows."""

    required_permissions = {"get": VIEW_LIFECYCLE, "post": UPDATE_LIFECYCLE, "put": CONFIGURE_STAGES}

    def get(self, request):
        return Response(
            {
                "tenant": current_tenant_id(),
                "stages": sorted(Stage.objects.values_list("name", flat=True)),
                "in_transaction": connection.in_atomic_block,
                "permissions": self.identity.permissions,
                "user": str(request.user),
            }
        )

    def post(self, request):
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(request.data)

    def put(self, request):
        return Response(status=204)


class Lazy(TenantViewMixin, APIView):
    """Opens no context: what it shows comes from the cache."""

    required_permissions = {"get": VIEW_LIFECYCLE}
    opens_tenant_context = False

    def get(self, request):
        return Response({"tenant": current_tenant_id(), "in_transaction": connection.in_atomic_block})


class Forgetful(TenantViewMixin, APIView):
    """Its author has forgotten to say which permission it needs."""

    def get(self, request):
        return Response({})


class FailingCommit(TenantViewMixin, APIView):
    """Loses its connection when everything seems to have gone well."""

    required_permissions = {"get": VIEW_LIFECYCLE}

    def get(self, request):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            kill(cursor.fetchone()[0])
        return Response({"done": True})


@tenant_page(VIEW_LIFECYCLE)
def page(request):
    from django.template import engines
    from django.template.response import TemplateResponse

    template = engines["django"].from_string(
        "{{ request.tenant.slug }}: {% for s in stages %}{{ s.name }},{% endfor %}"
    )
    return TemplateResponse(request, template, {"stages": Stage.objects.order_by("position")})


@tenant_page(UPDATE_LIFECYCLE)
def move_page(request):
    return HttpResponse("moved")


def broken_page(request):
    raise ZeroDivisionError


urlpatterns = [
    path("api/v1/probe/fail/<failure>", Failing.as_view()),
    path("api/v1/probe/look", Looking.as_view()),
    path("api/v1/probe/lazy", Lazy.as_view()),
    path("api/v1/probe/forgetful", Forgetful.as_view()),
    path("api/v1/probe/commit", FailingCommit.as_view()),
    path("api/v1/broken", broken_page),
    path("api/", include("lifecycle.api.urls")),
    re_path(r"^api/", api_address_not_found),
    path("page", page),
    path("move", move_page),
    path("broken", broken_page),
    path("choose", page, name="choose-tenant"),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
