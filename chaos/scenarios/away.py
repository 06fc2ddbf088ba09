"""The database is away for minutes, while the exporter is sent events and scraped."""

from chaos.figures import Result
from chaos.judge import judge_end
from chaos.plan import Plan
from chaos.seed import told, tried
from chaos.stage import pause, set_up
from tests.support.sendings import single, stripe_event

AWAY_SECONDS = 600.0
_AROUND_SECONDS = 2.0
_PACE_SECONDS = 0.5


def run(away_seconds: float = AWAY_SECONDS) -> Result:
    """Nothing is acknowledged meanwhile, every scrape succeeds, and what waited counts once."""
    plan = Plan(0, replicas=1, embedded=False, faults=())
    result = Result({"away_seconds": away_seconds}, {"database_away": 1})
    with (
        tried(result, f"the database is away for {away_seconds:g} s") as folder,
        set_up(plan, folder, (single, stripe_event), _PACE_SECONDS) as stage,
        told(result, stage),
    ):
        assert stage.proxy is not None
        pause(_AROUND_SECONDS)
        stage.database.stop()
        stage.note("PostgreSQL is stopped")
        with stage.away():
            pause(away_seconds)
        back_seconds = stage.database.start()
        conninfo = stage.database.conninfo
        stage.proxy.ask(lambda it: it.aim(conninfo))
        stage.note("PostgreSQL is back")
        stage.await_recovery("database_away", back_seconds)
        pause(_AROUND_SECONDS)
        stage.stop_load()
        result.figures |= judge_end(stage)
    return result
