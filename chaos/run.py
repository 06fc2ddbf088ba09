"""One run in a process of its own: `python -m chaos.run seed 17`, `python -m chaos.run away`,
`python -m chaos.run kills 17 50`.

Its result is written to stdout as JSON.
"""

import sys
from collections.abc import Callable

import msgspec

from chaos.figures import Result
from chaos.kills.run import run_kills
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
    if kind == "seed":
        result = run_seed(int(values[0]))
    elif kind == "kills":
        result = run_kills(*map(int, values))
    else:
        result = SCENARIOS[kind](*map(float, values))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
