#!/bin/sh
# Brings newer Prometheus, promtool, Alertmanager and amtool into .tools/newer, and leaves the
# machine as it is: they come from another suite of the distribution that apt already knows, by apt
# lists and a cache of their own. SUITE names it (sid unless set). Remove the folder to have them
# fetched again.
set -eu
# shellcheck source=tools/apt.sh
. "$(dirname -- "$0")/apt.sh"

suite=${SUITE:-sid}
newer_dir=$tools_dir/newer
bin_dir=$newer_dir/root/usr/bin
oldest_prometheus=3.0
oldest_alertmanager=0.33
packages="prometheus promtool prometheus-alertmanager"

# newer_apt TOOL ARGUMENT...: with one source, of the other suite, and nothing installed.
newer_apt() {
    tool=$1
    shift
    LC_ALL=C "$tool" -o Dir::Etc::SourceList="$newer_dir/suite.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$newer_dir/state" -o Dir::State::status="$newer_dir/state/status" \
        -o Dir::Cache="$newer_dir/cache" -o APT::Sandbox::User=root "$@"
}

# write_source: the first source of the machine's own distribution, with another suite. It stands in
# a file of stanzas, or in one of lines.
write_source() {
    distribution=$(sed -n 's/^ID=//p' /etc/os-release)
    address=$(
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "/etc/apt/sources.list.d/$distribution.sources"
        sed -n 's/^deb \(\[.*\] \)*\([^ ]*\) .*/\2/p' /etc/apt/sources.list
    ) 2>/dev/null || :
    address=$(printf '%s\n' "$address" | head -n 1)
    [ -n "$address" ] || fail "no source of $distribution was found in /etc/apt."
    keys=/usr/share/keyrings/$distribution-archive-keyring.gpg
    if [ -e "$keys" ]; then keys="[signed-by=$keys] "; else keys=; fi
    printf 'deb %s%s %s main\n' "$keys" "$address" "$suite" >"$newer_dir/suite.list"
}

# version_of PROGRAM: as it tells it, nothing if it isn't there.
version_of() {
    [ ! -x "$bin_dir/$1" ] || "$bin_dir/$1" --version 2>&1 |
        sed -n 's/.*, version \([0-9][0-9.]*\).*/\1/p'
}

# is_new_enough PROGRAM OLDEST: whether it runs, and is of that version or newer.
is_new_enough() {
    version=$(version_of "$1")
    [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$2" "$version" | sort -V | head -n 1)" = "$2" ]
}

have_all() {
    is_new_enough prometheus "$oldest_prometheus" && is_new_enough promtool "$oldest_prometheus" &&
        is_new_enough prometheus-alertmanager "$oldest_alertmanager" &&
        is_new_enough amtool "$oldest_alertmanager"
}

fetch() {
    has_apt || fail "there is no apt-get to bring newer versions of: $packages"
    rm -rf "$newer_dir"
    mkdir -p "$newer_dir/state/lists/partial" "$newer_dir/cache/archives/partial" "$newer_dir/packages"
    : >"$newer_dir/state/status"
    write_source
    say "fetching $packages of $suite into .tools/newer"
    newer_apt apt-get update -qq >&2 || fail "apt can't read the suite $suite. Name another: SUITE=..."
    # shellcheck disable=SC2086 # a list of names
    (cd "$newer_dir/packages" && newer_apt apt-get download -qq $packages >&2) ||
        fail "the suite $suite lacks one of: $packages. Name another: SUITE=..."
    for package in "$newer_dir/packages"/*.deb; do
        dpkg-deb -x "$package" "$newer_dir/root" || fail "could not unpack $package"
    done
    rm -rf "$newer_dir/packages" "$newer_dir/cache" "$newer_dir/state"
}

have_all || fetch
have_all || fail "the suite $suite has Prometheus $(version_of prometheus) and Alertmanager \
$(version_of prometheus-alertmanager), or they don't run here; \
$oldest_prometheus and $oldest_alertmanager are asked for."
say "ready: Prometheus $(version_of prometheus), Alertmanager $(version_of prometheus-alertmanager)"
