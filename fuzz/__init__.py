"""Fuzzing: a coverage-guided fuzzer on what reads input, and one of requests to a real exporter."""
