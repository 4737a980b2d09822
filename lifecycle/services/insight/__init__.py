"""Figures of the lifecycle from its history: kept, checked and read."""
