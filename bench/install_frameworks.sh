#!/bin/sh
# Installs into bench/build/frameworks/ the job frameworks that bench/frameworks.py measures, each
# in a directory of its own, since they want different versions of redis-py:
#
#     bench/install_frameworks.sh
#
# What is there in its pinned version stays. It says what it could not get and ends well all the
# same: the rows that need it then say that it is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/build/frameworks
python=${PYTHON:-$here/../.venv/bin/python}
mkdir -p "$build"

from_pypi() { # NAME REQUIREMENT
    if [ "$(cat "$build/$1/.installed" 2>/dev/null)" = "$2" ]; then
        return
    fi
    rm -rf "${build:?}/$1"
    if "$python" -m pip install --quiet --target "$build/$1" "$2"; then
        echo "$2" >"$build/$1/.installed"
        echo "installed $2"
    else
        echo "not installed, for what pip says above: $2"
    fi
}

from_pypi redis redis==8.1.0
from_pypi rq rq==3.0.0
from_pypi celery 'celery[redis]==5.7.0'
from_pypi dramatiq 'dramatiq[redis]==2.2.1'
from_pypi huey 'huey[redis]==3.5.4'
from_pypi arq arq==0.28.0
from_pypi saq 'saq[redis]==0.26.4'

if command -v npm >/dev/null; then
    mkdir -p "$build/bullmq"
    cp "$here/drivers/package.json" "$here/drivers/bullmq.mjs" "$build/bullmq"
    (cd "$build/bullmq" && npm install --silent --no-audit --no-fund) ||
        echo "not installed, for what npm says above: bullmq"
else
    echo "not installed, for want of npm: bullmq"
fi
