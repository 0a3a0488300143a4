#!/usr/bin/env bash
# Installs what tests need from the system and no wheel brings: a Chromium with its driver, for `make test-browser`.
set -euo pipefail
command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome; } >/dev/null && exit 0
[ "$(id -u)" = 0 ] || { echo "ci_packages: chromium and chromedriver are missing, and installing them needs root" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends chromium chromium-driver
