"""Dates and times as the pages write them, for what Django itself writes: the administration."""
