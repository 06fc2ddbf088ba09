# Sourced by the scripts beside it: Debian packages, as root and as an ordinary user.
# Root installs by apt-get. Anybody else downloads the same packages and unpacks them into
# .tools/root, with apt lists, cache and state of their own in .tools/apt.
# shellcheck shell=sh

project_dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools_dir=$project_dir/.tools
unpacked_dir=$tools_dir/root
apt_lists_are_fresh=

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

has_apt() { command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1; }

# apt_run TOOL ARGUMENT...: apt-get or apt-cache, untranslated. A lock that another apt holds is
# waited for.
apt_run() {
    tool=$1
    shift
    if is_root; then
        LC_ALL=C DEBIAN_FRONTEND=noninteractive "$tool" -o DPkg::Lock::Timeout=300 "$@"
    else
        mkdir -p "$tools_dir/apt/state/lists/partial" "$tools_dir/apt/cache/archives/partial"
        LC_ALL=C "$tool" -o Dir::State="$tools_dir/apt/state" -o Dir::Cache="$tools_dir/apt/cache" \
            -o Dir::State::status=/var/lib/dpkg/status "$@"
    fi
}

# apt_refresh: package lists, once a run. A source that is out of reach is not yet an error: the
# package may come from another one, and what can't be had fails by name.
apt_refresh() {
    [ -z "$apt_lists_are_fresh" ] || return 0
    say "refreshing the package lists"
    apt_run apt-get update -qq >&2 || say "some package lists could not be fetched"
    apt_lists_are_fresh=yes
}

# apt_offers PACKAGE: whether there is a version to install.
apt_offers() {
    apt_run apt-cache policy "$1" 2>/dev/null | grep -Eq '^  Candidate: [^(]'
}

# apt_get_packages PACKAGE...: installs (root) or unpacks (anybody else), without recommended ones.
apt_get_packages() {
    apt_refresh
    if is_root; then
        say "installing $*"
        apt_install "$@"
    else
        say "unpacking $* into .tools"
        apt_unpack "$@"
    fi
}

# A subshell, so that its traps undo exactly what it did: no service is started by the packages,
# and no PostgreSQL cluster is created, unless the machine has said already what it wants.
apt_install() (
    undo=
    trap 'eval "$undo"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        undo="rm -f $policy; $undo"
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    cluster_dir=/etc/postgresql-common/createcluster.d
    cluster_conf=$cluster_dir/no-main-cluster.conf
    if [ ! -e "$cluster_conf" ]; then
        undo="rm -f $cluster_conf; $undo"
        mkdir -p "$cluster_dir"
        printf 'create_main_cluster = false\n' >"$cluster_conf"
    fi
    mkdir -p "$tools_dir"
    log=$tools_dir/apt-get.log
    if ! apt_run apt-get install -qq --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        fail "apt-get could not install: $*"
    fi
)

# Dependencies that the machine lacks are named by a simulated installation and unpacked as well.
# libllvm is left out: 100 MB for a just-in-time compiler that PostgreSQL does without.
apt_unpack() {
    plan=$(apt_run apt-get install --simulate --no-install-recommends "$@" 2>&1) ||
        fail "apt-get can't resolve $*: $(printf '%s' "$plan" | grep -E '^E:|Depends:' | tr '\n' ' ')"
    names=$(printf '%s\n' "$plan" | sed -n '/^Inst libllvm/d; s/^Inst \([^ ]*\) .*/\1/p')
    [ -n "$names" ] || names=$* # installed already, yet not where programs are looked for
    mkdir -p "$tools_dir/apt/packages" "$unpacked_dir"
    # shellcheck disable=SC2086 # a list of names
    (cd "$tools_dir/apt/packages" && apt_run apt-get download -qq $names >&2) ||
        fail "apt-get could not download: $(printf '%s' "$names" | tr '\n' ' ')"
    for package in "$tools_dir/apt/packages"/*.deb; do
        dpkg-deb -x "$package" "$unpacked_dir" || fail "could not unpack $package"
    done
    rm -f "$tools_dir/apt/packages"/*.deb
}
