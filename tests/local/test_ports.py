"""A port that a process was given is no one else's, though nothing listens there yet."""

import errno
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from local import processes
from local.folders import PROJECT

# Another process that happens to begin at the same place.
OTHER = """
import itertools, sys
from local import processes
processes._turn = itertools.count(int(sys.argv[1]))
print(processes.find_free_port())
"""


def find_elsewhere(port: int) -> int:
    """What another process is given that begins to look at a port."""
    command = [sys.executable, "-c", OTHER, str(processes.PORTS.index(port))]
    return int(subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout)


def test_two_processes_are_not_given_the_same_port_before_either_listens() -> None:
    mine = processes.find_free_port()
    assert not processes.find_port_error(mine)
    assert find_elsewhere(mine) != mine


def test_of_many_ports_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MOST_CLAIMS", 2)
    monkeypatch.setattr(processes, "_claims", type(processes._claims)())
    _, *last = (processes.find_free_port() for _ in range(3))
    claims = [socket.socket(fileno=descriptor) for descriptor in processes._claims]
    assert [claim.getsockname() for claim in claims] == [f"\0customer360-port-{port}".encode() for port in last]
    assert find_elsewhere(last[0]) not in last
    for claim in claims:
        claim.close()


def test_a_process_that_was_given_a_port_ends_without_a_warning() -> None:
    command = [sys.executable, "-X", "dev", "-c", OTHER, "0"]
    assert subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stderr == ""


def test_where_no_names_can_be_had_ports_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            if isinstance(address, str):
                raise PermissionError(errno.EPERM, "not here")
            super().bind(address)

    monkeypatch.setattr(processes, "socket", SimpleNamespace(**{**vars(socket), "socket": Refusing}))
    assert processes.find_free_port() in processes.PORTS
