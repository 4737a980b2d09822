"""What the benchmarks compare with: the same work done by django-fsm-2 and by bare views."""
