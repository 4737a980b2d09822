"""Two hosts beside this machine: a network namespace each, on one bridge. Needs root and iproute2."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.trouble import NotAvailable

PREFIX: Final = "c360"
NAMES: Final = ("a", "b")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host is: its address, and what a command is led by to run there."""

    name: str
    address: str
    prefix: Sequence[str] = ()
    # This machine's end of its cable; '' without a network of its own.
    cable: str = ""

    def cut(self) -> None:
        """Pull the cable."""
        run("ip", "link", "set", self.cable, "down")

    def join(self) -> None:
        """Put it in again."""
        run("ip", "link", "set", self.cable, "up")

    def disturb(self) -> bool:
        """Delay and lose packets on the way to the host; False where the kernel cannot."""
        try:
            run("tc", "qdisc", "add", "dev", self.cable, "root", "netem", "delay", "40ms", "10ms", "loss", "2%")
        except NotAvailable:
            return False
        return True

    def calm(self) -> None:
        """Undo ``disturb``."""
        run("tc", "qdisc", "del", "dev", self.cable, "root")


@dataclass(frozen=True, slots=True)
class Network:
    """``address``: this machine's own, at which the hosts reach the services; '' without namespaces."""

    address: str
    places: tuple[Place, Place]


def why_not() -> str:
    """Why there can be no namespaces here; '' if there can."""
    if os.geteuid() != 0:
        return "this account is not root"
    if shutil.which("ip", path=PATH) is None:
        return "iproute2 is not installed (apt-get install iproute2)"
    try:
        sweep()
        run("ip", "netns", "add", f"{PREFIX}-{os.getpid()}-try")
        run("ip", "netns", "del", f"{PREFIX}-{os.getpid()}-try")
    except NotAvailable as trouble:
        return str(trouble)
    return ""


def beside() -> Network:
    """Two hosts that are this machine: their processes have ports of their own."""
    first, second = (Place(name, "127.0.0.1") for name in NAMES)
    return Network("", (first, second))


@contextmanager
def namespaces() -> Iterator[Network]:
    """Two namespaces, a bridge, and a cable to each. Raises NotAvailable."""
    pid = os.getpid()
    subnet = f"10.{200 + (pid >> 8) % 50}.{pid % 256}"
    bridge = f"{PREFIX}{pid}"
    places = tuple(
        Place(
            name,
            f"{subnet}.{11 + number}",
            ("ip", "netns", "exec", f"{PREFIX}-{pid}-{name}"),
            f"{PREFIX}{pid}{name}",
        )
        for number, name in enumerate(NAMES)
    )
    try:
        run("ip", "link", "add", bridge, "type", "bridge")
        run("ip", "address", "add", f"{subnet}.1/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for place in places:
            space = place.prefix[-1]
            run("ip", "netns", "add", space)
            run("ip", "link", "add", place.cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "link", "set", place.cable, "master", bridge, "up")
            run("ip", "-n", space, "address", "add", f"{place.address}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
        yield Network(f"{subnet}.1", (places[0], places[1]))
    finally:
        remove(pid)


def sweep() -> None:
    """Remove what runs have left that were killed."""
    spaces, links = run("ip", "netns", "list"), run("ip", "-o", "link", "show", "type", "bridge")
    pids = {int(pid) for pid in re.findall(rf"\b{PREFIX}-?(\d+)", f"{spaces}\n{links}")}
    for pid in pids - {os.getpid()}:
        if not Path(f"/proc/{pid}").exists():
            remove(pid)


def remove(pid: int) -> None:
    """What belongs to the run of that process, as far as it is there. The cables go with their namespaces."""
    for name in (*NAMES, "try"):
        if Path(f"/run/netns/{PREFIX}-{pid}-{name}").exists():
            run("ip", "netns", "del", f"{PREFIX}-{pid}-{name}")
    if Path(f"/sys/class/net/{PREFIX}{pid}").exists():
        run("ip", "link", "del", f"{PREFIX}{pid}")


PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def run(*command: str) -> str:
    """What a command prints. Raises NotAvailable with what it complains of."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": PATH})
    if done.returncode:
        raise NotAvailable(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
