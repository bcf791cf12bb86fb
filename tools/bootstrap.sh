#!/bin/sh
# Prepares what `make demo` and `make test` run with: a virtual environment in .cache/venv and, in
# .cache/collections, the repository under the name azlin.storage. Run: tools/bootstrap.sh lab|test
# A second run with unchanged requirement files does nothing. AZLIN_PYTHON names the Python to use.
set -eu

cd "$(dirname "$0")/.."
purpose=${1:-test}
cache=$PWD/.cache
venv=$cache/venv
log=$cache/bootstrap.log

# Logs may show where packages come from; what is printed never does.
without_addresses() {
    sed -E 's#(https?|file)://[^ ,]*#<index>#g; s#host=[^ ,)]*#host=<index>#g'
}

fail() {
    echo "bootstrap: $1" >&2
    exit 1
}

logged() {
    if ! "$@" >>"$log" 2>&1; then
        tail -n 5 "$log" | without_addresses | cut -c 1-300 >&2
        fail "failed: $* (log: $log)"
    fi
}

# A pyenv shim answers only for versions that are switched on, so every candidate is really run.
version_of() {
    "$1" -c 'import sys; print("%d%02d" % sys.version_info[:2])' 2>/dev/null || echo 0
}

find_python() {
    for lowest in 311 310; do
        for candidate in ${AZLIN_PYTHON:-python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.14 python3.10}; do
            version=$(version_of "$candidate")
            if [ "$version" -ge "$lowest" ] && [ "$version" -le 314 ]; then
                "$candidate" -c 'import sys; print(sys.executable)'
                return
            fi
        done
    done
    fail "no Python from 3.10 to 3.14 found; install one or name it in AZLIN_PYTHON"
}

can_make_venv() {
    "$1" -c 'import ensurepip, ssl, venv' 2>/dev/null
}

can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install() {
    echo "bootstrap: installing $1"
    logged apt-get update
    logged env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$1"
}

install_venv_package() {
    package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    can_install || fail "$1 cannot make virtual environments: install $package"
    install "$package"
    can_make_venv "$1" || fail "$1 still cannot make virtual environments after installing $package"
}

install_browser() {
    if can_install; then
        logged apt-get update
        if apt-cache show chromium >/dev/null 2>&1; then
            install chromium
            return
        fi
    fi
    # Ubuntu has it as a snap only.
    logged "$venv/bin/python" -m playwright install --only-shell chromium
    ! can_install || logged "$venv/bin/python" -m playwright install-deps chromium
}

if [ "$purpose" = lab ] && [ "$(id -u)" != 0 ]; then
    fail "the lab makes network namespaces and starts machines: run as root"
fi

case $purpose in
lab) set -- tools/requirements.txt meta/requirements.txt lab/requirements.txt ;;
test) set -- tools/requirements.txt meta/requirements.txt lab/requirements.txt tests/requirements.txt ;;
*) fail "unknown purpose '$purpose': lab or test" ;;
esac

mkdir -p "$cache/collections/ansible_collections/azlin"
exec 9>"$cache/bootstrap.lock"
flock 9

link=$cache/collections/ansible_collections/azlin/storage
[ -L "$link" ] || ln -s ../../../.. "$link"

hash=$(cat "$@" | sha256sum | cut -c 1-16)
stamp=$venv/.$purpose-$hash
if [ -e "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

: >"$log"
python=$(find_python)
can_make_venv "$python" || install_venv_package "$python"
if [ "$(version_of "$venv/bin/python")" != "$(version_of "$python")" ]; then
    rm -rf "$venv"
    logged "$python" -m venv "$venv"
fi
echo "bootstrap: installing the Python packages for $purpose into .cache/venv ($("$python" --version))"
requirements=
for file in "$@"; do
    requirements="$requirements -r $file"
done
# shellcheck disable=SC2086  # one word for every file, none of which has a blank
logged "$venv/bin/python" -m pip install --disable-pip-version-check $requirements
# Without it one of the sanity tests is skipped; everything else runs.
if [ "$purpose" = test ] && ! command -v shellcheck >/dev/null && can_install; then
    install shellcheck
fi
# The tests look at the report in a browser.
if [ "$purpose" = test ] && ! command -v chromium >/dev/null; then
    install_browser
fi
if [ "$purpose" = test ] && ! command -v rsync >/dev/null && can_install; then
    install rsync
fi
rm -f "$venv/.$purpose-"*
touch "$stamp"
