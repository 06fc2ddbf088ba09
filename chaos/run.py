"""One run in a process of its own: `python -m chaos.run seed 17`, `python -m chaos.run away`.

Its result is written to stdout as JSON.
"""

import sys
from collections.abc import Callable
from functools import partial

import msgspec

from chaos.figures import Result
from chaos.scenarios import away, backup, disk_full, slow_sockets
from chaos.seed import run_seed

# Those that measure times come first and have the machine for themselves.
SCENARIOS: dict[str, Callable[..., Result]] = {
    "slow_sockets": slow_sockets.run,
    "backup": backup.run,
    "disk_full": disk_full.run,
    "away": away.run,
}


def main(kind: str, *values: str) -> None:
    """Run it."""
    run = partial(run_seed, int(values[0])) if kind == "seed" else SCENARIOS[kind]
    arguments = () if kind == "seed" else tuple(map(float, values))
    sys.stdout.buffer.write(msgspec.json.encode(run(*arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
