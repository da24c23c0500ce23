#!/bin/sh
# Makes the database's files when there are none, and becomes the server.
set -e
export PGDATA=/var/lib/postgresql/main
if [ ! -e $PGDATA/PG_VERSION ]; then
	initdb --username postgres --pwfile "$PGPASSWORD_FILE" --auth scram-sha-256 --locale C --no-sync >/dev/null
	echo 'host all all all scram-sha-256' >>$PGDATA/pg_hba.conf
fi
exec "$@"
