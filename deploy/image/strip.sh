#!/bin/sh
# Remove from installed packages what only a developer of those packages needs.
# usage: strip.sh DIRECTORY
set -eu
directory=$1

find "$directory" -depth -type d \( -name tests -o -name test \) -exec rm -rf {} +
find "$directory" -depth -type d -path '*/pyarrow/include' -exec rm -rf {} +
find "$directory" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.a' \) -delete
# Parts of Arrow that load only when asked for: remote procedure calls, and S3.
find "$directory" -type f -path '*/pyarrow/*' \
  \( -name '*_flight.*' -o -name '*_s3.so.*' -o -name '_s3fs.*' \) -delete
