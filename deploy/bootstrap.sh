#!/bin/bash
# Everything in a project that the services need, from nothing, as often as you like.
#
# usage: deploy/bootstrap.sh PROJECT REGION [--dry-run] [--database=NAME] [--location=PLACE]
#                            [--own-database] [--retention] [--alert-email=ADDRESS]
#
#   --dry-run       print every command for an empty project, run none, need no network
#   --database      Firestore database (default: (default)); made when it is missing
#   --location      where a new database goes (default: REGION)
#   --own-database  the database serves nothing else: its security rules may be replaced
#   --retention     let documents with `expireAt` expire (set RETENTION_DAYS on the services too)
#   --alert-email   who hears of alerts
#
# What is there is left alone or brought up to date; nothing is ever deleted.
set -euo pipefail
cd "$(dirname "$0")/.."

dry=
database='(default)'
location=
own=
retention=
email=
positional=()
for argument in "$@"; do
  case $argument in
    --dry-run) dry=1 ;;
    --database=*) database=${argument#*=} ;;
    --location=*) location=${argument#*=} ;;
    --own-database) own=--own ;;
    --retention) retention=1 ;;
    --alert-email=*) email=${argument#*=} ;;
    --*) echo "unknown option $argument" >&2; exit 64 ;;
    *) positional+=("$argument") ;;
  esac
done
if [ ${#positional[@]} != 2 ]; then
  sed -n 's/^# \{0,1\}//; 4,5p' "$0" >&2
  exit 64
fi
project=${positional[0]}
region=${positional[1]}
location=${location:-$region}
candles=gs://$project-backtest-candles
artifacts=gs://$project-backtest-artifacts
releases=gs://$project-backtest-releases
doorbell=backtest-doorbell

heading() { printf '\n# %s\n' "$*"; }

# run COMMAND…: run it, or only print it.
run() {
  if [ -n "$dry" ]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# there COMMAND…: whether what the command lists is there. A dry run takes nothing for granted.
# An empty list means no; a failing command ends the script, so that a lack of permission is not
# taken for a lack of the thing.
there() {
  [ -z "$dry" ] || return 1
  local found
  found=$("$@") || exit 1
  [ -n "$found" ]
}

# ask PLACEHOLDER COMMAND…: what the command prints; the placeholder in a dry run.
ask() {
  local placeholder=$1
  shift
  if [ -n "$dry" ]; then
    printf '%s\n' "$placeholder"
  else
    "$@"
  fi
}

account() { printf '%s@%s.iam.gserviceaccount.com' "$1" "$project"; }

make_account() {
  there gcloud iam service-accounts list --filter="email=$(account "$1")" \
    --format='value(email)' --project="$project" ||
    run gcloud iam service-accounts create "$1" --display-name="$2" --project="$project"
}

grant_project() {
  run gcloud projects add-iam-policy-binding "$project" --member="serviceAccount:$1" --role="$2" \
    --condition=None --format=none
}

heading 'APIs'
run gcloud services enable artifactregistry.googleapis.com cloudbuild.googleapis.com \
  cloudscheduler.googleapis.com eventarc.googleapis.com firebaserules.googleapis.com \
  firestore.googleapis.com iam.googleapis.com logging.googleapis.com monitoring.googleapis.com \
  pubsub.googleapis.com run.googleapis.com storage.googleapis.com --project="$project"
number=$(ask 100000000000 gcloud projects describe "$project" --format='value(projectNumber)')
worker_url=https://backtest-worker-$number.$region.run.app
control_url=https://backtest-control-$number.$region.run.app
pubsub_agent=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
run gcloud beta services identity create --service=pubsub.googleapis.com --project="$project"
run gcloud beta services identity create --service=eventarc.googleapis.com --project="$project"

heading 'Service accounts'
make_account backtest-worker 'Runs backtests'
make_account backtest-control 'Admits jobs and answers users'
make_account backtest-push 'Rings the worker'
make_account backtest-events 'Tells the control service of new documents'
make_account backtest-scheduler 'Starts the sweep'
make_account backtest-deploy 'Builds and deploys'

heading 'Firestore'
if ! there gcloud firestore databases list --filter="name:projects/$project/databases/$database" \
  --format='value(name)' --project="$project"; then
  run gcloud firestore databases create --database="$database" --location="$location" \
    --type=firestore-native --delete-protection --project="$project"
  own=--own
fi
database_location=$(ask "$location" gcloud firestore databases describe --database="$database" \
  --format='value(locationId)' --project="$project")
python3 deploy/indexes.py firestore.indexes.json --database="$database" --project="$project" |
  while IFS= read -r line; do
    command=()
    eval "command=($line)"
    if [ -n "$dry" ]; then
      run "${command[@]}"
    elif ! problem=$("${command[@]}" 2>&1 </dev/null); then
      case $problem in
        *'already exists'* | *ALREADY_EXISTS*) ;;
        *) printf '%s\n' "$problem" >&2; exit 1 ;;
      esac
    fi
  done
if [ -n "$retention" ]; then
  for collection in backtestJobs backtestResults backtestBundles; do
    run gcloud firestore fields ttls update expireAt --collection-group="$collection" \
      --enable-ttl --async --database="$database" --project="$project"
  done
fi
# A week of daily copies, from which a new database can be made; see docs/operations.md.
there gcloud firestore backups schedules list --database="$database" --format='value(name)' \
  --project="$project" ||
  run gcloud firestore backups schedules create --database="$database" --recurrence=daily \
    --retention=7d --project="$project"

heading 'Security rules'
run python3 deploy/rules.py "$project" --database="$database" ${own:+"$own"} firestore.rules || {
  code=$?
  # 3: somebody else's rules, left alone; what to merge has been printed.
  [ "$code" = 3 ] || exit "$code"
}

heading 'Buckets'
make_bucket() {
  there gcloud storage buckets list --filter="name=${1#gs://}" --format='value(name)' \
    --project="$project" ||
    run gcloud storage buckets create "$1" --location="$region" --uniform-bucket-level-access \
      --public-access-prevention --project="$project"
  run gcloud storage buckets update "$1" --lifecycle-file="$2" --project="$project"
}
make_bucket "$candles" deploy/lifecycle/candles.json
make_bucket "$artifacts" deploy/lifecycle/artifacts.json
make_bucket "$releases" deploy/lifecycle/releases.json
grant_bucket() {
  run gcloud storage buckets add-iam-policy-binding "$1" --member="serviceAccount:$(account "$2")" \
    --role="$3" --format=none
}
grant_bucket "$candles" backtest-worker roles/storage.objectViewer
grant_bucket "$candles" backtest-control roles/storage.objectUser
grant_bucket "$artifacts" backtest-worker roles/storage.objectUser
grant_bucket "$artifacts" backtest-control roles/storage.objectUser
grant_bucket "$releases" backtest-deploy roles/storage.objectUser

heading 'Doorbell'
make_topic() {
  there gcloud pubsub topics list --filter="name:projects/$project/topics/$1" \
    --format='value(name)' --project="$project" ||
    run gcloud pubsub topics create "$1" --project="$project"
}
subscription_there() {
  there gcloud pubsub subscriptions list --filter="name:projects/$project/subscriptions/$1" \
    --format='value(name)' --project="$project"
}
make_topic "$doorbell"
make_topic "$doorbell-dead"
# A dead-lettered ring loses nothing (the sweep rings again), but somebody should see it.
subscription_there "$doorbell-dead" ||
  run gcloud pubsub subscriptions create "$doorbell-dead" --topic="$doorbell-dead" \
    --ack-deadline=60 --message-retention-duration=7d --expiration-period=never --project="$project"
grant_topic() {
  run gcloud pubsub topics add-iam-policy-binding "$1" --member="serviceAccount:$2" \
    --role=roles/pubsub.publisher --project="$project" --format=none
}
grant_topic "$doorbell" "$(account backtest-worker)"
grant_topic "$doorbell" "$(account backtest-control)"
grant_topic "$doorbell-dead" "$pubsub_agent"
# Retries from 10 s to 10 min; 429s of a full fleet count as attempts, hence so many of them.
push=(--push-endpoint="$worker_url/pubsub/push"
  --push-auth-service-account="$(account backtest-push)"
  --push-auth-token-audience="$worker_url"
  --ack-deadline=600 --min-retry-delay=10s --max-retry-delay=600s --expiration-period=never
  --dead-letter-topic="$doorbell-dead" --max-delivery-attempts=100 --project="$project")
if subscription_there "$doorbell-push"; then
  run gcloud pubsub subscriptions update "$doorbell-push" "${push[@]}"
else
  run gcloud pubsub subscriptions create "$doorbell-push" --topic="$doorbell" "${push[@]}"
fi
run gcloud pubsub subscriptions add-iam-policy-binding "$doorbell-push" \
  --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.subscriber \
  --project="$project" --format=none

heading 'Who may do what'
for service in backtest-worker backtest-control; do
  # Reads and writes documents; cannot touch rules, indexes or the database itself.
  grant_project "$(account "$service")" roles/datastore.user
done
grant_project "$(account backtest-events)" roles/eventarc.eventReceiver
grant_project "$(account backtest-deploy)" roles/run.developer
# The smoke test calls a service that is not there yet when this is granted.
grant_project "$(account backtest-deploy)" roles/run.invoker
grant_project "$(account backtest-deploy)" roles/logging.logWriter
grant_account() {
  run gcloud iam service-accounts add-iam-policy-binding "$(account "$1")" --member="$2" \
    --role="$3" --project="$project" --format=none
}
grant_account backtest-worker "serviceAccount:$(account backtest-deploy)" roles/iam.serviceAccountUser
grant_account backtest-control "serviceAccount:$(account backtest-deploy)" roles/iam.serviceAccountUser
# Identity tokens of the push account are made by Pub/Sub.
grant_account backtest-push "serviceAccount:$pubsub_agent" roles/iam.serviceAccountTokenCreator

heading 'Image repository'
there gcloud artifacts repositories list --location="$region" --filter='name:repositories/backtest' \
  --format='value(name)' --project="$project" ||
  run gcloud artifacts repositories create backtest --repository-format=docker \
    --location="$region" --immutable-tags --project="$project"
run gcloud artifacts repositories add-iam-policy-binding backtest --location="$region" \
  --member="serviceAccount:$(account backtest-deploy)" --role=roles/artifactregistry.writer \
  --project="$project" --format=none

heading 'First release'
there gcloud run services list --region="$region" --filter='metadata.name=backtest-control' \
  --format='value(metadata.name)' --project="$project" ||
  run gcloud builds submit --config=cloudbuild.yaml --region="$region" \
    --service-account="projects/$project/serviceAccounts/$(account backtest-deploy)" \
    --gcs-source-staging-dir="$releases/source" \
    --substitutions="_REGION=$region,_DATABASE=$database" --project="$project" .

heading 'Who may call the services'
grant_call() {
  run gcloud run services add-iam-policy-binding "$1" --region="$region" --member="$2" \
    --role=roles/run.invoker --project="$project" --format=none
}
grant_call backtest-worker "serviceAccount:$(account backtest-push)"
# Open, because its users have Firebase tokens, which IAM does not know; the app checks everybody.
grant_call backtest-control allUsers

heading 'Events'
make_trigger() {
  there gcloud eventarc triggers list --location="$database_location" \
    --filter="name:triggers/$1" --format='value(name)' --project="$project" ||
    run gcloud eventarc triggers create "$1" --location="$database_location" \
      --event-filters=type=google.cloud.firestore.document.v1.created \
      --event-filters="database=$database" \
      --event-filters-path-pattern="document=$2" \
      --event-data-content-type=application/protobuf \
      --destination-run-service=backtest-control --destination-run-region="$region" \
      --destination-run-path=/events/firestore \
      --service-account="$(account backtest-events)" --project="$project"
}
make_trigger backtest-jobs 'backtestJobs/{jobId}'
make_trigger backtest-bundles 'backtestBundles/{bundleId}'

heading 'Sweep'
sweep=(--location="$region" --schedule='* * * * *' --uri="$control_url/tasks/sweep"
  --http-method=post --attempt-deadline=180s --max-retry-attempts=0
  --oidc-service-account-email="$(account backtest-scheduler)"
  --oidc-token-audience="$control_url" --project="$project")
if there gcloud scheduler jobs list --location="$region" --filter='name:jobs/backtest-sweep' \
  --format='value(name)' --project="$project"; then
  run gcloud scheduler jobs update http backtest-sweep "${sweep[@]}"
else
  run gcloud scheduler jobs create http backtest-sweep "${sweep[@]}"
fi

heading 'Alerts'
channel=
if [ -n "$email" ]; then
  list_channel() {
    gcloud beta monitoring channels list --project="$project" \
      --filter="type=email AND labels.email_address=$email" --format='value(name)'
  }
  there list_channel ||
    run gcloud beta monitoring channels create --display-name="Backtests: $email" --type=email \
      --channel-labels="email_address=$email" --project="$project"
  channel=$(ask "projects/$project/notificationChannels/1" list_channel)
fi
# Metrics made of log lines come before the policies that watch them.
for metric in deploy/metrics/*.json; do
  name=$(basename "$metric" .json)
  if there gcloud logging metrics list --filter="name=$name" --format='value(name)' \
    --project="$project"; then
    run gcloud logging metrics update "$name" --config-from-file="$metric" --project="$project"
  else
    run gcloud logging metrics create "$name" --config-from-file="$metric" --project="$project"
  fi
done
for policy in deploy/alerts/*.json; do
  name=backtest-$(basename "$policy" .json)
  there gcloud alpha monitoring policies list --filter="userLabels.policy=$name" \
    --format='value(name)' --project="$project" ||
    run gcloud alpha monitoring policies create --policy-from-file="$policy" \
      --user-labels="policy=$name" ${channel:+--notification-channels="$channel"} \
      --project="$project"
done
