"""What a seed stands for: how many replicas, whose PostgreSQL, and which faults when."""

import random
from dataclasses import dataclass

# Whoever runs PostgreSQL.
COMMON_FAULTS = (
    "exporter_kill",
    "exporter_freeze",
    "rolling_restart",
    "postgres_kill",
    "backend_kill",
    "postgres_restart",
    "database_frozen",
    "table_lock",
)
# An exporter that embeds PostgreSQL starts it again at once and has no proxy in front of it; and a
# clock that is set by libfaketime breaks the short sleeps by which Python waits for a child.
SEPARATE_FAULTS = ("database_away", "connection_cut", "database_slow", "clock_step")
KINDS = (*COMMON_FAULTS, *SEPARATE_FAULTS)

LOAD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault at a moment, counted from when the load began; it draws what else it needs from
    its own randomness.
    """

    kind: str
    at_seconds: float
    randomness: random.Random


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `embedded` says that the exporters share an embedded PostgreSQL."""

    seed: int
    replicas: int
    embedded: bool
    faults: tuple[PlannedFault, ...]

    def __str__(self) -> str:
        faults = ", ".join(f"{fault.kind} at {fault.at_seconds:.1f} s" for fault in self.faults)
        server = "embedded" if self.embedded else "separate"
        return f"{self.replicas} replica(s), {server} PostgreSQL; {faults or 'no faults'}"


def make_plan(seed: int) -> Plan:
    """The plan of a seed, always the same. Seeds in a row go through all kinds."""
    randomness = random.Random(f"plan {seed}")
    first = KINDS[seed % len(KINDS)]
    embedded = first not in SEPARATE_FAULTS and randomness.random() < 0.5
    others = [
        kind for kind in KINDS if kind != first and not (embedded and kind in SEPARATE_FAULTS)
    ]
    chosen = [first, *randomness.sample(others, randomness.randint(1, 4))]
    randomness.shuffle(chosen)
    moments = sorted(randomness.uniform(0.2, LOAD_SECONDS) for _ in chosen)
    return Plan(
        seed,
        randomness.choice((1, 2, 3)),
        embedded,
        tuple(
            PlannedFault(kind, moment, random.Random(f"fault {seed} {number}"))
            for number, (kind, moment) in enumerate(zip(chosen, moments, strict=True))
        ),
    )
