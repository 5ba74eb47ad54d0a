#!/bin/bash
# Where a service's traffic goes. Sourced by release.sh, set.sh and rollback.sh, from the project's
# root, with: service, here (--region and --project), work (a directory of the script's own).
# shellcheck disable=SC2154

# describe FORMAT: the service.
describe() { gcloud run services describe "$service" --format="$1" "${here[@]}"; }

# move_traffic REVISION TAGS: all traffic to REVISION, and TAG=REVISION,… onto theirs.
move_traffic() {
  if gcloud run services update-traffic "$service" --to-revisions="$1=100" \
    ${2:+--update-tags="$2"} "${here[@]}"; then
    return
  fi
  # gcloud waits for the whole service, and reports a failure when the newest revision is not ready
  # although another one has got the traffic. What counts is where the traffic goes.
  describe json >"$work/moved.json"
  [ "$(python3 -m deploy.serving shares "$work/moved.json")" = "$1 100%" ] || {
    echo "the traffic of $service could not be moved to $1" >&2
    return 1
  }
}
