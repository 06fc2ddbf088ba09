"""`make drill`: every alert is brought about for real, and its messages are read."""
