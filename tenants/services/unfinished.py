"""Jobs of tenants that are worked off in the background, a batch a transaction: whose wait, and whose turn it is."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import models

from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.directory import fetch_tenants

_UNFINISHED = """
SELECT DISTINCT t.id, t.slug FROM {table} p JOIN tenants_tenant t ON t.id = p.tenant_id
 WHERE p.finished_at IS NULL AND NOT t.is_suspended
"""
Job = TypeVar("Job", bound=models.Model)


def find_tenants_with_unfinished(jobs: type[models.Model]) -> list[TenantRef]:
    """The tenants that have such a job to work off, over the platform connection. One statement."""
    return fetch_tenants(_UNFINISHED.format(table=jobs._meta.db_table))


def work_off_unfinished(jobs: type[Job], work: Callable[[Job], None], *, tenant: TenantRef) -> Iterator[Job]:
    """Do ``work`` on the tenant's first job that is not finished, each time in a transaction of its own, until there is
    none; yields the job each time. Call outside of any transaction.

    Two workers share the work: the job's row is locked.
    """
    while True:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            unfinished = jobs._default_manager.select_for_update().filter(tenant_id=tenant.id, finished_at=None)
            job = unfinished.order_by("pk").first()
            if job is None:
                return
            work(job)
        yield job
