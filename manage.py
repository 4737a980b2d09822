#!/usr/bin/env python
"""Django's command line for Customer 360 Lifecycle Management."""

import os
import sys

if __name__ == "__main__":
    from config.interrupts import end_interrupted, insist_on_interrupts

    insist_on_interrupts()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from config.command_line import run
    except KeyboardInterrupt:
        end_interrupted()
    run(sys.argv)
