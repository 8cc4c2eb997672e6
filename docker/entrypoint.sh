#!/bin/sh
# `nightmarket WORDS` in a container, at its start and by `docker compose exec`. Some libraries want a secret as a file
# of their own or as a variable: these are made here, of what this container was given, for this process alone.
set -eu
here=$(dirname "$(readlink -f "$0")")
NIGHTMARKET_SECRETS=${NIGHTMARKET_SECRETS:-/run/secrets}
# /tmp is the container's own, in memory, and one user is all there is in it.
PGPASSFILE=${PGPASSFILE:-/tmp/pgpass}
export NIGHTMARKET_SECRETS PGPASSFILE
umask 077

# libpq and asyncpg read no password file that others may read, and a mounted secret may be read by all.
for file in "$NIGHTMARKET_SECRETS"/pg_*; do
    if [ -f "$file" ]; then
        printf '*:*:*:%s:%s\n' "${file##*/pg_}" "$(cat "$file")"
    fi
done > "$PGPASSFILE.$$"
mv "$PGPASSFILE.$$" "$PGPASSFILE"

if [ -f "$NIGHTMARKET_SECRETS/s3_access_key" ]; then
    AWS_ACCESS_KEY_ID=$(cat "$NIGHTMARKET_SECRETS/s3_access_key")
    AWS_SECRET_ACCESS_KEY=$(cat "$NIGHTMARKET_SECRETS/s3_secret_key")
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
fi
if [ -f "$NIGHTMARKET_SECRETS/hash_key" ]; then
    NIGHTMARKET_HASH_KEY=$(cat "$NIGHTMARKET_SECRETS/hash_key")
    export NIGHTMARKET_HASH_KEY
fi
exec "$here/../.venv/bin/nightmarket" "$@"
