#!/bin/sh
# Builds into bench/build/ the servers that Debian does not have, from the Go module proxy:
#
#     bench/install_rivals.sh [NAME…]     nats, faktory; all of them without a name
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

[ $# -gt 0 ] || set -- nats faktory
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
    *)
        echo "no rival is called $name" >&2
        exit 2
        ;;
    esac
done
