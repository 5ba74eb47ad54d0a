#!/bin/bash
# Back one release, both services: all traffic to the revisions that served before. The next release
# pins whatever serves then, so that this stays in force until somebody ships something newer.
#
# usage: deploy/rollback.sh PROJECT REGION
set -euo pipefail
if [ $# != 2 ]; then
  sed -n 's/^# \{0,1\}//; 5p' "$0" >&2
  exit 64
fi
# The worker first: it is the one that changes users' jobs.
for service in backtest-worker backtest-control; do
  gcloud run services update-traffic "$service" --to-tags=previous=100 --region="$2" --project="$1"
done
