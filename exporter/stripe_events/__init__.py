"""A Stripe event in, canonical billing events out: by shape, one per fact, no I/O."""
