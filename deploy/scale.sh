#!/bin/bash
# Once: as many pollers as the queue deserves. For a cron job beside the database, every minute.
#
# usage: deploy/scale.sh pool POOL REGION PROJECT [COUNT]  a Cloud Run worker pool
#        deploy/scale.sh compose                           the compose file's pollers on this machine
#
# With COUNT the pool gets that many, whatever the queue; the next run without it asks the queue again.
#
# Environment: STORE (as the pollers have it), and optionally MIN_POLLERS, MAX_POLLERS, JOBS_EACH and
# COMPOSE (the command, default "docker compose"). The rule is `backtest-worker scale --help`.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-}
fixed=${5:-}
[[ $fixed =~ ^[0-9]{0,3}$ ]] || kind=unknown
case $kind:$# in
  pool:[45]) pool=$2 here=(--region="$3" --project="$4") ;;
  compose:1) ;;
  *) sed -n 's/^# \{0,1\}//; 4,5p' "$0" >&2; exit 64 ;;
esac
read -ra compose <<<"${COMPOSE:-docker compose}"
compose+=(--file deploy/compose.yaml)

pollers_now() {
  if [ "$kind" = pool ]; then
    gcloud beta run worker-pools describe "$pool" "${here[@]}" \
      --format='value(metadata.annotations["run.googleapis.com/manualInstanceCount"])'
  else
    "${compose[@]}" ps --quiet poller | wc -l
  fi
}

# In the compose file's network, where the database is; on Cloud Run wherever STORE is reachable.
ask() {
  if [ "$kind" = pool ]; then
    backtest-worker scale "$@"
  else
    "${compose[@]}" exec -T control backtest-worker scale "$@"
  fi
}

# The option's name depends on gcloud's version: --instances, or --scaling in older ones.
count_option() {
  local help
  help=$(gcloud beta run worker-pools update --help)
  case $help in
    *--instances*) echo --instances ;;
    *) echo --scaling ;;
  esac
}

current=$(pollers_now)
current=${current:-0}
wanted=$fixed
if [ -z "$wanted" ]; then
  wanted=$(ask --current="$((current))" --min="${MIN_POLLERS:-1}" --max="${MAX_POLLERS:-10}" \
    --jobs-each="${JOBS_EACH:-1}")
fi
if [ "$wanted" = "$((current))" ]; then
  exit 0
fi
echo "pollers: $((current)) -> $wanted"
if [ "$kind" = pool ]; then
  option=$(count_option)
  gcloud beta run worker-pools update "$pool" "$option=$wanted" "${here[@]}"
else
  "${compose[@]}" up --detach --no-recreate --scale "poller=$wanted" poller
fi
