#!/bin/sh
# A base backup of a PostgreSQL server of your own, with pg_basebackup of the server's version:
#   PGHOST=… PGUSER=… deploy/backup/backup.sh /backup/base
# The role needs REPLICATION, and pg_hba.conf an entry for "replication". Connection settings are those of libpq
# (PGHOST, PGPORT, PGUSER, PGPASSWORD or PGPASSFILE, PGSSLMODE).
# Makes /backup/base/<UTC time>, checks it, and prints its path. WAL that is written while it runs is in it, so it can be
# restored alone; with the archive it can be restored to any later time.
set -eu
if [ $# -ne 1 ]; then
  echo "usage: backup.sh <directory>" >&2
  exit 2
fi
umask 077
name=$(date -u +%Y%m%dT%H%M%SZ)
target=$1/$name
draft=$1/.$name.partial
mkdir -p "$1"
if [ -e "$target" ]; then
  echo "failed: $target exists already" >&2
  exit 1
fi
trap 'rm -rf "$draft"' EXIT
pg_basebackup --pgdata="$draft" --format=plain --wal-method=stream --checkpoint=fast \
  --manifest-checksums=SHA256 --label="stateset-sequencer $name" >&2
pg_verifybackup --quiet "$draft" >&2
sync
mv "$draft" "$target"
trap - EXIT
echo "$target"
