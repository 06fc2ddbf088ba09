#!/bin/sh
# Makes .venv with pip in it, unless it is there and works.
# The interpreter is $PYTHON, else python3, python3.13, python3.12 or python3.11: the first that is
# Python 3.11 or newer. Debian keeps ensurepip apart (python3-venv): it is installed as root, else
# pip comes from Debian's wheel of it.
set -eu
# shellcheck source=tools/apt.sh
. "$(dirname -- "$0")/apt.sh"

venv=$project_dir/.venv

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer."
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer was found. Install one, or name it: make setup PYTHON=/path/to/python3"
}

has_ensurepip() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# install_pip PYTHON: for a .venv without pip, from the wheel that Debian's python3-pip-whl carries.
install_pip() {
    remedy="Install it as root: apt-get install python3-venv"
    has_apt || fail "$1 has no ensurepip. $remedy"
    apt_get_packages python3-pip-whl
    for wheel in "$unpacked_dir"/usr/share/python-wheels/pip-*.whl; do
        [ -e "$wheel" ] || fail "$1 has no ensurepip, and python3-pip-whl no wheel. $remedy"
        "$venv/bin/python" "$wheel/pip" install --quiet --no-index --no-deps "$wheel" >&2
    done
}

if is_new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
python=$(find_python)
say "making .venv with $("$python" --version 2>&1)"
if ! has_ensurepip "$python" && is_root && has_apt; then
    apt_get_packages "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
fi
if has_ensurepip "$python"; then
    "$python" -m venv --clear "$venv" || fail "$python could not make $venv"
else
    "$python" -m venv --clear --without-pip "$venv" || fail "$python could not make $venv"
    install_pip "$python"
fi
