#!/bin/sh
# restore.sh FOLDER: what backup.sh kept takes the place of the three databases of this server, which may be an empty one
# or one that init.sh has set up. Stop what is connected first.
set -eu
folder=$1
user=${POSTGRES_USER:-postgres}
secret=${NIGHTMARKET_SECRETS:-/run/secrets}/pg_superuser
if [ -z "${PGPASSFILE:-}" ] && [ -f "$secret" ]; then
    PGPASSWORD=$(cat "$secret")
    export PGPASSWORD
fi
for name in roles.sql warehouse.dump airflow.dump mlflow.dump; do
    test -f "$folder/$name" || { echo "restore: there is no $folder/$name: this is no finished backup" >&2; exit 1; }
done
run() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$user" --dbname postgres "$@"; }
# A role that is there already keeps its name and gets the password of the backup. The superuser keeps its own.
sed -e "/^CREATE ROLE $user;/d" -e "/^ALTER ROLE $user /d" \
    -e 's/^CREATE ROLE \(.*\);$/do $do$ begin create role \1; exception when duplicate_object then null; end $do$;/' \
    "$folder/roles.sql" | run
for database in warehouse airflow mlflow; do
    run --command "drop database if exists $database with (force)"
    pg_restore --username "$user" --dbname postgres --create --exit-on-error "$folder/$database.dump"
done
run --command "revoke all on database postgres from public"
