#!/bin/sh
# Sees to it that Prometheus, promtool, Pushgateway, Alertmanager, amtool, curl, Redis (or Valkey) and
# a PostgreSQL server, 15 or newer, can be run by the tests, and that libfaketime can be loaded. What
# is on the PATH or in /usr/lib stays as it is. What is missing comes from the distribution: installed
# as root, else unpacked into .tools/root. tests/support/tools.py looks in the same places. What can't
# be had is an error, never a skip.
set -eu
# shellcheck source=tools/apt.sh
. "$(dirname -- "$0")/apt.sh"

oldest_postgres=15
programs="prometheus promtool prometheus-pushgateway prometheus-alertmanager amtool curl"

# has_program NAME: on the PATH or unpacked, and running.
has_program() {
    "$1" --version >/dev/null 2>&1 || "$unpacked_dir/usr/bin/$1" --version >/dev/null 2>&1
}

# postgres_major FOLDER: the major version of the server in it, 0 without one.
postgres_major() {
    [ -x "$1/initdb" ] || { echo 0; return; }
    major=$("$1/postgres" --version 2>/dev/null | sed -n 's/.*PostgreSQL) \([0-9]*\).*/\1/p')
    echo "${major:-0}"
}

# has_faketime: the library that steps a process' clock.
has_faketime() {
    for library in /usr/lib/*/faketime/libfaketimeMT.so.1 \
        "$unpacked_dir"/usr/lib/*/faketime/libfaketimeMT.so.1; do
        [ ! -e "$library" ] || return 0
    done
    return 1
}

# has_redis: one of the two servers that speak its protocol.
has_redis() { has_program redis-server || has_program valkey-server; }

has_postgres() {
    on_path=$(command -v postgres 2>/dev/null) || on_path=/nowhere/postgres
    for folder in "$(dirname -- "$on_path")" /usr/lib/postgresql/*/bin \
        "$unpacked_dir"/usr/lib/postgresql/*/bin; do
        [ "$(postgres_major "$folder")" -lt "$oldest_postgres" ] || return 0
    done
    return 1
}

# postgres_package: the oldest release that is supported if it is offered, since the newest is
# tested anyway with the embedded server; else the newest that is offered.
postgres_package() {
    if apt_offers "postgresql-$oldest_postgres"; then
        echo "postgresql-$oldest_postgres"
        return
    fi
    newest=$(apt_run apt-cache pkgnames postgresql- | sed -n 's/^postgresql-\([0-9]*\)$/\1/p' |
        sort -n | tail -n 1)
    [ "${newest:-0}" -ge "$oldest_postgres" ] ||
        fail "no PostgreSQL $oldest_postgres or newer is offered here. Install one, then run make setup."
    echo "postgresql-$newest"
}

# Newer releases keep promtool in a package of its own.
missing_packages() {
    has_program prometheus || echo prometheus
    has_program prometheus-pushgateway || echo prometheus-pushgateway
    if ! has_program prometheus-alertmanager || ! has_program amtool; then
        echo prometheus-alertmanager
    fi
    if ! has_program promtool && apt_offers promtool; then echo promtool; fi
    has_program curl || echo curl
    has_postgres || postgres_package
    has_faketime || echo libfaketime
    if ! has_redis; then
        if apt_offers redis-server; then echo redis-server; else echo valkey-server; fi
    fi
}

# keep_stopped PACKAGES: the tests start servers of their own; a Prometheus that came just now
# for them must not turn into a service at the next boot, nor the other two.
keep_stopped() {
    command -v systemctl >/dev/null 2>&1 || return 0
    for package in $1; do
        case $package in prometheus* | redis* | valkey*)
            systemctl disable --quiet "$package.service" || : ;;
        esac
    done
}

# wrap_programs: unpacked programs whose libraries were unpacked too are told where those are.
wrap_programs() {
    rm -f "$unpacked_dir"/usr/lib/postgresql/*/lib/llvmjit.so
    libraries=
    for folder in "$unpacked_dir"/usr/lib/*-linux-gnu* "$unpacked_dir"/lib/*-linux-gnu*; do
        [ ! -d "$folder" ] || libraries=$libraries${libraries:+:}$folder
    done
    for program in "$unpacked_dir"/usr/bin/prom* "$unpacked_dir"/usr/bin/amtool \
        "$unpacked_dir"/usr/bin/redis* "$unpacked_dir"/usr/bin/valkey* \
        "$unpacked_dir"/usr/bin/curl "$unpacked_dir"/usr/lib/postgresql/*/bin/*; do
        if [ ! -f "$program" ] || [ -L "$program" ]; then continue; fi
        [ -n "$(lacking_libraries "$program" '')" ] || continue
        lacking=$(lacking_libraries "$program" "$libraries")
        [ -z "$lacking" ] || fail "$program lacks a shared library: $lacking"
        mv "$program" "$program.bin"
        write_wrapper "$program" "$libraries"
    done
}

# lacking_libraries PROGRAM LIBRARY_PATH: names, nothing if all are found.
lacking_libraries() {
    LD_LIBRARY_PATH=$2 ldd "$1" 2>/dev/null | sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p' |
        tr '\n' ' '
}

# The name that was called is passed on: PostgreSQL finds its other files from it.
write_wrapper() {
    cat >"$1" <<WRAPPER
#!/bin/bash
export LD_LIBRARY_PATH='$2'
exec -a "\$0" "\$(readlink -f "\$0").bin" "\$@"
WRAPPER
    chmod 755 "$1"
}

verify() {
    for program in $programs; do
        has_program "$program" || fail "$program is still missing. Install it so that it is on the PATH."
    done
    has_postgres ||
        fail "PostgreSQL $oldest_postgres or newer is still missing. Install its server package."
    has_faketime || fail "libfaketime is still missing. Install its package."
    has_redis || fail "Redis or Valkey is still missing. Install redis-server or valkey-server."
    [ -e /usr/share/zoneinfo/UTC ] ||
        fail "/usr/share/zoneinfo is missing. Install it as root: apt-get install tzdata"
}

has_programs() {
    for program in $programs; do
        has_program "$program" || return 1
    done
}

if has_programs && has_postgres && has_faketime && has_redis; then
    exit 0
fi
has_apt || fail "One of $programs, PostgreSQL $oldest_postgres+, libfaketime or Redis is missing, \
and there is no apt-get to bring it. Install them so that they are on the PATH."
apt_refresh
packages=$(missing_packages)
# shellcheck disable=SC2086 # a list of names
[ -z "$packages" ] || apt_get_packages $packages
if is_root; then keep_stopped "$packages"; else wrap_programs; fi
verify
say "ready: Prometheus, promtool, Pushgateway, Alertmanager, amtool, curl, PostgreSQL, libfaketime"
