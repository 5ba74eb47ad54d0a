#!/bin/bash
# One service, from an image to traffic. Used by cloudbuild.yaml, and by hand.
#
# usage: deploy/release.sh replace|smoke|shift SERVICE
#        deploy/release.sh pool backtest-poller
#
#   replace  deploy the image as a new revision that gets no traffic (the first one gets all)
#   smoke    call the new revision under its own address
#   shift    give it all traffic; the revision before stays reachable under the tag `previous`
#   pool     deploy the image to the worker pool of pollers, as many as there are
#
# SERVICE is backtest-control, backtest-worker, or backtest-worker-SUFFIX for a second worker beside
# it (another engine version). Environment: PROJECT, REGION, RELEASE (names the revision), IMAGE (with
# its digest), and optionally DATABASE, MAX_WORKERS, and SQL_INSTANCE where jobs are in Cloud SQL (a
# pool's always are). More settings come from deploy/settings.env. Going back is one command:
#   gcloud run services update-traffic SERVICE --to-tags=previous=100 --region=REGION
set -euo pipefail
cd "$(dirname "$0")/.."
action=$1
service=$2
: "${PROJECT:?}" "${REGION:?}" "${RELEASE:?}"
revision=$service-$RELEASE
here=(--region="$REGION" --project="$PROJECT")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $service in
  backtest-worker | backtest-worker-[a-z0-9]*) template=service.yaml ;;
  backtest-control) template=deploy/control-service.yaml ;;
  backtest-poller) template=deploy/poller-pool.yaml ;;
  *) echo "unknown service $service" >&2; exit 64 ;;
esac

# A failing question ends the script: no permission to look is not the same as nothing there.
exists() {
  local found
  found=$(gcloud run services list --filter="metadata.name=$service" \
    --format='value(metadata.name)' "${here[@]}") || exit 1
  [ -n "$found" ]
}

describe() { gcloud run services describe "$service" --format="$1" "${here[@]}"; }

# put REVISION: render the service as it would be with that revision, and deploy it.
put() {
  : >"$work/current.json"
  if exists; then
    describe json >"$work/current.json"
  fi
  python3 deploy/render.py "$template" --service "$service" --current "$work/current.json" \
    --settings deploy/settings.env ${SQL_INSTANCE:+--sql "$SQL_INSTANCE"} \
    PROJECT="$PROJECT" PROJECT_NUMBER="$number" REGION="$REGION" IMAGE="$IMAGE" REVISION="$1" \
    DATABASE="${DATABASE:-(default)}" MAX_WORKERS="${MAX_WORKERS:-10}" >"$work/service.yaml"
  gcloud run services replace "$work/service.yaml" "${here[@]}"
}

require_digest() {
  case ${IMAGE:?} in
    *@sha256:*) ;;
    *) echo "IMAGE must name a digest, not a tag: $IMAGE" >&2; exit 64 ;;
  esac
}

replace() {
  require_digest
  number=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)')
  # The control service's own addresses are among its settings, and one of them is only known
  # once it is there.
  if [ "$service" = backtest-control ] && ! exists; then
    put "$revision-first"
  fi
  put "$revision"
}

# Only /ready, and for the worker one backtest without a job: a push would claim somebody's job
# with code that nobody has tried.
smoke() {
  local address audience token
  address=$(describe json | python3 -c '
import json, sys
for target in json.load(sys.stdin)["status"]["traffic"]:
    if target.get("tag") == "candidate" and target["revisionName"] == sys.argv[1]:
        print(target["url"])
' "$revision")
  [ -n "$address" ] || { echo "$revision has no address of its own" >&2; exit 1; }
  audience=$(describe 'value(status.url)')
  token=$(gcloud auth print-identity-token --audiences="$audience")
  call() { curl --fail-with-body --silent --show-error --max-time 120 --retry 3 \
    --header "Authorization: Bearer $token" "$@"; }
  call "$address/ready"
  if [ "$template" = service.yaml ]; then
    call --header 'Content-Type: application/json' --data @deploy/smoke.json \
      --output "$work/answer.json" "$address/run-backtest"
    python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))["backtestResult"]
assert result["bars"] == 40 and result["equityCurve"], result
print("smoke test: totalReturn", result["totalReturn"])
' "$work/answer.json"
  fi
}

shift_traffic() {
  local before
  before=$(describe json | python3 -c '
import json, sys
serving = [t for t in json.load(sys.stdin)["status"]["traffic"] if t.get("percent")]
serving.sort(key=lambda target: -target["percent"])
print(serving[0]["revisionName"] if serving else "")
')
  gcloud run services update-traffic "$service" --to-revisions="$revision=100" "${here[@]}"
  if [ -n "$before" ] && [ "$before" != "$revision" ]; then
    gcloud run services update-traffic "$service" --update-tags="previous=$before" "${here[@]}"
  fi
}

# A pool has no traffic to shift: pollers of the old revision give their jobs back and leave.
pool() {
  require_digest
  local count
  count=$(gcloud beta run worker-pools list --filter="metadata.name=$service" \
    --format='value(metadata.annotations["run.googleapis.com/manualInstanceCount"])' \
    "${here[@]}")
  python3 deploy/render.py "$template" --settings deploy/settings.env PROJECT="$PROJECT" \
    REGION="$REGION" REVISION="$revision" IMAGE="$IMAGE" INSTANCES="${count:-1}" \
    SQL_INSTANCE="${SQL_INSTANCE:?PROJECT:REGION:INSTANCE}" \
    >"$work/service.yaml"
  gcloud beta run worker-pools replace "$work/service.yaml" --project="$PROJECT"
}

case $action:$template in
  pool:deploy/poller-pool.yaml) pool ;;
  *:deploy/poller-pool.yaml) echo "a pool knows only the action pool" >&2; exit 64 ;;
  replace:*) replace ;;
  smoke:*) smoke ;;
  shift:*) shift_traffic ;;
  *) echo "unknown action $action" >&2; exit 64 ;;
esac
