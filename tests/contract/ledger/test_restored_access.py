"""What a backup doesn't carry over: who may see what is settled by the server it is restored on."""

from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.ledger.embedded import EmbeddedServer
from tests.support.access import (
    AUDITOR,
    FOREIGN,
    OPERATOR,
    OURS,
    READER,
    WRITER,
    Shown,
    two_organizations,
)
from tests.support.command import run_command
from tests.support.database import new_database
from tests.support.exporter import ADMIN_KEY
from tests.support.writing import ask

_POLICIES = """
SELECT policyname::text, count(*) FROM pg_policies
WHERE schemaname = 'shared' AND tablename <> 'alert_history' GROUP BY 1 ORDER BY 1
"""
_SEEN = "SELECT DISTINCT organization_id FROM shared.billing_alerts ORDER BY 1"


def test_a_server_without_some_of_the_roles_restores_the_rights_of_the_others(
    tmp_path: Path, oldest_postgres: EmbeddedServer, postgres: EmbeddedServer
) -> None:
    settings = {
        "BILLING_ADMIN_KEY": ADMIN_KEY,
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "BILLING_DATA_DIR": str(tmp_path),
    }
    with two_organizations(oldest_postgres) as shown, new_database(postgres) as target:
        policies = dict(ask(shown.owner, _POLICIES))  # type: ignore[arg-type]
        assert set(policies) == {"auditor", "operator", "owner", "reader", "writer"}
        made = run_command(
            tmp_path, {**settings, "DATABASE_URL": shown.owner}, "backup", "one.backup"
        )
        assert made.returncode == 0, made.stderr
        answer = run_command(
            tmp_path, {**settings, "DATABASE_URL": target}, "restore", "one.backup"
        )
        assert answer.returncode == 0, answer.stderr
        # The first that is met.
        assert any(f"the server has no role {role}" in answer.stderr for role in (AUDITOR, WRITER))
        del policies["auditor"], policies["writer"]
        assert dict(ask(target, _POLICIES)) == policies  # type: ignore[arg-type]
        superuser = make_conninfo(
            postgres.conninfo("postgres"), dbname=str(conninfo_to_dict(target)["dbname"])
        )
        restored = Shown(postgres, target, superuser)
        both = [str((OURS,)), str((FOREIGN,))]
        assert restored.rows("billing", _SEEN) == both
        assert restored.rows(OPERATOR, _SEEN) == both
        assert restored.rows(READER, _SEEN) == both[:1]
        health = "SELECT * FROM shared.calculate_billing_health_score('globex')"
        assert restored.rows(OPERATOR, health)
        assert restored.rows(READER, health) == []
