"""HTTP in: telemetry, Stripe's webhooks, and what guards them."""
