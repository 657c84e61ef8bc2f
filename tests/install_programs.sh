#!/bin/sh
# Installs the Debian packages that are given as arguments, if they are missing and this
# machine lets us: root and apt. Otherwise it says so and ends well; tests that need one
# of them decide what that means (tests/requirements.py).
set -eu

missing=""
for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null |
        grep -q '^ii' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed, for want of root or apt:$missing (tests that need them are skipped)"
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words
if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing; } >&2; then
    echo "apt-get could not install:$missing (tests that need them are skipped)"
    exit 0
fi

# Debian starts what it installs. Tests start servers of their own; a service that was
# there before us was not in the list and is left alone.
for package in $missing; do
    case "$package" in
    redis-server | beanstalkd | rabbitmq-server) service "$package" stop >/dev/null 2>&1 || true ;;
    esac
done
