"""The declared metrics, labels, event kinds and the accounting between them; pure data."""
