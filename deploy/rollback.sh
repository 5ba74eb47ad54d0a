#!/bin/bash
# Back one release, both services: all traffic to the revisions that served before. A change by
# deploy/set.sh counts as one, too. The next release pins the revision that serves then, so that this
# stays in force until a newer release is shipped.
#
# usage: deploy/rollback.sh PROJECT REGION
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# != 2 ]; then
  sed -n 's/^# \{0,1\}//; 6p' "$0" >&2
  exit 64
fi
here=(--region="$2" --project="$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. deploy/traffic.sh

back() {
  local revision
  describe json >"$work/current.json" || return 1
  revision=$(python3 -m deploy.serving tagged previous "$work/current.json") || return 1
  if [ -z "$revision" ]; then
    echo "$service has no revision with the tag previous" >&2
    return 1
  fi
  if [ -n "$(python3 -m deploy.serving tagged released "$work/current.json")" ]; then
    move_traffic "$revision" "released=$revision"
  else
    move_traffic "$revision" ''
  fi
}

failed=0
# The worker first: it is the one that changes users' jobs. A service that cannot go back does not
# keep the other one from it.
for service in backtest-worker backtest-control; do
  back || { echo "$service has not gone back" >&2; failed=1; }
done
exit "$failed"
