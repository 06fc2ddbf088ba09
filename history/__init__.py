"""A past for Prometheus: what it would have stored, had an exporter run for weeks."""
