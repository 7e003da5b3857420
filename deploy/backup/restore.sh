#!/bin/sh
# Puts a base backup of backup.sh into an empty data directory and prepares recovery:
#   deploy/backup/restore.sh /backup/base/20260131T020000Z /archive /var/lib/postgresql/18/main ['2026-01-31 12:00:00+00']
# Without a time everything in the archive is replayed. Run it as the server's user, start the server, and look at its log:
# nobody is let in before recovery is through. Afterwards put archive_mode on again, with another archive directory.
set -eu
if [ $# -lt 3 ] || [ $# -gt 4 ]; then
  echo "usage: restore.sh <backup> <archive directory> <data directory> [time]" >&2
  exit 2
fi
backup=$1 archive=$2 data=$3 time=${4:-}
case "$archive$time" in
  *\'*) echo "failed: no quotes in paths and times, please" >&2; exit 2 ;;
esac
if [ -d "$data" ] && [ -n "$(ls -A "$data")" ]; then
  echo "failed: $data is not empty: move it away first, nothing is overwritten" >&2
  exit 1
fi
pg_verifybackup --quiet "$backup"
umask 077
mkdir -p "$data"
chmod 0700 "$data"
cp -R "$backup"/. "$data"/
rm -f "$data/postmaster.pid" "$data/postmaster.opts"
{
  echo "restore_command = 'cp \"$archive/%f\" \"%p\"'"
  echo "recovery_target_timeline = 'latest'"
  echo "recovery_target_action = 'promote'"
  echo "hot_standby = 'off'"
  echo "archive_mode = 'off'"
  if [ -n "$time" ]; then echo "recovery_target_time = '$time'"; fi
} >> "$data/postgresql.auto.conf"
touch "$data/recovery.signal"
cat <<END
Ready. Start the server; when it takes connections, recovery is through. Then, as its superuser:
  alter system reset restore_command; alter system reset recovery_target_timeline;
  alter system reset recovery_target_action; alter system reset recovery_target_time;
  alter system reset hot_standby; alter system reset archive_mode;
set an archive_command with another directory, and restart it once more.
END
