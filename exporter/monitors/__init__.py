"""The periodic jobs, and the supervisor that runs each on one replica at a time."""
