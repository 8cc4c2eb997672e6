#!/bin/sh
# backup.sh FOLDER: the roles and the three databases of a running server, each database as of one moment.
# Lake and models are not in it: an object store keeps its own versions, and the warehouse names the one it holds.
set -eu
folder=$1
umask 077
mkdir -p "$folder"
user=${POSTGRES_USER:-postgres}
secret=${NIGHTMARKET_SECRETS:-/run/secrets}/pg_superuser
if [ -z "${PGPASSFILE:-}" ] && [ -f "$secret" ]; then
    PGPASSWORD=$(cat "$secret")
    export PGPASSWORD
fi
pg_dumpall --username "$user" --roles-only --no-role-passwords >/dev/null # fails early where the server refuses us
pg_dumpall --username "$user" --roles-only --file "$folder/roles.sql.part"
for database in warehouse airflow mlflow; do
    pg_dump --username "$user" --format custom --create --file "$folder/$database.dump.part" "$database"
done
# Whole, or not there: what is named without .part was finished.
for file in "$folder"/*.part; do
    mv "$file" "${file%.part}"
done
