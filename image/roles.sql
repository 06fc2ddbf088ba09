-- The roles of the ledger and its database, as docs/sql.md and docs/dashboards.md have them; the
-- exporter makes the rest. PostgreSQL's image runs this once, when its volume is empty.
\set billing_password `cat /run/secrets/billing-password`
\set operator_password `cat /run/secrets/operator-password`
\set auditor_password `cat /run/secrets/auditor-password`

CREATE ROLE billing LOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE billing_operator LOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE billing_reader NOLOGIN NOSUPERUSER NOBYPASSRLS;
GRANT billing_reader TO billing;
CREATE DATABASE billing OWNER billing;
REVOKE ALL ON DATABASE billing FROM PUBLIC;
GRANT CONNECT ON DATABASE billing TO billing_operator;

CREATE ROLE billing_auditor LOGIN NOSUPERUSER NOBYPASSRLS CONNECTION LIMIT 10;
ALTER ROLE billing_auditor SET default_transaction_read_only = on;
ALTER ROLE billing_auditor SET statement_timeout = '30s';
GRANT CONNECT ON DATABASE billing TO billing_auditor;

ALTER ROLE billing PASSWORD :'billing_password';
ALTER ROLE billing_operator PASSWORD :'operator_password';
ALTER ROLE billing_auditor PASSWORD :'auditor_password';
