"""Apache Kafka for tests: three brokers of the release that compose.yaml runs. Needs Java 17 and Maven."""
