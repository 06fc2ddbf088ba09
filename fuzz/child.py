"""One target under libFuzzer, in a process of its own."""

import importlib
import random
import sys
from pathlib import Path

from fuzz.corpus import words
from fuzz.mutation import Mutator

_JSON_TARGETS = ("events", "stripe", "json")


def main() -> None:
    """Fuzz until libFuzzer ends the process, which unwinds nothing; its flags and corpora follow
    the target's name and the folder that this may write to.
    """
    name, folder, *flags = sys.argv[1:]
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["exporter"], enable_loader_override=False):
        targets = importlib.import_module("fuzz.targets")
    mutator = Mutator(words())

    def mutate(raw: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.7:
            changed = mutator.change(raw, rng)
            if len(changed) <= max_size:
                return changed
        return bytes(atheris.Mutate(raw, max_size))

    with targets.opened_target(name, Path(folder)) as target:
        options = {"custom_mutator": mutate} if name in _JSON_TARGETS else {}
        atheris.Setup([sys.argv[0], *flags], target, **options)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
