#!/usr/bin/env python
"""Django's command line for Customer 360 Lifecycle Management."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config.processes import declare_command

    declare_command(sys.argv[1:])
    execute_from_command_line(sys.argv)
