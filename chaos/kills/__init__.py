"""Kills of what tells people of alerts, with a model of what happened that the end must equal."""
