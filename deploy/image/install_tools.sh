#!/bin/bash
# Install what building the image here takes, as root with apt-get; fails where that cannot be done.
set -euo pipefail
packages=(podman runc mmdebstrap debian-archive-keyring iptables netavark aardvark-dns)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "this takes ${missing[*]}, and root with apt-get to install them" >&2
  exit 69
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
