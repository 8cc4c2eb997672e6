#!/bin/sh
# Once, on an empty server: three databases and their roles. The official image runs it from its folder of
# first-start scripts. Passwords come from the files pg_<role> of the folder of secrets.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sql=${NIGHTMARKET_SQL:-$here}
NIGHTMARKET_SECRETS=${NIGHTMARKET_SECRETS:-/run/secrets}
export NIGHTMARKET_SECRETS
run() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" "$@"; }
run --dbname postgres --file "$sql/roles.psql"
run --dbname warehouse --file "$sql/warehouse.psql"
