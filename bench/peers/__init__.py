"""What others build for the same task, written in good faith: signatures checked, each id stored
once with its body, counted exactly, and answered after the commit.
"""
