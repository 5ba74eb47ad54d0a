#!/bin/bash
# Build the image on this machine, without a container registry: the base image is made from
# Debian's packages and named like the real one.
#
# usage: deploy/image/build.sh [TAG]        (as root, on Debian or Ubuntu)
#
# Needs podman, runc, mmdebstrap, iptables, netavark, aardvark-dns; with apt-get they are installed
# when missing. Everything is kept below $IMAGE_WORK (default /var/tmp/backtest-image), images too,
# so that an existing podman set-up is neither used nor changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${1:-localhost/backtest-worker:test}
work=${IMAGE_WORK:-/var/tmp/backtest-image}
base=python:3.13-slim
packages=(podman runc mmdebstrap iptables netavark aardvark-dns)

say() { printf '%s\n' "$*" >&2; }

if [ "$(id -u)" != 0 ]; then
  say "run this as root: without it neither mmdebstrap nor runc work here"
  exit 69
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

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
