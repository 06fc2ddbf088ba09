#!/bin/sh
# Makes the secrets that compose.yaml mounts, a folder for each container that needs some and a file
# for each secret; what is there already stays. The folder around them lets nobody else pass. Files
# in it can be read by all, since the users of the containers are none of this machine.
#
# Usage: tools/secrets.sh [FOLDER]
set -eu

folder=${1:-$(dirname -- "$0")/../.secrets}

random_hex() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# keep FILE: what comes on stdin, unless the file is there; whole or not at all.
keep() {
    content=$(cat)
    [ ! -s "$folder/$1" ] || return 0
    printf '%s\n' "$content" >"$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $1" >&2
}

umask 077
mkdir -p "$folder/exporter" "$folder/grafana" "$folder/postgres"
chmod 700 "$folder"
chmod 711 "$folder/exporter" "$folder/grafana" "$folder/postgres"
random_hex | keep exporter/admin-key
head -c 32 /dev/urandom | base64 | keep exporter/encryption-key
# Of no use but to start with: Stripe's own takes its place.
{ printf whsec_ && random_hex; } | keep exporter/stripe-webhook-secret
random_hex | keep grafana/admin-password
random_hex | keep postgres/superuser-password
random_hex | keep postgres/billing-password
random_hex | keep postgres/operator-password
random_hex | keep postgres/auditor-password
# The same, as those who log in need them.
printf 'postgresql://billing:%s@127.0.0.1:5432/billing' "$(cat "$folder/postgres/billing-password")" |
    keep exporter/database-url
keep grafana/auditor-password <"$folder/postgres/auditor-password"
