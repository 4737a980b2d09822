#!/usr/bin/env python
"""Django's command line for Customer 360 Lifecycle Management."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.command_line import run

    run(sys.argv)
