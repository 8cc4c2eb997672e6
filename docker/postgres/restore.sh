#!/bin/sh
# restore.sh FOLDER: what backup.sh kept, into an empty server (its data folder was lost, or it is a new one).
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
# The superuser is there already, with the password that this server was made with.
grep -v -e "^CREATE ROLE $user;" -e "^ALTER ROLE $user " "$folder/roles.sql" |
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$user" --dbname postgres
for database in warehouse airflow mlflow; do
    pg_restore --username "$user" --dbname postgres --create --exit-on-error "$folder/$database.dump"
done
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$user" --dbname postgres \
    --command "revoke all on database postgres from public"
