#!/bin/sh
# backup.sh FOLDER: the roles and the three databases of a running server, each database as of one moment.
# Not in it: what lies in files, that is the home (landing, models, promotions) and the object store's lake.
set -eu
folder=$1
user=${POSTGRES_USER:-postgres}
secret=${NIGHTMARKET_SECRETS:-/run/secrets}/pg_superuser
if [ -z "${PGPASSFILE:-}" ] && [ -f "$secret" ]; then
    PGPASSWORD=$(cat "$secret")
    export PGPASSWORD
fi
test ! -e "$folder" || { echo "backup: $folder is there already: name another one" >&2; exit 1; }
umask 077
rm -rf "$folder.part"
mkdir -p "$folder.part"
pg_dumpall --username "$user" --roles-only --file "$folder.part/roles.sql"
for database in warehouse airflow mlflow; do
    pg_dump --username "$user" --format custom --create --file "$folder.part/$database.dump" "$database"
done
mv "$folder.part" "$folder" # whole, or not there
