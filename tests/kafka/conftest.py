"""Only on Apache Kafka (``make kafka-test``): without its brokers there is nothing to collect here."""

import os

collect_ignore_glob = [] if "KAFKA_CLUSTER" in os.environ else ["test_*.py"]
