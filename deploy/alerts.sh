#!/bin/bash
# Metrics made of log lines, alert policies over them, and dashboards: brought up to date, as often as
# you like. Part of deploy/bootstrap.sh, and enough by itself for a project that only runs pollers.
#
# usage: deploy/alerts.sh PROJECT [--alert-email=ADDRESS] [--dry-run]
#
#   --alert-email  address that alerts are sent to, also by policies that are there already
#   --dry-run      print every command for an empty project, run none, need no network
#
# Notification channels, labels and switched-off policies of yours stay. Nothing is deleted.
set -euo pipefail
cd "$(dirname "$0")/.."

dry=
email=
positional=()
for argument in "$@"; do
  case $argument in
    --alert-email=*) email=${argument#*=} ;;
    --dry-run) dry=1 ;;
    --*) echo "unknown option $argument" >&2; exit 64 ;;
    *) positional+=("$argument") ;;
  esac
done
if [ ${#positional[@]} != 1 ]; then
  sed -n 's/^# \{0,1\}//; 5p' "$0" >&2
  exit 64
fi
project=${positional[0]}
# Sourced after `project` and `dry` are set.
. deploy/steps.sh
start_steps
here=(--project="$project")

# plan KIND LIST-COMMAND…: what deploy/monitoring.py finds to do, in $work/plan.
plan() {
  local kind=$1 folder=$2
  shift 2
  ask "$work/present" "$@" --format=json "${here[@]}" || return 1
  if ! attempt python3 -m deploy.monitoring "$kind" "$work/present" "$folder" "$work" "$channel"; then
    failed "$kind cannot be compared with what is there"
    return 1
  fi
  cp "$work/output" "$work/plan"
}

# email_channel: the channel of the address, made if it is missing; in $channel.
email_channel() {
  ask "$work/channels" gcloud beta monitoring channels list --format=json "${here[@]}" || return 1
  attempt python3 -m deploy.monitoring channel "$work/channels" "$email" || return 1
  if ! [ -s "$work/output" ]; then
    change made "notification channel to $email" gcloud beta monitoring channels create \
      --display-name="Backtests: $email" --type=email --channel-labels="email_address=$email" \
      --format='value(name)' "${here[@]}" || return 1
    [ -z "$dry" ] || echo "projects/$project/notificationChannels/1" >"$work/output"
  fi
  channel=$(head -n 1 "$work/output")
}

# Before the policies that watch them.
metrics() {
  local action what name file
  plan metrics deploy/metrics gcloud logging metrics list || return 1
  while IFS=$'\t' read -r action what name file; do
    case $action in
      create) try change made "$what" gcloud logging metrics create "$name" \
        --config-from-file="$file" "${here[@]}" ;;
      update) try change changed "$what" gcloud logging metrics update "$name" \
        --config-from-file="$file" "${here[@]}" ;;
    esac
  done <"$work/plan"
}

policies() {
  local action what name file
  plan policies deploy/alerts gcloud alpha monitoring policies list || return 1
  while IFS=$'\t' read -r action what name file; do
    case $action in
      create) try change made "$what" gcloud alpha monitoring policies create \
        --policy-from-file="$file" --user-labels="policy=$name" \
        ${channel:+--notification-channels="$channel"} "${here[@]}" ;;
      update) try change changed "$what" gcloud alpha monitoring policies update "$name" \
        --policy-from-file="$file" "${here[@]}" ;;
      attach) try change changed "$what" gcloud alpha monitoring policies update "$name" \
        --add-notification-channels="$channel" "${here[@]}" ;;
    esac
  done <"$work/plan"
}

dashboards() {
  local action what name file
  compgen -G 'deploy/dashboards/*.json' >/dev/null || return 0
  plan dashboards deploy/dashboards gcloud monitoring dashboards list || return 1
  while IFS=$'\t' read -r action what name file; do
    case $action in
      create) try change made "$what" gcloud monitoring dashboards create \
        --config-from-file="$file" "${here[@]}" ;;
      update) try change changed "$what" gcloud monitoring dashboards update "$name" \
        --config-from-file="$file" "${here[@]}" ;;
    esac
  done <"$work/plan"
}

heading 'Alerts'
channel=
[ -z "$email" ] || try email_channel
try metrics
try policies
heading 'Dashboards'
try dashboards
