"""What is wrong with one event."""


class EventRefusedError(ValueError):
    """An event breaks a rule; `reason` says which, `remedy` how to mend it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class ForeignOrganizationError(EventRefusedError):
    """An event is about another organisation than the key's."""
