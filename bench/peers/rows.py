"""Rows of the peers, made before and counted after."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connections
from django.utils import timezone
from django_fsm_log.models import StateLog

from bench.peers.models import PeerStatus
from bench.population import connect_as_administrator


def copy_to_peer(tenant_id: UUID, customers: Sequence[UUID]) -> None:
    """A status of the peer for each customer, all out of risk."""
    now = timezone.now()
    PeerStatus.objects.bulk_create(
        [
            PeerStatus(
                tenant_id=tenant_id,
                customer_id=customer_id,
                stage_entered_at=now,
                updated_at=now,
                updated_by="bench",
                actor_kind="system",
                source="Import",
            )
            for customer_id in customers
        ],
        batch_size=5000,
    )
    connections["default"].close()
    with connect_as_administrator() as administrator:
        administrator.execute("VACUUM (ANALYZE) peers_peerstatus")


def count_peer_changes() -> int:
    """Changes in the log of django-fsm-log so far."""
    return int(StateLog.objects.count())
