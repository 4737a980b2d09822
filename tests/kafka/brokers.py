"""The three brokers that ``make kafka-test`` has started, for tests: kill, start again, move leaders, let people in."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from local.kafka.certificates import read_authority
from local.processes import with_parent
from tests.messaging.waiting import await_that

PASSWORD = "a-password-of-the-tests"
# A start of the JVM on a busy machine, and what the broker then catches up with.
WHOLE_WITHIN = 180.0


class Brokers:
    """The cluster. Whatever a test stops is started again after it (``make_whole``)."""

    def __init__(self, folder: Path) -> None:
        described = json.loads((folder / "cluster.json").read_text())
        self.servers: dict[str, str] = described["servers"]
        self.tls = Path(described["tls"])
        self._nodes = {int(number): node for number, node in described["nodes"].items()}
        self._pids = {number: int(node["pid"]) for number, node in self._nodes.items()}
        self._restarted: dict[int, subprocess.Popen[bytes]] = {}
        self.admin = AdminClient({"bootstrap.servers": self.servers["PLAINTEXT"], "log_level": 0})

    @property
    def numbers(self) -> list[int]:
        return sorted(self._nodes)

    # --- processes --------------------------------------------------------------------------------------------

    def stop(self, number: int, *, signum: int = signal.SIGKILL) -> None:
        """End a broker: by a kill, or in order (SIGTERM), which moves the partitions that it leads first."""
        os.kill(self._pids[number], signum)
        await_that(lambda: not self._is_running(number), seconds=WHOLE_WITHIN)

    def start(self, number: int) -> None:
        """Start it again on its data; it has not found the others yet."""
        node = self._nodes[number]
        with Path(node["log"]).open("ab") as log:
            process = subprocess.Popen(
                node["argv"], cwd=node["folder"], stdout=log, stderr=log, preexec_fn=with_parent(signal.SIGKILL)
            )
        self._restarted[number], self._pids[number] = process, process.pid

    def freeze(self, seconds: float) -> None:
        """Have all of them stand still for a while, with their connections open."""
        for pid in self._pids.values():
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in self._pids.values():
            os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill what was started again: for who has started the cluster and knows only the first processes."""
        for process in self._restarted.values():
            process.kill()
            process.wait()

    def make_whole(self) -> None:
        """Start what does not run, and wait until every copy of every partition is up to date."""
        for number in self.numbers:
            if not self._is_running(number):
                self.start(number)
        await_that(self.is_whole, seconds=WHOLE_WITHIN)

    def is_whole(self) -> bool:
        """Whether all three are there and no copy lags."""
        try:
            known = self.admin.list_topics(timeout=5)
        except KafkaException:
            return False
        partitions = [one for topic in known.topics.values() for one in topic.partitions.values()]
        return len(known.brokers) == len(self._nodes) and all(
            one.leader in known.brokers and len(one.isrs) == len(one.replicas) for one in partitions
        )

    def _is_running(self, number: int) -> bool:
        if process := self._restarted.get(number):
            return process.poll() is None
        try:
            return Path(f"/proc/{self._pids[number]}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    # --- topics -----------------------------------------------------------------------------------------------

    def make_topic(self, name: str, *, placed: Sequence[Sequence[int]] = (), **config: str) -> None:
        """A topic: where its copies are, the preferred leader first, and its settings (``_`` for a dot)."""
        options: dict[str, Any] = {"num_partitions": 1, "replication_factor": 3}
        if placed:
            options = {"num_partitions": len(placed), "replica_assignment": [list(copies) for copies in placed]}
        settings = {key.replace("_", "."): value for key, value in config.items()}
        _await(self.admin.create_topics([NewTopic(name, config=settings, **options)]))

    def delete_topic(self, name: str) -> None:
        _await(self.admin.delete_topics([name], operation_timeout=10))

    def set_config(self, name: str, **config: str) -> None:
        """Change settings of a topic."""
        entries = [
            ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for key, value in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        _await(self.admin.incremental_alter_configs([resource]))

    def add_partitions(self, name: str, total: int) -> None:
        _await(self.admin.create_partitions([NewPartitions(name, total)]))

    def leader(self, name: str, partition: int = 0) -> int:
        return int(self.admin.list_topics(name, timeout=60).topics[name].partitions[partition].leader)

    def elect_preferred(self, name: str, partition: int = 0) -> None:
        """Have the first of its copies lead a partition."""
        self.admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(name, partition)]).result()

    def elect_all_preferred(self) -> None:
        """The same for every partition."""
        self.admin.elect_leaders(ElectionType.PREFERRED, None).result()

    # --- people -----------------------------------------------------------------------------------------------

    def add_user(self, name: str) -> dict[str, str]:
        """Somebody with a password; how their clients say who they are."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, credential, PASSWORD.encode())
        _await(self.admin.alter_user_scram_credentials([change]))
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(self.tls / "authority.crt"),
        }

    def certify(self, name: str) -> dict[str, str]:
        """Somebody with a certificate of the brokers' authority; how their clients say who they are."""
        path = str(read_authority(self.tls).issue(name))
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.tls / "authority.crt"),
            "ssl.certificate.location": path,
            "ssl.key.location": path,
        }

    def allow(self, user: str, *operations: str, topic: str = "", group: str = "", prefixed: bool = False) -> None:
        self._rule(AclPermissionType.ALLOW, user, operations, topic, group, prefixed)

    def deny(self, user: str, *operations: str, topic: str) -> None:
        self._rule(AclPermissionType.DENY, user, operations, topic, "", prefixed=False)

    def allow_again(self, user: str, *, topic: str) -> None:
        """Take back what was denied."""
        rule = self._binding(AclPermissionType.DENY, user, AclOperation.ANY, topic, "", prefixed=False, every=True)
        _await(self.admin.delete_acls([rule]))

    def _rule(
        self, permission: Any, user: str, operations: Sequence[str], topic: str, group: str, prefixed: bool
    ) -> None:
        rules = [
            self._binding(permission, user, AclOperation[one], topic, group, prefixed=prefixed) for one in operations
        ]
        _await(self.admin.create_acls(rules))

    def _binding(
        self, permission: Any, user: str, operation: Any, topic: str, group: str, *, prefixed: bool, every: bool = False
    ) -> Any:
        from confluent_kafka.admin import AclBindingFilter

        kind = ResourceType.TOPIC if topic else ResourceType.GROUP
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        make = AclBindingFilter if every else AclBinding
        return make(kind, topic or group, pattern, f"User:{user}", "*", operation, permission)


def _await(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        future.result()
