"""Who is at work: so many clients, in this order, each with a key or a session and customers of its own."""

from collections.abc import Sequence
from typing import Final

from tests.load.clients import Caller
from tests.load.journal import Journal
from tests.load.roles import BulkMover, Feeder, Lister, Mover, Noter, Putter, Reader, Role, Scene, Sender
from tests.load.visitors import Floor, Listener, Visitor
from tests.load.world import PERSON, TENANT, World

ORDER: Final[Sequence[type[Role]]] = (
    *(Mover, Reader, Putter, Sender, Feeder, Visitor, Noter, BulkMover),
    *(Listener, Lister, Mover, Reader, Reader, Lister, Noter, Mover, Reader, Lister, Mover, Reader),
    *(Reader, Lister, Mover, Reader, Visitor),
)

# A mover has so many customers, which it moves again and again: what was read of them before is in Valkey.
MOVED_BY_EACH: Final = 12


def make_roles(world: World, journal: Journal, clients: int, seed: int) -> list[Role]:
    """The clients, and the one that measures the floor."""
    site = world.site
    scene = Scene(journal, world.customers, world.env["KAFKA_BOOTSTRAP_SERVERS"], TENANT, PERSON)
    kinds = [ORDER[number % len(ORDER)] for number in range(clients)]
    keys = world.keys[TENANT]
    roles: list[Role] = []
    for number, kind in enumerate([*kinds, Floor]):
        first, last = (int(len(world.customers) * share) for share in kind.part)
        share = world.customers[first:last][kinds[:number].count(kind) :: kinds.count(kind) or 1]
        if kind is Mover:
            share = share[: min(MOVED_BY_EACH, max(4, len(share) // 20))]
        key = "" if issubclass(kind, Visitor) else keys[number % len(keys)]
        roles.append(kind(scene, Caller(site, number % 2, journal, key=key), share, seed * 1000 + number))
    return roles
