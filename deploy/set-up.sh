#!/bin/sh
# Usage: deploy/set-up.sh LOCK
# Leaves .venv with everything that LOCK names, each file checked by its hash, and the project itself. Quick the second time.
set -eu
cd "$(dirname "$0")/.."
lock=$1
venv=.venv
stamp=$venv/.set-up-$lock
unfinished=$venv/.unfinished

say() { printf 'set-up: %s\n' "$1" >&2; }

fingerprint() { { cat "$lock"; sed '/^\[tool/,$d' pyproject.toml; } | cksum; }

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
    found=$("${PYTHON:-python3}" -V 2>/dev/null) || found=missing
    say "Python 3.11 to 3.14 is needed; ${PYTHON:-python3} is $found: install one, or name it: make PYTHON=/path/to/python3"
    exit 1
}

create_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "$python cannot make virtual environments: install its venv package (Debian, Ubuntu: apt-get install python3-venv)"
        exit 1
    fi
    say "making $venv with $("$python" -V)"
    "$python" -m venv --clear "$venv"
}

install() {
    : >"$unfinished"
    say "installing what $lock names"
    "$venv/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r "$lock"
    "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
    fingerprint >"$stamp"
    rm -f "$unfinished"
}

# A set-up that was cut off may have left half a package, which pip would take for a whole one.
if [ -e "$unfinished" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    create_venv
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]; then
    install
fi
