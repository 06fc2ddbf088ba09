"""The pure rules of billing: money and subscriptions; no I/O, the clock is passed in."""
