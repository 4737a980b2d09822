"""Starts the embedded services and what runs on them: development and tests only, never imported by the product."""
