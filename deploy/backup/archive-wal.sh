#!/bin/sh
# archive_command of a PostgreSQL server of your own:
#   archive_command = '/backup/archive-wal.sh "%p" "%f" /archive'
# A file has its name only when it is complete and on disk. One that is there already is never replaced: the same content
# counts as done (the server asks again after a crash), other content is an error.
set -eu
if [ $# -ne 3 ]; then
  echo "usage: archive-wal.sh <path> <file> <archive directory>" >&2
  exit 2
fi
if [ -f "$3/$2" ]; then
  cmp -s "$1" "$3/$2" && exit 0
  echo "$3/$2 exists with other content: two servers archive into one directory" >&2
  exit 1
fi
cp "$1" "$3/.$2.part"
sync "$3/.$2.part"
mv "$3/.$2.part" "$3/$2"
sync "$3"
