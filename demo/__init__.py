"""`make demo`: everything running together on this machine, with two weeks behind it."""
