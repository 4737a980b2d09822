"""How rows are kept: the driver, cursors, row-level security, periods, encryption, limits of time, Redis. No app."""
