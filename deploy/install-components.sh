#!/bin/sh
# Debian packages that tests with real components need: a browser, fonts, PostgreSQL, Maven and a Java runtime. Needs root.
set -eu
export DEBIAN_FRONTEND=noninteractive

if [ "$(id -u)" != 0 ]; then
    echo "ci-setup: needs root: sudo make ci-setup" >&2
    exit 1
fi

# Tests start their own PostgreSQL as they need it; the package need not start one.
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/fraudstream.conf

apt-get -o Acquire::Retries=3 -q update </dev/null
apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -q -y --no-install-recommends install </dev/null \
    chromium default-jre-headless fonts-dejavu-core fonts-noto-color-emoji maven postgresql
