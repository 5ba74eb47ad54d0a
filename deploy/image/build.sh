#!/bin/bash
# Build the image on this machine, without a container registry: the base image is made from
# Debian's packages and named like the real one.
#
# usage: deploy/image/build.sh [TAG]        (as root, on Debian or Ubuntu)
#
# What it needs is installed by install_tools.sh when missing. Everything is kept below $IMAGE_WORK
# (default /var/tmp/backtest-image), images too: an existing podman set-up is neither used nor
# changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${1:-localhost/backtest-worker:test}
work=${IMAGE_WORK:-/var/tmp/backtest-image}
base=python:3.13-slim

say() { printf '%s\n' "$*" >&2; }

if [ "$(id -u)" != 0 ]; then
  say "run this as root: without it neither mmdebstrap nor runc work here"
  exit 69
fi

deploy/image/install_tools.sh
mkdir -p "$work"
podman=deploy/image/podman

if ! "$podman" image exists "docker.io/library/$base"; then
  say "making $base from Debian trixie"
  # shellcheck disable=SC2016 # $1 is mmdebstrap's own: the directory it fills
  mmdebstrap --quiet --variant=apt --include=python3,python3-pip,python3-venv,ca-certificates \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
    trixie "$work/base.tar"
  "$podman" import --quiet "$work/base.tar" "docker.io/library/$base" >&2
  rm "$work/base.tar"
fi

# What pip needs to reach its index from here is lent to the build and stays out of the image.
lent=()
settings=$work/pip.conf
python3 -m pip config list 2>/dev/null |
  sed -n "s/^\(global\.\|:env:\.\)\(index-url\|trusted-host\|default-timeout\)='\(.*\)'$/\2 = \3/p" |
  sort -u -t= -k1,1 | sed '1i [global]' >"$settings"
authority=${PIP_CERT:-${SSL_CERT_FILE:-$(python3 -m pip config get global.cert 2>/dev/null || true)}}
if [ -n "$authority" ]; then
  [ -s "$settings" ] || echo '[global]' >"$settings"
  echo "cert = /run/lent/authorities.pem" >>"$settings"
  lent+=(-v "$authority:/run/lent/authorities.pem:ro")
fi
[ -s "$settings" ] && lent+=(-v "$settings:/etc/pip.conf:ro")

"$podman" build --pull=never --network=host --build-arg "BASE_IMAGE=docker.io/library/$base" \
  "${lent[@]}" --tag "$tag" .
"$podman" image inspect --format 'size {{.Size}} bytes, {{len .RootFS.Layers}} layers' "$tag"
# Layers of earlier builds are kept for a day, so that a next build is quick.
"$podman" image prune --force --filter until=24h >/dev/null
