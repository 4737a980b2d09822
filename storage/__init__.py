"""How rows are kept: the driver, cursors, row-level security, encryption, time limits, Redis. No app, no models."""
