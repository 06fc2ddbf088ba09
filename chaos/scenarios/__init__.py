"""Faults that take long, or need the machine for themselves: each is run once."""
