"""Three brokers of Apache Kafka, each a controller as well, with all they keep in a throw-away folder."""

import base64
import json
import os
import shutil
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local import signals
from local.folders import Folders
from local.guard import Guard
from local.kafka.certificates import Authority, make_authority
from local.kafka.jars import HERE, find_java, find_version, provide_jars
from local.processes import Child, find_free_port, stop
from local.services import say
from local.trouble import CannotStart

NODES = (1, 2, 3)
# For people at the terminal and for clients of the tests; brokers and controllers talk in clear, all on 127.0.0.1.
LISTENERS = ("PLAINTEXT", "SASL_SSL", "SSL", "CONTROLLER")
# A broker that dies is noticed at once; this is for a machine that is busy with other things.
READY_WITHIN = 240.0
# A port was free as it was chosen, and is another's as the broker comes to listen.
ATTEMPTS = 3
PORT_TAKEN = "Address already in use"
# What an installation has: three copies, of which two must be there. The rest is made small, or quick to notice.
COMMON = {
    "process.roles": "broker,controller",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": ",".join(
        f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in LISTENERS
    ),
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "offsets.topic.num.partitions": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "transaction.state.log.num.partitions": 3,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "listener.name.ssl.ssl.client.auth": "required",
    # A principal is "User:name", not "User:CN=name".
    "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
    # The tests' consumers ask for sessions of two seconds; a broker's own limit is six.
    "group.min.session.timeout.ms": 1000,
    "group.initial.rebalance.delay.ms": 0,
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.session.timeout.ms": 12_000,
    "group.consumer.min.heartbeat.interval.ms": 200,
    "group.consumer.heartbeat.interval.ms": 500,
    # How soon a broker that was killed is known to be gone. One that does nothing on a busy machine is not.
    "broker.session.timeout.ms": 6000,
    "broker.heartbeat.interval.ms": 500,
    # The tests move leaders themselves.
    "auto.leader.rebalance.enable": "false",
    "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    "log.index.size.max.bytes": 1024 * 1024,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
}
JVM = (
    *("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
    *("-XX:+ExitOnOutOfMemoryError", f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"),
)


@dataclass(slots=True)
class Node:
    """One broker: where it keeps things, its ports by listener, and how it is started."""

    number: int
    folder: Path
    ports: dict[str, int]
    argv: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The file with its settings."""
        return self.folder / "server.properties"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "broker.log"


@dataclass(slots=True)
class Cluster:
    """The three of them. ``describe`` is what tests need to kill one, to start it again, and to prove who they are."""

    folders: Folders
    guard: Guard
    # Where brokers listen, and what they are called by.
    host: str = "127.0.0.1"
    nodes: list[Node] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    authority: Authority | None = None

    @property
    def servers(self) -> str:
        """Where clients in clear begin."""
        return join_servers(self.nodes, "PLAINTEXT", self.host)

    @property
    def folder(self) -> Path:
        """Where everything of it lies."""
        return self.folders.data / "kafka"

    def start(self) -> None:
        """Fetch, format and start them, and wait until they know each other. Raises CannotStart, StopRequested."""
        java, jars = find_java(), provide_jars(self.guard)
        began = time.monotonic()
        for attempt in range(ATTEMPTS):
            try:
                self._start_all(java, jars)
                break
            except CannotStart:
                if attempt == ATTEMPTS - 1 or not self._lost_a_port():
                    raise
                self.stop()
                self.nodes, self.children = [], []
                shutil.rmtree(self.folder)
        self._describe()
        say(f"Apache Kafka {find_version()} ready in {time.monotonic() - began:.1f} s (three brokers: {self.servers})")

    def stop(self) -> None:
        """Stop them; what they kept goes away, so they need not say good-bye to each other."""
        stop(self.children)

    def _lost_a_port(self) -> bool:
        logs = [node.log for node in self.nodes if node.log.exists()]
        return any(PORT_TAKEN in log.read_text(errors="replace") for log in logs)

    def _start_all(self, java: str, jars: Path) -> None:
        self._prepare(java, jars)
        format_storage = [java, *JVM, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"]
        # With a first letter of its own: one in 64 would begin with "-", and be taken for an option.
        cluster_id = base64.urlsafe_b64encode(b"c" + os.urandom(15)).decode().rstrip("=")
        self._await_end(
            [
                self._start(
                    node, [*format_storage, "--cluster-id", cluster_id, "--config", str(node.config)], "format.log"
                )
                for node in self.nodes
            ]
        )
        for node in self.nodes:
            self.children.append(self._start(node, node.argv, node.log.name))
        await_brokers(self.servers, len(NODES), self.children)

    def _prepare(self, java: str, jars: Path) -> None:
        (self.folder / "tls").mkdir(parents=True)
        self.authority = make_authority(self.folder / "tls")
        certificate = self.authority.issue("broker")
        for number in NODES:
            folder = self.folder / str(number)
            folder.mkdir()
            self.nodes.append(Node(number, folder, {name: find_free_port() for name in LISTENERS}))
        voters = ",".join(f"{node.number}@{self.host}:{node.ports['CONTROLLER']}" for node in self.nodes)
        for node in self.nodes:
            listeners = [f"{name}://{self.host}:{port}" for name, port in node.ports.items()]
            write_properties(
                node.config,
                COMMON
                | {
                    "node.id": node.number,
                    "controller.quorum.voters": voters,
                    "listeners": ",".join(listeners),
                    "advertised.listeners": ",".join(listeners[:-1]),
                    "log.dirs": node.folder / "data",
                    "ssl.keystore.location": certificate,
                    "ssl.truststore.location": self.authority.certificate,
                },
            )
            node.argv = [java, *JVM, "-cp", f"{jars}/*", "kafka.Kafka", str(node.config)]

    def _start(self, node: Node, argv: list[str], log: str) -> Child:
        child = Child(
            f"broker {node.number}",
            argv,
            self.guard,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
            cwd=node.folder,
            log=node.folder / log,
            stop_steps=((signal.SIGKILL, 5.0),),
        )
        child.start()
        return child

    def _await_end(self, children: Iterable[Child]) -> None:
        for child in children:
            status = child.wait()
            if status != 0:
                raise CannotStart(f"the storage of {child.name} cannot be formatted: {child.last_words(3)}")

    def _describe(self) -> None:
        nodes = {
            node.number: {
                "pid": child.pid,
                "argv": node.argv,
                "folder": str(node.folder),
                "log": str(node.log),
                "port": node.ports["PLAINTEXT"],
            }
            for node, child in zip(self.nodes, self.children, strict=True)
        }
        servers = {name: join_servers(self.nodes, name, self.host) for name in LISTENERS[:-1]}
        described = {"nodes": nodes, "servers": servers, "tls": str(self.folder / "tls")}
        (self.folder / "cluster.json").write_text(json.dumps(described, indent=1))


def join_servers(nodes: Iterable[Node], listener: str, host: str) -> str:
    """The addresses at which the brokers listen so."""
    return ",".join(f"{host}:{node.ports[listener]}" for node in nodes)


def write_properties(path: Path, values: dict[str, object]) -> None:
    """A file of Java properties."""
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def await_brokers(servers: str, count: int, children: Iterable[Child] = ()) -> None:
    """Wait until so many brokers are known. Raises CannotStart when one of the processes ends, or it takes too long."""
    deadline = time.monotonic() + READY_WITHIN
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    while time.monotonic() < deadline:
        for child in children:
            if not child.is_running():
                raise CannotStart(f"{child.name} {child.describe_end()}: {child.last_words(3)}")
        try:
            if len(admin.list_topics(timeout=1).brokers) >= count:
                return
        except KafkaException:
            pass
        signals.pause(0.1)
    raise CannotStart(f"the brokers did not find each other within {READY_WITHIN:.0f} s")
