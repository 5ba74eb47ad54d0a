#!/bin/bash
# One service, from an image to traffic. Used by cloudbuild.yaml, and by hand.
#
# usage: deploy/release.sh replace|smoke|shift SERVICE
#        deploy/release.sh pool backtest-poller
#
#   replace  deploy the image as a new revision that gets no traffic (the first one gets all)
#   smoke    call the new revision under its own address
#   shift    give it all traffic and the tag `released`; the revision before stays reachable under
#            the tag `previous`
#   pool     deploy the image to the worker pool of pollers, as many as there are
#
# SERVICE is backtest-control, backtest-worker, or backtest-worker-SUFFIX for a second worker beside
# it (another engine version). Environment: PROJECT, REGION, RELEASE (names the revision), IMAGE (with
# its digest), and optionally PROJECT_NUMBER (asked for when it is not given), DATABASE, and
# SQL_INSTANCE where jobs are in Cloud SQL (a pool's always are). More settings come from
# deploy/settings.env. replace, shift and pool stop, and say why, when the release would put the jobs
# into another store (CHANGE_STORE=postgresql or firestore, the new kind, says that this is intended),
# drop a setting of what serves, or undo a change by deploy/set.sh. deploy/rollback.sh goes back.
set -euo pipefail
cd "$(dirname "$0")/.."
action=$1
service=$2
: "${PROJECT:?}" "${REGION:?}" "${RELEASE:?}"
revision=$service-$RELEASE
here=(--region="$REGION" --project="$PROJECT")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. deploy/traffic.sh

case $service in
  backtest-worker | backtest-worker-[a-z0-9]*) template=service.yaml ;;
  backtest-control) template=deploy/control-service.yaml ;;
  backtest-poller) template=deploy/poller-pool.yaml ;;
  *) echo "unknown service $service" >&2; exit 64 ;;
esac

# listed GROUP…: whether the service or pool is among what gcloud lists. A failing question ends the
# script: no permission to look is not the same as nothing there. A filter could match longer names.
listed() {
  local found
  found=$(gcloud "$@" list --format='value(metadata.name)' "${here[@]}") || exit 1
  grep -Fxq -- "$service" <<<"$found"
}
exists() { listed run services; }

# The number is part of the service's address. Cloud Build knows it; asking takes the API
# cloudresourcemanager.googleapis.com and the right to read the project.
project_number() {
  if [ -n "${PROJECT_NUMBER:-}" ]; then
    echo "$PROJECT_NUMBER"
  elif ! gcloud projects describe "$PROJECT" --format='value(projectNumber)'; then
    echo "the number of $PROJECT cannot be asked for: give it as PROJECT_NUMBER" >&2
    return 1
  fi
}

# render [OPTION…] KEY=VALUE…: the manifest, with what is deployed now in current.json.
render() {
  python3 -m deploy.render "$template" --current "$work/current.json" \
    --settings deploy/settings.env "$@" PROJECT="$PROJECT" REGION="$REGION" IMAGE="$IMAGE" \
    >"$work/service.yaml"
}

# undo_nothing NEW COMMAND…: stop unless NEW (a manifest, or a revision) keeps what the serving
# revision has. COMMAND describes a revision.
undo_nothing() {
  local new=$1 serving
  shift
  serving=$(python3 -m deploy.serving revision "$work/current.json")
  if [ -n "$serving" ]; then
    "$@" "$serving" --format=json "${here[@]}" >"$work/serving.json"
    python3 -m deploy.compare --service "$service" --template "$template" \
      --new "$new" --change-store "${CHANGE_STORE:-}" "$work/serving.json"
  fi
}

# put REVISION: render the service as it would be with that revision, and deploy it.
put() {
  : >"$work/current.json"
  if exists; then
    describe json >"$work/current.json"
  fi
  render ${SQL_INSTANCE:+--sql "$SQL_INSTANCE"} SERVICE="$service" PROJECT_NUMBER="$number" \
    REVISION="$1" DATABASE="${DATABASE:-(default)}"
  undo_nothing "$work/service.yaml" gcloud run revisions describe
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
  number=$(project_number)
  # The control service's own addresses are among its settings, and one of them is only known
  # once it is there.
  if [ "$service" = backtest-control ] && ! exists; then
    put "$revision-first"
  fi
  put "$revision"
}

# In a build gcloud asks the metadata server, which makes a token of the build's account if that
# account has roles/iam.serviceAccountOpenIdTokenCreator on itself (deploy/bootstrap.sh grants it).
# Impersonating the account would take the wider role serviceAccountTokenCreator: gcloud then makes
# an access token first. A person's token has no audience of choice, and Cloud Run takes it as it is.
identity_token() {
  gcloud auth print-identity-token --audiences="$1" 2>"$work/token.txt" ||
    gcloud auth print-identity-token 2>>"$work/token.txt" || {
    cat "$work/token.txt" >&2
    echo "no identity token to call $service with: a build's account needs the role" \
      "iam.serviceAccountOpenIdTokenCreator on itself (deploy/bootstrap.sh grants it)" >&2
    return 1
  }
}

# Only /ready, and for the worker one backtest without a job: a push would claim somebody's job
# with code that nobody has tried.
smoke() {
  local address audience token
  describe json >"$work/current.json"
  address=$(python3 -m deploy.serving address "$revision" "$work/current.json")
  [ -n "$address" ] || { echo "$revision has no address of its own" >&2; exit 1; }
  audience=$(describe 'value(status.url)')
  token=$(identity_token "$audience")
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
  local before tags="released=$revision"
  describe json >"$work/current.json"
  before=$(python3 -m deploy.serving revision "$work/current.json")
  case $before in
    # Nothing to go back to: the revision from which a first release learned its own address.
    '' | "$revision" | *-first) ;;
    *)
      tags=$tags,previous=$before
      # deploy/set.sh may have changed a setting since the new revision was deployed.
      gcloud run revisions describe "$revision" --format=json "${here[@]}" >"$work/new.json"
      undo_nothing "$work/new.json" gcloud run revisions describe
      ;;
  esac
  move_traffic "$revision" "$tags"
}

# A pool has no traffic to shift: pollers of the old revision give their jobs back and leave.
pool() {
  require_digest
  local count=''
  : >"$work/current.json"
  if listed beta run worker-pools; then
    gcloud beta run worker-pools describe "$service" --format=json "${here[@]}" \
      >"$work/current.json"
    count=$(python3 -m deploy.serving instances "$work/current.json")
  fi
  render REVISION="$revision" INSTANCES="${count:-1}" \
    SQL_INSTANCE="${SQL_INSTANCE:?PROJECT:REGION:INSTANCE}"
  undo_nothing "$work/service.yaml" gcloud beta run worker-pools revisions describe
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
