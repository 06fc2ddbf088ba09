"""Billing exporter: billing telemetry and Stripe webhooks as exact Prometheus metrics."""

__version__ = "0.1.0"
