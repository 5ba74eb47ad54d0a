#!/bin/bash
# Change settings of what serves now, at once: a new revision with the same image and all other
# settings of the serving one, and then all traffic.
#
# usage: deploy/set.sh SERVICE KEY=VALUE… [KEY-…]
#        deploy/set.sh --help
#
# SERVICE is backtest-control, backtest-worker, backtest-worker-SUFFIX or the pool backtest-poller.
# KEY is a setting of docs/settings.md, or of the platform: memory, cpu, max-instances,
# min-instances, concurrency (of a pool only memory and cpu). KEY- removes a setting. On a worker
# MAX_WORKERS is max-instances. STORE is refused: it may hold a password, and another store takes a
# release.
#
# The new revision starts from the one that serves, not from the newest one: after a rollback that is
# the older image. Where traffic is split, the revision with the largest share counts, and the new one
# gets all traffic; two equal shares are refused. Cloud Run calls a new revision ready once it has
# answered its startup probe, /ready, which is why the script does not call it again (a pool has no
# probe: its revision is ready once its containers have started). A revision that does not become
# ready gets no traffic: what served goes on serving, and the script ends with 1. The revision before
# gets the tag `previous`, so that deploy/rollback.sh goes back.
#
# A release has no knowledge of values that are only set here. It stops when it would undo one: put
# the value into deploy/settings.env too. Environment: PROJECT and REGION, and READY_SECONDS (default
# 300), how long to wait for the new revision.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  --help) sed -n '2,27s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
if [ $# -lt 2 ]; then
  sed -n 's/^# \{0,1\}//; 5,6p' "$0" >&2
  exit 64
fi
service=$1
shift
: "${PROJECT:?}" "${REGION:?}"
here=(--region="$REGION" --project="$PROJECT")
case $service in
  backtest-control | backtest-worker | backtest-worker-[a-z0-9]*) revisions=(run revisions) ;;
  backtest-poller) revisions=(beta run worker-pools revisions) ;;
  *) echo "unknown service $service" >&2; exit 64 ;;
esac
python3 -m deploy.change check "$service" "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. deploy/traffic.sh

patience_seconds=${READY_SECONDS:-300}
revision=$service-s$(date -u +%y%m%d%H%M%S)

# as_it_is FILE REVISION: describe a revision.
as_it_is() { gcloud "${revisions[@]}" describe "$2" --format=json "${here[@]}" >"$1"; }

# Whether the new revision has become ready. The platform decides; this only waits for its word.
becomes_ready() {
  local waited
  for ((waited = 0; waited <= patience_seconds; waited += 5)); do
    as_it_is "$work/new.json" "$revision" || return 1
    case $(python3 -m deploy.serving ready "$work/new.json") in
      True*) return 0 ;;
      False*) return 1 ;;
    esac
    sleep 5
  done
  return 1
}

give_up() {
  local reason=
  if [ -s "$work/new.json" ]; then
    reason=": $(python3 -m deploy.serving ready "$work/new.json")"
  fi
  echo "$revision did not become ready$reason" >&2
  echo "$serving goes on serving: nothing of it was changed." >&2
  exit 1
}

if [ "$service" = backtest-poller ]; then
  gcloud beta run worker-pools describe "$service" --format=json "${here[@]}" >"$work/current.json"
else
  describe json >"$work/current.json"
fi
serving=$(python3 -m deploy.serving revision "$work/current.json")
if [ -z "$serving" ]; then
  echo "no revision of $service serves: release first" >&2
  exit 1
fi
shares=$(python3 -m deploy.serving shares "$work/current.json")
if [ "$shares" != "$serving 100%" ]; then
  echo "$service is divided ($shares): the new revision starts from $serving and gets all of it." >&2
fi
as_it_is "$work/serving.json" "$serving"
python3 -m deploy.change apply "$service" --revision="$revision" --current="$work/current.json" \
  --serving="$work/serving.json" "$@" >"$work/service.yaml"
if [ ! -s "$work/service.yaml" ]; then
  echo "$serving has these settings already."
  exit 0
fi

# gcloud also reports a failure that is another revision's.
doubt="gcloud reports a failure: looking at $revision itself."
if [ "$service" = backtest-poller ]; then
  # A pool's instances go over to its newest revision by themselves once that is ready.
  gcloud beta run worker-pools replace "$work/service.yaml" --project="$PROJECT" ||
    echo "$doubt" >&2
  becomes_ready || give_up
  echo "$service runs on $revision, made of $serving."
  exit 0
fi
gcloud run services replace "$work/service.yaml" "${here[@]}" || echo "$doubt" >&2
becomes_ready || give_up
tags=previous=$serving
# Only where a release has put it: a service without this tag never finished its first release.
if [ -n "$(python3 -m deploy.serving tagged released "$work/current.json")" ]; then
  tags=$tags,released=$revision
fi
move_traffic "$revision" "$tags"
echo "$service serves $revision, made of $serving."
