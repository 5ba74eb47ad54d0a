#!/bin/bash
# Everything in a project that an installation needs, from nothing, as often as you like.
#
# usage: deploy/bootstrap.sh PROJECT REGION [--dry-run] [--alert-email=ADDRESS] [--build-region=REGION]
#                            [--database=NAME] [--location=PLACE] [--own-database] [--retention]
#                            [--no-invoker-iam-check] [--sql-instance=INSTANCE [--pool-only]]
#
#   --dry-run       print every command for an empty project, run none, need no network
#   --alert-email   address that alerts are sent to
#   --build-region  where images are built (default: REGION)
#   --database      Firestore database (default: (default)); made when it is missing
#   --location      where a new database goes (default: REGION)
#   --own-database  the database serves nothing else: its security rules may be replaced
#   --retention     let results expire at their `expireAt` (set RETENTION_DAYS on the services too)
#   --no-invoker-iam-check
#                   open the control service without allUsers, which some organizations forbid
#   --sql-instance  jobs are in Cloud SQL (PROJECT:REGION:NAME), not in Firestore; docs/polling.md
#                   makes the instance and the secret `backtest-store`
#   --pool-only     only what a worker pool of pollers needs: no services, no events, no sweep
#
# What is missing is made, what differs is changed, a line for each; what is there is not mentioned,
# and nothing is ever deleted. What can fail alone is listed at the end, with what to do about it, and
# the exit code is 1. RETRY_SECONDS (20) is the time between two tries of what is worth another one.
set -euo pipefail
cd "$(dirname "$0")/.."

dry=
email=
build_region=
database=
location=
own=
retention=
open_by_iam=1
sql=
pool_only=
positional=()
for argument in "$@"; do
  case $argument in
    --dry-run) dry=1 ;;
    --alert-email=*) email=${argument#*=} ;;
    --build-region=*) build_region=${argument#*=} ;;
    --database=*) database=${argument#*=} ;;
    --location=*) location=${argument#*=} ;;
    --own-database) own=--own ;;
    --retention) retention=1 ;;
    --no-invoker-iam-check) open_by_iam= ;;
    --sql-instance=*) sql=${argument#*=} ;;
    --pool-only) pool_only=1 ;;
    --*) echo "unknown option $argument" >&2; exit 64 ;;
    *) positional+=("$argument") ;;
  esac
done
if [ ${#positional[@]} != 2 ]; then
  sed -n 's/^# \{0,1\}//; 4,6p' "$0" >&2
  exit 64
fi
refuse() { echo "$1" >&2; exit 64; }
case $sql in
  '') ;;
  *:*:*:* | :* | *: | *::*) refuse "--sql-instance=$sql: expected PROJECT:REGION:NAME" ;;
  *:*:*) ;;
  *) refuse "--sql-instance=$sql: expected PROJECT:REGION:NAME" ;;
esac
if [ -n "$sql" ] && [ -n "$database$location$own$retention" ]; then
  refuse '--sql-instance keeps jobs in Cloud SQL, where --database, --location, --own-database and --retention mean nothing; RETENTION_DAYS alone is enough there'
fi
if [ -n "$pool_only" ] && [ -z "$sql" ]; then
  refuse '--pool-only needs --sql-instance=PROJECT:REGION:NAME: pollers take their jobs from PostgreSQL'
fi
if [ -n "$pool_only" ] && [ -n "$build_region" ]; then
  refuse '--pool-only releases nothing, so --build-region means nothing: deploy/release.sh pool releases pollers'
fi
if [ -n "$pool_only" ] && [ -z "$open_by_iam" ]; then
  refuse '--pool-only has no control service, which --no-invoker-iam-check opens'
fi

project=${positional[0]}
region=${positional[1]}
build_region=${build_region:-$region}
location=${location:-$region}
firestore=
services=1
if [ -z "$sql" ]; then
  firestore=1
  database=${database:-(default)}
fi
[ -z "$pool_only" ] || services=
candles=gs://$project-backtest-candles
artifacts=gs://$project-backtest-artifacts
releases=gs://$project-backtest-releases
doorbell=backtest-doorbell
here=(--project="$project")
# Sourced after `project` and `dry` are set.
. deploy/steps.sh
start_steps

account() { printf '%s@%s.iam.gserviceaccount.com' "$1" "$project"; }
member() { printf 'serviceAccount:%s' "$(account "$1")"; }

heading 'APIs'
apis='artifactregistry cloudbuild cloudresourcemanager iam iamcredentials logging monitoring run storage'
[ -z "$services" ] || apis="$apis cloudscheduler pubsub"
[ -z "$firestore" ] || apis="$apis eventarc eventarcpublishing firebaserules firestore"
[ -z "$sql" ] || apis="$apis secretmanager sqladmin"
ask "$work/apis" gcloud services list --enabled --format='value(config.name)' "${here[@]}"
missing=()
for api in $apis; do
  listed "$api.googleapis.com" "$work/apis" || missing+=("$api.googleapis.com")
done
if [ ${#missing[@]} -gt 0 ]; then
  change enabled "${missing[*]}" gcloud services enable "${missing[@]}" "${here[@]}"
fi
if [ -n "$services" ]; then
  if [ -n "$dry" ]; then
    echo 100000000000 >"$work/number"
  else
    ask "$work/number" gcloud projects describe "$project" --format='value(projectNumber)'
  fi
  number=$(cat "$work/number")
  worker_url=https://backtest-worker-$number.$region.run.app
  control_url=https://backtest-control-$number.$region.run.app
  pubsub_agent=serviceAccount:service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
fi

# service NAME: what the service looks like now, in $work/NAME; null without one.
service() {
  echo null >"$work/$1"
  ask "$work/services" gcloud run services list --region="$region" \
    --format='value(metadata.name)' "${here[@]}" || return 1
  if listed "$1" "$work/services"; then
    ask "$work/$1" gcloud run services describe "$1" --region="$region" --format=json "${here[@]}"
  fi
}

# Both services look at one store. To prepare another one beside it would only hide a mistyped option.
if [ -n "$services" ] && [ -z "$dry" ]; then
  service backtest-control
  kept=$(python3 -m deploy.present store "$work/backtest-control")
  case $kept in
    '' | "${sql:-firestore}") ;;
    firestore) refuse 'backtest-control keeps its jobs in Firestore: leave --sql-instance out' ;;
    *) refuse "backtest-control keeps its jobs in Cloud SQL: pass --sql-instance=$kept" ;;
  esac
fi

# identity API: a service agent of Google's. Harmless when it is there, and there is no way to ask.
identity() {
  if [ -n "$dry" ]; then
    change made "service agent of $1" gcloud beta services identity create --service="$1" "${here[@]}"
  elif ! attempt gcloud beta services identity create --service="$1" "${here[@]}"; then
    failed "not made: service agent of $1"
    return 1
  fi
}
[ -z "$services" ] || identity pubsub.googleapis.com
[ -z "$firestore" ] || identity eventarc.googleapis.com

heading 'Service accounts'
ask "$work/accounts" gcloud iam service-accounts list --format='value(email)' "${here[@]}"
make_account() {
  listed "$(account "$1")" "$work/accounts" ||
    change made "service account $1" gcloud iam service-accounts create "$1" --display-name="$2" \
      "${here[@]}"
}
make_account backtest-worker 'Runs backtests'
make_account backtest-deploy 'Builds and deploys'
if [ -n "$services" ]; then
  make_account backtest-control 'Admits jobs and answers users'
  make_account backtest-push 'Rings the worker'
  make_account backtest-scheduler 'Starts the sweep'
fi
if [ -n "$firestore" ]; then
  make_account backtest-events 'Tells the control service of new documents'
fi

make_database() {
  local found kind
  ask "$work/databases" gcloud firestore databases list --format=json "${here[@]}" || return 1
  differences "$database" '{
    "deleteProtectionState": "DELETE_PROTECTION_ENABLED",
    "pointInTimeRecoveryEnablement": "POINT_IN_TIME_RECOVERY_ENABLED"}' "$work/databases" || return 1
  case $difference in
    '') ;;
    missing)
      change made "Firestore database $database in $location" gcloud firestore databases create \
        --database="$database" --location="$location" --type=firestore-native --delete-protection \
        --enable-pitr "${here[@]}" || return 1
      own=--own ;;
    *)
      try change changed "Firestore database $database: $difference" gcloud firestore databases \
        update --database="$database" --delete-protection --enable-pitr "${here[@]}" ;;
  esac
  database_location=$location
  [ -z "$dry" ] || return 0
  ask "$work/database" gcloud firestore databases describe --database="$database" \
    --format='value(locationId,type)' "${here[@]}" || return 1
  read -r found kind <"$work/database"
  database_location=$found
  if [ "$kind" = DATASTORE_MODE ]; then
    todo='Choose another one with --database=NAME.' \
      failed "Firestore database $database" 'it is in Datastore mode, which has no documents'
    return 1
  fi
}

make_indexes() {
  local what line command
  ask "$work/composite" gcloud firestore indexes composite list --database="$database" \
    --format=json "${here[@]}" || return 1
  ask "$work/fields" gcloud firestore indexes fields list --database="$database" --format=json \
    "${here[@]}" || return 1
  if ! attempt python3 deploy/indexes.py firestore.indexes.json --database="$database" \
    --composite="$work/composite" --fields="$work/fields" "${here[@]}"; then
    failed 'indexes cannot be compared with what is there'
    return 1
  fi
  mv "$work/output" "$work/indexes"
  while IFS=$'\t' read -r what line; do
    command=()
    # Quoted for a shell by indexes.py.
    eval "command=($line)"
    try change made "$what" "${command[@]}"
  done <"$work/indexes"
}

# expires COLLECTION: whether Firestore deletes its documents at their expireAt.
expires() { grep -q "/collectionGroups/$1/fields/expireAt\$" "$work/ttls"; }

expire_documents() {
  local collection
  ask "$work/ttls" gcloud firestore fields ttls list --database="$database" --format='value(name)' \
    "${here[@]}" || return 1
  expires backtestResults ||
    try change made 'expiry of backtestResults' gcloud firestore fields ttls update expireAt \
      --collection-group=backtestResults --enable-ttl --async --database="$database" "${here[@]}"
  # The sweep deletes these, after their artifacts, which are found by them alone.
  for collection in backtestJobs backtestBundles; do
    ! expires "$collection" ||
      try change ended "expiry of $collection" gcloud firestore fields ttls update expireAt \
        --collection-group="$collection" --disable-ttl --async --database="$database" "${here[@]}"
  done
}

# A week of daily copies, from which a new database can be made; see docs/operations.md.
make_backups() {
  ask "$work/backups" gcloud firestore backups schedules list --database="$database" \
    --format='value(name)' "${here[@]}" || return 1
  if [ -n "$dry" ] || ! [ -s "$work/backups" ]; then
    change made 'daily backups' gcloud firestore backups schedules create --database="$database" \
      --recurrence=daily --retention=7d "${here[@]}"
  fi
}

release_rules() {
  local code=0
  local rules=(python3 deploy/rules.py "$project" --database="$database" ${own:+"$own"} firestore.rules)
  if [ -n "$dry" ]; then
    change changed 'security rules' "${rules[@]}"
    return
  fi
  attempt "${rules[@]}" || code=$?
  case $code in
    0) ! [ -s "$work/output" ] || said "$(cat "$work/output")" ;;
    3)
      cat "$work/output"
      todo="Merge the blocks above into your app's rules, or pass --own-database if nothing else uses the database." \
        failed 'security rules' 'this database has rules of another app, which are left alone' ;;
    *) failed 'security rules' ;;
  esac
}

if [ -n "$firestore" ]; then
  heading 'Firestore'
  make_database
  try make_indexes
  [ -z "$retention" ] || try expire_documents
  try make_backups
  heading 'Security rules'
  try release_rules
fi

heading 'Buckets'
ask "$work/buckets" gcloud storage buckets list --raw --format=json "${here[@]}"
make_bucket() {
  local name=${1#gs://}
  differences "$name" "{
    \"lifecycle\": $(cat "$2"),
    \"iamConfiguration\": {
      \"uniformBucketLevelAccess\": {\"enabled\": true}, \"publicAccessPrevention\": \"enforced\"}}" \
    "$work/buckets"
  if [ "$difference" = missing ]; then
    change made "bucket $name" gcloud storage buckets create "$1" --location="$region" \
      --uniform-bucket-level-access --public-access-prevention "${here[@]}"
    difference=lifecycle
  fi
  [ -z "$difference" ] || try change changed "bucket $name: $difference" gcloud storage buckets \
    update "$1" --lifecycle-file="$2" --uniform-bucket-level-access --public-access-prevention \
    "${here[@]}"
}
make_bucket "$candles" deploy/lifecycle/candles.json
make_bucket "$artifacts" deploy/lifecycle/artifacts.json
make_bucket "$releases" deploy/lifecycle/releases.json
on_candles=("$(member backtest-worker)" roles/storage.objectViewer)
on_artifacts=("$(member backtest-worker)" roles/storage.objectUser)
if [ -n "$services" ]; then
  on_candles+=("$(member backtest-control)" roles/storage.objectUser)
  on_artifacts+=("$(member backtest-control)" roles/storage.objectUser)
fi
grant bucket "$candles" "${on_candles[@]}"
grant bucket "$artifacts" "${on_artifacts[@]}"
grant bucket "$releases" "$(member backtest-deploy)" roles/storage.objectUser

make_doorbell() {
  local topic push wanted
  ask "$work/topics" gcloud pubsub topics list --format='value(name.basename())' "${here[@]}"
  for topic in "$doorbell" "$doorbell-dead"; do
    listed "$topic" "$work/topics" ||
      change made "topic $topic" gcloud pubsub topics create "$topic" "${here[@]}"
  done
  ask "$work/subscriptions" gcloud pubsub subscriptions list --format=json "${here[@]}"
  # A dead-lettered ring loses nothing (the sweep rings again), but somebody should see it.
  differences "$doorbell-dead" '{"ackDeadlineSeconds": 60}' "$work/subscriptions"
  [ "$difference" != missing ] ||
    change made "subscription $doorbell-dead" gcloud pubsub subscriptions create "$doorbell-dead" \
      --topic="$doorbell-dead" --ack-deadline=60 --message-retention-duration=7d \
      --expiration-period=never "${here[@]}"
  grant topic "$doorbell" "$(member backtest-worker)" roles/pubsub.publisher \
    "$(member backtest-control)" roles/pubsub.publisher
  grant topic "$doorbell-dead" "$pubsub_agent" roles/pubsub.publisher
  # Retries from 10 s to 10 min; 429s of a full fleet count as attempts, hence so many of them.
  push=(--push-endpoint="$worker_url/pubsub/push"
    --push-auth-service-account="$(account backtest-push)"
    --push-auth-token-audience="$worker_url"
    --ack-deadline=600 --min-retry-delay=10s --max-retry-delay=600s --expiration-period=never
    --dead-letter-topic="$doorbell-dead" --max-delivery-attempts=100 "${here[@]}")
  wanted="{
    \"pushConfig\": {
      \"pushEndpoint\": \"$worker_url/pubsub/push\",
      \"oidcToken\": {
        \"serviceAccountEmail\": \"$(account backtest-push)\", \"audience\": \"$worker_url\"}},
    \"ackDeadlineSeconds\": 600,
    \"retryPolicy\": {\"minimumBackoff\": \"10s\", \"maximumBackoff\": \"600s\"},
    \"expirationPolicy\": {\"ttl\": \"\"},
    \"deadLetterPolicy\": {
      \"deadLetterTopic\": \"projects/$project/topics/$doorbell-dead\", \"maxDeliveryAttempts\": 100}}"
  differences "$doorbell-push" "$wanted" "$work/subscriptions"
  case $difference in
    '') ;;
    missing)
      change made "subscription $doorbell-push" gcloud pubsub subscriptions create \
        "$doorbell-push" --topic="$doorbell" "${push[@]}" ;;
    *)
      try change changed "subscription $doorbell-push: $difference" gcloud pubsub subscriptions \
        update "$doorbell-push" "${push[@]}" ;;
  esac
  grant subscription "$doorbell-push" "$pubsub_agent" roles/pubsub.subscriber
}
if [ -n "$services" ]; then
  heading 'Doorbell'
  make_doorbell
fi

# The instance and the secret hold the password of the database, so they are made by hand.
sql_missing=
use_sql() {
  local instance=${sql##*:} owner=${sql%%:*} rights=() secrets=() name
  ask "$work/instances" gcloud sql instances list --format='value(name)' --project="$owner"
  if [ -z "$dry" ] && ! listed "$instance" "$work/instances"; then
    sql_missing=1
    todo="Make it and its database and user as docs/polling.md says: gcloud sql instances create $instance --database-version=POSTGRES_17 …, gcloud sql databases create backtests --instance=$instance, gcloud sql users create backtests --instance=$instance. Then run this again." \
      failed "Cloud SQL instance $instance" "it is not in the project $owner"
  fi
  for name in backtest-worker ${services:+backtest-control}; do
    rights+=("$(member "$name")" roles/cloudsql.client)
    secrets+=("$(member "$name")" roles/secretmanager.secretAccessor)
  done
  grant project "$owner" "${rights[@]}"
  ask "$work/secrets" gcloud secrets list --format='value(name.basename())' "${here[@]}"
  if [ -n "$dry" ] || listed backtest-store "$work/secrets"; then
    grant secret backtest-store "${secrets[@]}"
  else
    sql_missing=1
    todo="Make it as docs/polling.md says: printf 'postgresql+psycopg://USER:PASSWORD@/DATABASE?host=/cloudsql/$sql' | gcloud secrets create backtest-store --data-file=- --project=$project. Then run this again." \
      failed 'secret backtest-store' "it is not in the project $project"
  fi
}
if [ -n "$sql" ]; then
  heading 'Cloud SQL'
  use_sql
fi

heading 'Who may do what'
on_project=("$(member backtest-deploy)" roles/run.developer
  "$(member backtest-deploy)" roles/logging.logWriter)
if [ -n "$services" ]; then
  # The smoke test calls a service that is not there yet when this is granted.
  on_project+=("$(member backtest-deploy)" roles/run.invoker)
fi
if [ -n "$firestore" ]; then
  # Reads and writes documents; cannot touch rules, indexes or the database itself.
  on_project+=("$(member backtest-worker)" roles/datastore.user
    "$(member backtest-control)" roles/datastore.user
    "$(member backtest-events)" roles/eventarc.eventReceiver)
fi
grant project "$project" "${on_project[@]}"
grant account "$(account backtest-worker)" "$(member backtest-deploy)" roles/iam.serviceAccountUser
if [ -n "$services" ]; then
  grant account "$(account backtest-control)" "$(member backtest-deploy)" roles/iam.serviceAccountUser
  # A build that runs as an account of ours gets ID tokens only if the account may make its own; the
  # smoke test needs one (https://cloud.google.com/build/docs/securing-builds/authorize-service-to-service-access).
  grant account "$(account backtest-deploy)" "$(member backtest-deploy)" \
    roles/iam.serviceAccountOpenIdTokenCreator
  # Identity tokens of the push account are made by Pub/Sub.
  grant account "$(account backtest-push)" "$pubsub_agent" roles/iam.serviceAccountTokenCreator
fi

heading 'Image repository'
ask "$work/repositories" gcloud artifacts repositories list --location="$region" --format=json \
  "${here[@]}"
differences backtest '{"dockerConfig": {"immutableTags": true}}' "$work/repositories"
case $difference in
  '') ;;
  missing)
    change made 'image repository backtest' gcloud artifacts repositories create backtest \
      --repository-format=docker --location="$region" --immutable-tags "${here[@]}" ;;
  *)
    try change changed "image repository backtest: $difference" gcloud artifacts repositories \
      update backtest --location="$region" --immutable-tags "${here[@]}" ;;
esac
grant repository backtest "$(member backtest-deploy)" roles/artifactregistry.writer

# unreleased: why the first release has to be made (again), in $why; empty once both services serve a
# revision that passed its smoke test, which deploy/release.sh marks with the traffic tag `released`.
unreleased() {
  local name
  why=
  for name in backtest-worker backtest-control; do
    service "$name" || return 1
    if [ "$(cat "$work/$name")" = null ]; then
      why="$name is not there"
    elif [ -z "$(python3 -m deploy.serving tagged released "$work/$name")" ]; then
      why="no revision of $name has the tag \`released\`: its first release did not come to its end"
    fi
    [ -z "$why" ] || return 0
  done
}

# first_release: whether both services serve, after a release if they do not yet. Its log is shown as
# it comes.
first_release() {
  local why release substitutions="_REGION=$region"
  [ -z "$firestore" ] || substitutions="$substitutions,_DATABASE=$database"
  [ -z "$sql" ] || substitutions="$substitutions,_SQL_INSTANCE=$sql"
  unreleased || return 1
  [ -n "$why" ] || return 0
  release=(gcloud builds submit --config=cloudbuild.yaml --region="$build_region"
    --service-account="projects/$project/serviceAccounts/$(account backtest-deploy)"
    --gcs-source-staging-dir="$releases/source" --substitutions="$substitutions" "${here[@]}" .)
  if [ -n "$dry" ]; then
    change made 'the first release' "${release[@]}"
  elif [ -n "$sql_missing" ]; then
    todo='Run this again when the instance and the secret above are there; callers, events and the sweep wait for it.' \
      failed 'not made: the first release' 'its services would not start without their database'
    return 1
  else
    echo "A first release, because $why:"
    if "${release[@]}" </dev/null; then
      said 'made the first release'
    else
      todo="Read the build's log above. If it names a region or a quota, pass another one with --build-region. Then run this again; callers, events and the sweep wait for it." \
        failed 'not made: the first release' 'the build failed'
      return 1
    fi
  fi
}

open_to_all() {
  local annotation='{"metadata": {"annotations": {"run.googleapis.com/invoker-iam-disabled": "true"}}}'
  service backtest-control || return 1
  differences backtest-control "$annotation" "$work/backtest-control" || return 1
  # Opened this way by an earlier run.
  [ -n "$difference" ] || return 0
  if [ -n "$open_by_iam" ]; then
    todo="Some organizations forbid allUsers. Either run this again with --no-invoker-iam-check, or have an administrator of the organization except $project from the policy (iam.allowedPolicyMemberDomains or iam.managed.allowedPolicyMembers) and run this again. Until then only events and the sweep reach the control service." \
      grant service backtest-control allUsers roles/run.invoker
  else
    todo='The policy run.managed.requireInvokerIam forbids this: have an administrator of the organization make an exception, or run this again without --no-invoker-iam-check.' \
      change changed 'service backtest-control: callers are not checked by IAM' gcloud run services \
      update backtest-control --no-invoker-iam-check --region="$region" "${here[@]}"
  fi
}

let_callers_in() {
  local callers=("$(member backtest-scheduler)" roles/run.invoker)
  [ -z "$firestore" ] || callers+=("$(member backtest-events)" roles/run.invoker)
  try grant service backtest-worker "$(member backtest-push)" roles/run.invoker
  # So that events and the sweep work even where the service is not open.
  try grant service backtest-control "${callers[@]}"
  # Open, because its users have Firebase tokens, which IAM does not know; the app checks everybody.
  try open_to_all
}

make_trigger() {
  local name=$1 pattern=$2 wanted
  local destination=(--destination-run-service=backtest-control --destination-run-region="$region"
    --destination-run-path=/events/firestore --service-account="$(account backtest-events)")
  wanted="{
    \"eventFilters\": [
      {\"attribute\": \"type\", \"value\": \"google.cloud.firestore.document.v1.created\"},
      {\"attribute\": \"database\", \"value\": \"$database\"},
      {\"attribute\": \"document\", \"value\": \"$pattern\", \"operator\": \"match-path-pattern\"}],
    \"serviceAccount\": \"$(account backtest-events)\",
    \"destination\": {\"cloudRun\": {
      \"service\": \"backtest-control\", \"region\": \"$region\", \"path\": \"/events/firestore\"}}}"
  differences "$name" "$wanted" "$work/triggers" || return 1
  case $difference in
    '') ;;
    missing)
      change made "trigger $name" gcloud eventarc triggers create "$name" \
        --location="$database_location" \
        --event-filters=type=google.cloud.firestore.document.v1.created \
        --event-filters="database=$database" --event-filters-path-pattern="document=$pattern" \
        --event-data-content-type=application/protobuf "${destination[@]}" "${here[@]}" ;;
    *eventFilters*)
      todo="Delete it (gcloud eventarc triggers delete $name --location=$database_location --project=$project), then run this again." \
        failed "trigger $name" "it listens to something else than $pattern in the database $database, which cannot be changed"
      return 1 ;;
    *)
      change changed "trigger $name: $difference" gcloud eventarc triggers update "$name" \
        --location="$database_location" "${destination[@]}" "${here[@]}" ;;
  esac
}

make_triggers() {
  ask "$work/triggers" gcloud eventarc triggers list --location="$database_location" --format=json \
    "${here[@]}" || return 1
  try make_trigger backtest-jobs 'backtestJobs/{jobId}'
  try make_trigger backtest-bundles 'backtestBundles/{bundleId}'
}

make_sweep() {
  local wanted
  local sweep=(--location="$region" --schedule='* * * * *' --uri="$control_url/tasks/sweep"
    --http-method=post --attempt-deadline=180s --max-retry-attempts=0
    --oidc-service-account-email="$(account backtest-scheduler)"
    --oidc-token-audience="$control_url" "${here[@]}")
  wanted="{
    \"schedule\": \"* * * * *\",
    \"attemptDeadline\": \"180s\",
    \"retryConfig\": {\"retryCount\": 0},
    \"httpTarget\": {
      \"uri\": \"$control_url/tasks/sweep\",
      \"httpMethod\": \"POST\",
      \"oidcToken\": {
        \"serviceAccountEmail\": \"$(account backtest-scheduler)\", \"audience\": \"$control_url\"}}}"
  ask "$work/jobs" gcloud scheduler jobs list --location="$region" --format=json "${here[@]}" || return 1
  differences backtest-sweep "$wanted" "$work/jobs" || return 1
  case $difference in
    '') ;;
    missing)
      change made 'scheduler job backtest-sweep' gcloud scheduler jobs create http backtest-sweep \
        "${sweep[@]}" ;;
    *)
      change changed "scheduler job backtest-sweep: $difference" gcloud scheduler jobs update http \
        backtest-sweep "${sweep[@]}" ;;
  esac
}

# Alerts come even when the release failed; the others need its services.
released=
if [ -n "$services" ]; then
  heading 'First release'
  if first_release; then
    released=1
  fi
fi
if [ -n "$released" ]; then
  heading 'Who may call the services'
  let_callers_in
  if [ -n "$firestore" ]; then
    heading 'Events'
    try make_triggers
  fi
  heading 'Sweep'
  try make_sweep
fi
try env STEPS="$work" deploy/alerts.sh "$project" ${email:+--alert-email="$email"} ${dry:+--dry-run}
