#!/bin/sh
# Remove from installed packages what no process of this image loads. Needs binutils.
# usage: strip.sh DIRECTORY
#
# deploy/image/test_image_abilities.py runs in the finished image whatever uses these packages.
set -eu
directory=$1

# Tests, headers and sources of C, stubs of types.
find "$directory" -depth -type d \( -name tests -o -name test \) -exec rm -rf {} +
find "$directory" -depth -type d \( -path '*/pyarrow/include' -o -path '*/pyarrow/src' \) \
  -exec rm -rf {} +
find "$directory" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' \
  -o -name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cc' -o -name '*.cpp' \
  -o -name '*.proto' \) -delete

# Parts of Arrow that load only when asked for: remote procedure calls, S3, query plans.
find "$directory" -type f -path '*/pyarrow/*' \
  \( -name '*_flight.*' -o -name '*_s3.so.*' -o -name '_s3fs.*' -o -name '_substrait.*' \) -delete
# The others name the library of query plans as needed and call nothing in it: an empty one will do.
find "$directory" -type f -path '*/pyarrow/libarrow_substrait.so.*' | while read -r library; do
  empty=$(mktemp)
  as -o "$empty" /dev/null
  ld -shared -z noexecstack -soname "$(basename "$library")" -o "$library" "$empty"
  rm "$empty"
done

# Packages inside packages that nothing here imports: clients and events of other products, support
# for tests of other libraries, Fortran, graphics processors.
for part in google/cloud/firestore_admin_v1 google/cloud/_storage google/cloud/_storage_v2 \
  google/cloud/storage/asyncio google/cloud/storage/_experimental google/events/firebase \
  sqlalchemy/testing alembic/testing numpy/f2py numba/cuda; do
  find "$directory" -depth -type d -path "*/site-packages/$part" -exec rm -rf {} +
done
find "$directory" -depth -mindepth 1 -type d -path '*/google/events/cloud/*' \
  ! -path '*/google/events/cloud/firestore*' -exec rm -rf {} +

# Tests in C, and ways to run loops in threads by libraries that are not in the image.
find "$directory" -type f \( -name '_simd.*.so' -o -name '_pyarrow_cpp_tests.*.so' \
  -o -name 'tbbpool.*.so' -o -name 'omppool.*.so' \) -delete

# A wheel cannot hold links: it brings a shared library once under each of its names.
find "$directory" -type f -name '*.so*' -exec sha256sum {} + | sort | while read -r sum library; do
  place="$sum $(dirname "$library")"
  if [ "$place" = "${last:-}" ]; then
    ln -sf "$(basename "$kept")" "$library"
  else
    last=$place kept=$library
  fi
done

# Names of what a shared library keeps to itself; only a debugger reads them. Where builders of a
# wheel have moved segments of a library, strip may move them to where the loader refuses them: such
# a library stays as it is.
segments() { readelf --program-headers --wide "$1" | grep LOAD; }
slim=$(mktemp)
find "$directory" -type f -name '*.so*' | while read -r library; do
  strip --strip-unneeded -o "$slim" "$library"
  if [ "$(segments "$slim")" = "$(segments "$library")" ]; then
    cat "$slim" >"$library"
  fi
done
rm "$slim"
