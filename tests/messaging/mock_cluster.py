"""A broker that fails on request: librdkafka's own mock cluster, as a server that other clients connect to."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from confluent_kafka import KafkaError

_PRODUCER = 0
PRODUCE, OFFSET_FETCH = 0, 9


def _load() -> ctypes.CDLL:
    spec = find_spec("confluent_kafka")
    assert spec is not None and spec.origin is not None
    (library,) = (Path(spec.origin).parents[1] / "confluent_kafka.libs").glob("librdkafka-*")
    loaded = ctypes.CDLL(str(library))
    pointer, text, number, numbers = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    for name, result, arguments in (
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_topic_set_error", None, [pointer, text, number]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_push_request_errors_array", None, [pointer, ctypes.c_int16, ctypes.c_size_t, numbers]),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class MockCluster:
    """``servers``: where it listens. ``refuse`` and ``allow`` decide about a topic."""

    def __init__(self) -> None:
        self._library = _load()
        error = ctypes.create_string_buffer(512)
        self._handle = self._library.rd_kafka_new(_PRODUCER, None, error, len(error))
        assert self._handle, error.value
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, 1)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.servers: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def make(self, topic: str) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), 1, 1) == 0

    def refuse(self, topic: str, error: int = KafkaError.TOPIC_AUTHORIZATION_FAILED) -> None:
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def allow(self, topic: str) -> None:
        self.refuse(topic, 0)

    def refuse_once(self, request: int, error: int) -> None:
        """Answer the next request of a kind with an error."""
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, 1, (ctypes.c_int * 1)(error))

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """A cluster of one broker for the duration."""
    cluster = MockCluster()
    try:
        yield cluster
    finally:
        cluster.close()
