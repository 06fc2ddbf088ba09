"""Seeded faults under load, with a model in memory that the end must equal."""
