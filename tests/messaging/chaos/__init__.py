"""Fault injection: consumers and relays are killed, cut off and restarted while events pour in; then all is counted.

``python -m tests.messaging.chaos`` (``make chaos``) is the long run; the test suite makes a quick one.
"""
