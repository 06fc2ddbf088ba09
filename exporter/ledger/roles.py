"""The roles of the embedded cluster, their password files, and how to connect as each.

Passwords are 256 bits, random, and stand in files of libpq's pgpass format only: never in a
command line, a statement (those carry SCRAM verifiers), a log or an error.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from exporter.errors import EmbeddedServerError
from exporter.ledger.connection import CONNECT_TIMEOUT_SECONDS
from exporter.ledger.place import write_private
from exporter.ledger.ports import HOST

SUPERUSER = "postgres"
OWNER = "billing"
OPERATOR = "billing_operator"
READER = "billing_reader"
DATABASE = "billing"


def passfile(data_folder: Path, role: str) -> Path:
    return data_folder / f"{role}.pgpass"


def write_passfile(path: Path, role: str, password: str) -> None:
    """For any port, as the port may change."""
    write_private(path, f"{HOST}:*:*:{role}:{password}\n")


def read_password(path: Path) -> str | None:
    """The password of a passfile; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\n").rpartition(":")[2]
    except FileNotFoundError:
        return None


def make_password() -> str:
    return secrets.token_urlsafe(32)


def role_conninfo(data_folder: Path, role: str, port: int, dbname: str = DATABASE) -> str:
    """How libpq connects as a role, whatever PG* variables its process has.

    Only SCRAM is agreed to: whatever else took the port can't ask for the password, and has to
    prove that it knows it.
    """
    if role not in {SUPERUSER, OWNER, OPERATOR}:
        raise EmbeddedServerError(f"The embedded server has no role {role}.")
    proof = {"require_auth": "scram-sha-256"} if pq.version() >= 160000 else {}
    return make_conninfo(
        host=HOST,
        hostaddr=HOST,
        port=port,
        user=role,
        password="",  # or PGPASSWORD would come before the passfile
        dbname=dbname,
        passfile=str(passfile(data_folder, role)),
        sslmode="disable",
        gssencmode="disable",
        options="",
        client_encoding="UTF8",
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        **proof,
    )


def prepare_roles(connection: psycopg.Connection[Any], data_folder: Path) -> None:
    """Make what is missing of the roles, their passfiles and the database.

    It picks up wherever an earlier one was killed. A lost passfile is made again with a new
    password; the superuser's can't be. The reader doesn't log in: the owner takes its part.
    """
    roles = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    for role in (OWNER, OPERATOR):
        path = passfile(data_folder, role)
        stored = read_password(path)
        if role in roles and stored is not None:
            continue
        password = stored or make_password()
        _set_role(connection, role, password, exists=role in roles)
        # After the role: a kill between the two leaves no file, so the next start does both again.
        if stored is None:
            write_passfile(path, role, password)
    if READER not in roles:
        connection.execute(
            sql.SQL("CREATE ROLE {} NOLOGIN NOSUPERUSER NOBYPASSRLS").format(_name(READER))
        )
    connection.execute(sql.SQL("GRANT {} TO {}").format(_name(READER), _name(OWNER)))
    open_to_all = dict(connection.execute("SELECT datname, datacl IS NULL FROM pg_database"))
    if DATABASE not in open_to_all:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(_name(DATABASE), _name(OWNER))
        )
    if open_to_all.get(DATABASE, True):
        with connection.transaction():
            for statement in (
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                "REVOKE ALL ON DATABASE postgres FROM PUBLIC",
                "GRANT CONNECT ON DATABASE {database} TO {operator}",
            ):
                connection.execute(
                    sql.SQL(statement).format(database=_name(DATABASE), operator=_name(OPERATOR))
                )


def _set_role(
    connection: psycopg.Connection[Any], role: str, password: str, *, exists: bool
) -> None:
    verifier = connection.pgconn.encrypt_password(
        os.fsencode(password), os.fsencode(role), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL(
            "{verb} ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE "
            "PASSWORD {verifier}"
        ).format(
            verb=sql.SQL("ALTER" if exists else "CREATE"),
            role=_name(role),
            verifier=sql.Literal(verifier),
        )
    )


def _name(name: str) -> sql.Identifier:
    return sql.Identifier(name)
