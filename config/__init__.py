"""Settings, addresses, and the processes' entry points."""

from config.metrics import share_metrics

# Before anything imports prometheus_client, which decides at its import where it keeps values.
share_metrics()
