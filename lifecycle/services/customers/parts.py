"""The pieces that every reading of a customer is made of: facts as JSON, and what they are judged by."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import orjson

from lifecycle.queries import facts
from lifecycle.rules.fields import BILLING, SUPPORT, names_of, texts_of
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import known_policy, policy_of_version

Json = dict[str, Any]


def pick_figures(row: Mapping[str, Any]) -> Json:
    """The figures of a row of ``facts``."""
    # Customers of whom Billing or Support has said nothing have no row there: the texts come as NULL.
    billing, support = facts.pick(row, names_of(BILLING)), facts.pick(row, names_of(SUPPORT))
    for part, figures in ((BILLING, billing), (SUPPORT, support)):
        figures |= {name: figures[name] or "" for name in texts_of(part)}
    return {
        "name": row["name"],
        "owner": row["owner"],
        "billing": billing,
        "support": support,
    }


def dump(value: Json) -> bytes:
    """The bytes that are kept in the cache. What is shown is always read from them, so a hit looks like a miss."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def load_status(raw: bytes) -> Json:
    """The status from the cache, its times as times."""
    status: Json = orjson.loads(raw)
    for name in ("stage_entered_at", "updated_at"):
        status[name] = dt.datetime.fromisoformat(status[name])
    return status


def policy_of(tenant: TenantRef, version: int) -> Policy:
    """The policy of a version; a statement only the first time that this process sees it."""
    policy = known_policy(tenant.id, version)
    if policy is None:
        with tenant_context(tenant.id):
            policy = policy_of_version(tenant.id, version)
    return policy
