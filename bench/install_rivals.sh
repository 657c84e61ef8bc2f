#!/bin/sh
# Builds into bench/build/ the servers that Debian does not have, from the Go module proxy and from
# crates.io:
#
#     bench/install_rivals.sh [NAME…]     nats, faktory, rustqueue, qrusty, queued; without a
#                                         name all of them
#
# The last two compile RocksDB: they take ten minutes each on two cores, and libclang.
#
# What is there in its pinned version stays. It says what it could not get and ends well all the
# same: the rows that need it then say that it is missing.
set -eu

build=$(cd "$(dirname "$0")" && pwd)/build
mkdir -p "$build"

# `go install MODULE@VERSION` would be shorter, but it also asks for the list of the module's
# versions, which not every proxy has; a module that requires the one version does not.
from_go() { # PROGRAM MODULE VERSION PACKAGE
    if ! command -v go >/dev/null; then
        [ -x "$build/$1" ] && kept="kept, unchecked" || kept="not installed"
        echo "$kept, for want of go 1.26 or newer: $1 $3"
        return
    fi
    if go version -m "$build/$1" 2>/dev/null | grep -q "[[:space:]]$2[[:space:]]$3[[:space:]]"; then
        return
    fi
    scratch=$(mktemp -d)
    printf 'module rivals\ngo 1.24\nrequire %s %s\n' "$2" "$3" >"$scratch/go.mod"
    if (cd "$scratch" && go build -mod=mod -o "$build/$1" "$4") >&2; then
        echo "installed $1 $3"
    else
        echo "not installed, for what go says above: $1 $3"
    fi
    rm -rf "$scratch"
}

from_crates() { # NAME VERSION
    if ! command -v cargo >/dev/null; then
        [ -x "$build/crates/bin/$1" ] && kept="kept, unchecked" || kept="not installed"
        echo "$kept, for want of cargo: $1 $2"
        return
    fi
    # It keeps what is there in this version.
    if cargo install --quiet --root "$build/crates" --locked --version "$2" "$1" >&2; then
        echo "installed $1 $2"
    else
        echo "not installed, for what cargo says above (for RocksDB, apt-get install" \
            "libclang-14-dev clang-14): $1 $2"
    fi
}

[ $# -gt 0 ] || set -- nats faktory rustqueue qrusty queued
for name in "$@"; do
    case "$name" in
    nats)
        from_go nats-server github.com/nats-io/nats-server/v2 v2.15.3 \
            github.com/nats-io/nats-server/v2
        ;;
    faktory)
        from_go faktory github.com/contribsys/faktory v1.9.3 \
            github.com/contribsys/faktory/cmd/faktory
        ;;
    rustqueue) from_crates rustqueue 0.3.0 ;;
    qrusty) from_crates qrusty 0.26.0 ;;
    queued) from_crates queued 0.9.0 ;;
    *)
        echo "no rival is called $name" >&2
        exit 2
        ;;
    esac
done
