"""Identifiers in the shapes that Stripe and apps give them, from a seed."""

import random
import string
import uuid

_LETTERS = string.digits + string.ascii_letters


class Ids:
    """Draws ids; two runs draw the same ones if and only if their seeds are the same."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(f"ids {seed}")  # noqa: S311 - to be repeatable

    def stripe(self, prefix: str) -> str:
        """An id as of Stripe's objects and events: `pi_3S…`."""
        return f"{prefix}_1S{self._letters(22)}"

    def customer(self) -> str:
        """An id as of Stripe's customers."""
        return f"cus_{self._letters(14)}"

    def thin(self, prefix: str) -> str:
        """An id as of Stripe's newer, thin events and meters: `evt_test_61…`."""
        return f"{prefix}_61{self._letters(26)}"

    def event(self) -> str:
        """An id as apps make them: a UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_LETTERS, k=count))
