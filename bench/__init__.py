"""What the exporter does a second, beside what others build: one run, one table."""
