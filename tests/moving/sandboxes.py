"""A sandbox that moves: emptied and filled where it lives, before and after, and its record verified everywhere."""

import time
from collections.abc import Iterator
from typing import Final

from tests.moving import counting
from tests.moving.world import World, ask

SANDBOX: Final = "sandbox"
COUNT: Final = "SELECT count(*) FROM lifecycle_customer WHERE tenant_id = %s"
PUBLISHED: Final = "SELECT count(*) FROM audit_outbox WHERE published_at IS NULL"


def move_sandbox(world: World, *, settle: str) -> Iterator[str]:
    """To ``b`` and back, reset on each before and after; what is wrong. A relay works on each server."""
    world.manage("create_tenant", SANDBOX, "Try it", "--sandbox")
    ((tenant_id,),) = ask(world.address("main"), "SELECT id FROM tenants_tenant WHERE slug = %s", [SANDBOX])
    for here, there in (("main", "b"), ("b", "main")):
        yield from _reset_and_seal(world, here)
        world.manage("move_tenant", SANDBOX, "--to", there, "--settle", settle)
        yield from counting.count_left(world, here, tenant_id)
        yield from _verify(world, f"after the move to {there}")
        # By the process of the new server, and by an operator on main who knows of no server.
        yield from _reset_and_seal(world, there)
        yield from _verify(world, f"after a reset on {there}")
        ((customers,),) = ask(world.address(there), COUNT, [tenant_id])
        if customers != 300:
            yield f"the sandbox has {customers} customers on {there}, not 300"
        said = world.manage("reset_sandboxes", "--tenant", SANDBOX, "--again")
        if "300 customers filled in" not in said:
            yield f"an operator could not reset the sandbox on {there}: {said}"
        world.manage("seal_audit", "--tenant", SANDBOX)
        yield from _verify(world, f"after an operator's reset on {there}")


def _reset_and_seal(world: World, server: str) -> Iterator[str]:
    said = world.manage("reset_sandboxes", "--tenant", SANDBOX, "--again", server=server)
    if "300 customers filled in" not in said:
        yield f"the sandbox was not reset on {server}: {said}"
    world.manage("seal_audit", "--tenant", SANDBOX, server=server)


def _verify(world: World, when: str) -> Iterator[str]:
    """On main over every server, with the seals that were published."""
    until = time.monotonic() + 30
    while any(ask(world.address(server), PUBLISHED)[0][0] for server in world.servers):
        if time.monotonic() > until:
            yield f"{when}: an outbox is not drained"
            return
        time.sleep(0.2)
    try:
        world.manage("verify_audit", "--published")
    except RuntimeError as error:
        yield f"{when}: {error}"
