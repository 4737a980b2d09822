"""What every API view of a tenant's data begins with: who asks, may they, and whose rows the database shows."""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views import View
from rest_framework.request import Request

from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.identity import Identity
from tenants.reading import read_from_replica
from tenants.refusals import RequestRefused
from tenants.roles import Role
from tenants.staff import SAFE, note_api_use

Found = TypeVar("Found")

if TYPE_CHECKING:
    from rest_framework.views import APIView as _View
else:
    _View = object

# What an address takes is in the schema: OPTIONS is refused everywhere, and so Allow may not name it.
METHODS: Final = tuple(method for method in View.http_method_names if method != "options")
NO_TENANT = gettext_noop("Name the tenant: as a super admin you belong to none. Send its slug in the header X-Tenant.")


def on_replica(action: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of an action that only reads, and for which ``opens_tenant_context`` is false: a replica may answer."""

    @wraps(action)
    def read(self: "TenantViewMixin", *args: Any, **kwargs: Any) -> Any:
        return self.read_from_replica(lambda: action(self, *args, **kwargs))

    return read


class TenantViewMixin(_View):
    """Put it before a DRF view class. Runs the view inside the caller's tenant context, in one transaction.

    A super admin's use is in the tenant's administration log before the view runs, and a change needs a reason.

    The transaction is the context's own and not the one of ATOMIC_REQUESTS: it begins after authentication, so that
    a refused or cached request never opens one. Every error that DRF handles rolls it back.
    """

    http_method_names: Sequence[str] = METHODS
    # False, or the actions for which it is true: views whose service opens the context itself, on a cache miss only.
    opens_tenant_context: ClassVar[bool | Collection[str]] = True
    # Actions of unsafe methods that change nothing.
    only_look: ClassVar[Collection[str]] = ()
    _contexts: ExitStack

    @classmethod
    def as_view(cls, *args: Any, **kwargs: Any) -> Any:
        """The view function, left out of ATOMIC_REQUESTS."""
        return transaction.non_atomic_requests(super().as_view(*args, **kwargs))

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """As DRF does, and leave the tenant's context afterwards. A commit that fails is an answer too."""
        self._contexts = ExitStack()
        try:
            with self._contexts:
                return super().dispatch(request, *args, **kwargs)
        except Exception as error:
            self.response = self.finalize_response(self.request, self.handle_exception(error), *args, **kwargs)
            return self.response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorise, then enter the tenant's context. Raises RequestRefused without a tenant."""
        super().initial(request, *args, **kwargs)
        if self.identity.role == Role.SUPER_ADMIN:
            note_api_use(request, self.identity, changes=self._changes_something())
        if self._needs_context():
            self._contexts.enter_context(tenant_context(self.tenant.id))
        else:
            assert self.tenant  # noqa: S101  (raises when a super admin named none)

    @property
    def identity(self) -> Identity:
        """The caller."""
        identity = self.request.user
        assert isinstance(identity, Identity)  # noqa: S101  (RequiredPermission has seen to it)
        return identity

    @property
    def tenant(self) -> TenantRef:
        """The tenant of this request."""
        tenant = self.identity.tenant
        if tenant is None:
            raise RequestRefused("invalid_request", _(NO_TENANT))
        return tenant

    def read_from_replica(self, read: Callable[[], Found]) -> Found:
        """What ``read`` returns, inside the tenant's context: from the replica (``tenants.reading``), but for a super
        admin, whose every request leaves a trace.
        """
        if self.identity.role == Role.SUPER_ADMIN:
            with tenant_context(self.tenant.id):
                return read()
        return read_from_replica(read, tenant_id=self.tenant.id, reader=str(self.identity.user_id))

    def _changes_something(self) -> bool:
        method = self.request.method or ""
        is_there = hasattr(self, method.lower())
        return is_there and method not in SAFE and getattr(self, "action", None) not in self.only_look

    def _needs_context(self) -> bool:
        opens = self.opens_tenant_context
        return opens if isinstance(opens, bool) else getattr(self, "action", None) in opens
