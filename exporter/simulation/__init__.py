"""Realistic billing traffic from a seed: `model.Simulation` makes requests, `sender.Sender` posts
them, and `tally.Tally` says what an exporter must count for those that were answered.
"""
