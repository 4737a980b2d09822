"""Fault injection for effects: workers are killed at every step while servers misbehave; then every effect is counted.

``python -m tests.delivery.chaos`` (``make chaos-effects``) is the long run; the test suite makes a quick one.
"""
