#!/bin/bash
# Steps of a set-up: look at what is there, change what differs, say so, and go on or stop. Sourced
# by deploy/bootstrap.sh and deploy/alerts.sh, which set `project` and `dry`.
#
# `ask`, `change` and `grant` return 1 when they fail, after listing the failure with what to do about
# it. That ends the script (set -e), because later steps need this one; a call that begins with `try`
# goes on. Inside `try` bash ignores set -e, so functions that are tried return on errors themselves.

: "${project:?}" "${dry?}"

# Seconds between two tries of a command that is worth another one.
RETRY_SECONDS=${RETRY_SECONDS:-20}
# How often a conflict or an outage is waited out, for each command.
short_waits=6
# How often all commands together wait for what takes up to ten minutes: Cloud Monitoring learns of a
# new metric, Eventarc's service agent gets its rights.
long_waits=33

# start_steps: a script that another one calls adds to the lists of its caller, which prints them.
start_steps() {
  if [ -n "${STEPS:-}" ]; then
    work=$STEPS
  else
    work=$(mktemp -d)
    touch "$work/changes" "$work/failures" "$work/problem"
    trap finish EXIT
  fi
}

# finish: at the end, also at an early one: what failed and what to do about it.
finish() {
  local code=$?
  trap - EXIT
  if [ -s "$work/failures" ]; then
    {
      printf '\nNot everything is in place:\n\n'
      cat "$work/failures"
      [ "$code" = 0 ] || printf '\nStopped there: the steps that follow need it.\n'
    } >&2
    code=1
  elif [ "$code" = 0 ] && [ -z "$dry" ] && ! [ -s "$work/changes" ]; then
    echo 'Everything was up to date.'
  fi
  rm -rf "$work"
  exit "$code"
}

# heading TEXT…: a dry run is read by people.
heading() {
  [ -z "$dry" ] || printf '\n# %s\n' "$*"
}

try() { "$@" || true; }

# said TEXT: one line for each change.
said() {
  printf '%s\n' "$1" | tee -a "$work/changes"
}

# failed WHAT [REASON]: lists a failure, with the reason that the last command gave unless another
# is given, and with `todo`, or what the class of the error suggests.
failed() {
  local reason=${2:-$(reason)}
  printf -- '- %s: %s\n  %s\n' "$1" "$reason" "${todo:-$(advice)}" >>"$work/failures"
  printf 'failed: %s: %s\n' "$1" "$reason" >&2
}

# reason: the last error that the last command printed, on one line.
reason() {
  awk '/^ERROR/ { text = "" } NF { text = text (text == "" ? "" : " ") $0 } END { print text }' \
    "$work/problem" | sed 's/^ERROR: *//; s/^(gcloud[^)]*) *//' | cut -c1-500
}

advice() {
  case $(cat "$work/problem") in
    *'nrecognized arguments'* | *'Invalid choice'*)
      echo 'Update the Cloud SDK (gcloud components update), then run this again.' ;;
    *'command not found'* | *'No such file'*)
      echo 'Install what is missing, then run this again.' ;;
    *SERVICE_DISABLED* | *'has not been used in project'*)
      echo 'Enable the API that is named (deploy/bootstrap.sh does), then run this again.' ;;
    *PERMISSION_DENIED* | *'403'* | *'does not have permission'*)
      echo "Sign in with an account that is an Owner of $project (gcloud auth login), then run this again." ;;
    *UNAUTHENTICATED* | *'gcloud auth login'*)
      echo 'Sign in (gcloud auth login), then run this again.' ;;
    *)
      echo 'Run this again once the cause is gone; what is in place already is left alone.' ;;
  esac
}

# worth_waiting: whether the last command may succeed if it is tried again. Conflicts with a change
# that goes on beside this one, outages, and what Google Cloud learns late: an API just enabled, an
# account or a service agent just made, a metric just made.
worth_waiting() {
  case $(cat "$work/problem") in
    *'annot find metric'* | *'metric referenced by the provided filter is unknown'* | \
      *'Permission denied while using the Eventarc Service Agent'*)
      [ "$long_waits" -gt 0 ] && long_waits=$((long_waits - 1)) ;;
    *ALREADY_EXISTS* | *'already exists'* | *'already own'*) return 1 ;;
    *ABORTED* | *'HTTPError 409'* | *'HTTP 409'* | *contention* | *'underlying data changed'* | \
      *'oncurrent policy changes'* | \
      *UNAVAILABLE* | *'HTTPError 5'[0-9][0-9]* | *'HTTP 5'[0-9][0-9]* | \
      *RESOURCE_EXHAUSTED* | *'HTTPError 429'* | *'HTTP 429'* | \
      *SERVICE_DISABLED* | *'has not been used in project'* | \
      *'ervice account '*' does not exist'*)
      [ "$waited" -lt "$short_waits" ] ;;
    *) return 1 ;;
  esac
}

# attempt COMMAND…: run it, with further tries where they are worth it. Its output is in
# $work/output, what it complained of in $work/problem.
attempt() {
  local code waited=0
  while true; do
    code=0
    "$@" </dev/null >"$work/output" 2>"$work/problem" || code=$?
    if [ "$code" = 0 ] || ! worth_waiting; then
      return "$code"
    fi
    if [ "$waited" = 0 ]; then
      printf 'trying again every %s s: %s\n' "$RETRY_SECONDS" "$(reason)" >&2
    fi
    waited=$((waited + 1))
    sleep "$RETRY_SECONDS"
  done
}

# ask FILE COMMAND…: what the command prints goes to FILE. A dry run takes nothing for granted: null.
ask() {
  local file=$1
  shift
  if [ -n "$dry" ]; then
    echo null >"$file"
  elif attempt "$@"; then
    cp "$work/output" "$file"
  else
    failed "no answer from ${*:1:4}"
    return 1
  fi
}

# listed NAME FILE: whether one of its lines is exactly this name.
listed() { grep -Fxq -- "$1" "$2"; }

# change VERB WHAT COMMAND…: run it and say "VERB WHAT" (made, changed, granted …), or only print it.
change() {
  local verb=$1 what=$2
  shift 2
  if [ -n "$dry" ]; then
    printf '%q ' "$@"
    printf '\n'
  elif attempt "$@"; then
    said "$verb $what"
  else
    failed "not $verb: $what"
    return 1
  fi
}

# differences NAME WANTED FILE: see deploy/present.py; in $difference. All is missing in a dry run.
differences() {
  # shellcheck disable=SC2034 # read by the scripts that source this
  difference=missing
  if [ -n "$dry" ]; then
    return 0
  fi
  if ! attempt python3 -m deploy.present differences "$@"; then
    failed "$1 cannot be compared with what is there"
    return 1
  fi
  # shellcheck disable=SC2034
  difference=$(cat "$work/output")
}

# grant KIND NAME MEMBER ROLE [MEMBER ROLE]…: the bindings that are missing.
grant() {
  local kind=$1 name=$2 code=0 group member role place=(--project="$project") condition=--condition=None
  shift 2
  case $kind in
    project) group=(gcloud projects) place=() ;;
    account) group=(gcloud iam service-accounts) ;;
    bucket) group=(gcloud storage buckets) ;;
    topic) group=(gcloud pubsub topics) condition= ;;
    subscription) group=(gcloud pubsub subscriptions) condition= ;;
    repository) group=(gcloud artifacts repositories) place+=(--location="${region:?}") ;;
    service) group=(gcloud run services) place+=(--region="${region:?}") ;;
    secret) group=(gcloud secrets) ;;
  esac
  # A line for each member of each binding, the condition last: a conditional one does not count.
  ask "$work/policy" "${group[@]}" get-iam-policy "$name" --flatten='bindings[].members[]' \
    --format='value(bindings.members,bindings.role,bindings.condition.expression)' \
    ${place[@]+"${place[@]}"} || return 1
  while [ $# -gt 0 ]; do
    member=$1 role=$2
    shift 2
    listed "$member"$'\t'"$role"$'\t' "$work/policy" ||
      change granted "$role on $kind $name to $member" "${group[@]}" add-iam-policy-binding "$name" \
        --member="$member" --role="$role" ${condition:+"$condition"} \
        ${place[@]+"${place[@]}"} --format=none || code=1
  done
  return "$code"
}
