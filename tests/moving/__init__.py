"""A tenant moved to another PostgreSQL server for real: two servers, every process, load, and kill -9 at every step."""
