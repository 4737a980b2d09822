"""Bringing customers in from a file that any CRM exports: see ``importing``."""
