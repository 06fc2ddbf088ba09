"""HTTP out: metrics, probes, pages, and errors as problems."""
