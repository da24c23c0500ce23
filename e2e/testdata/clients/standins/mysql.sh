#!/bin/sh
# Makes the database's files when there are none, becomes the server, and says when it is ready.
set -e
[ -n "$MYSQL_ROOT_PASSWORD$MYSQL_PASSWORD" ] || { echo "no password" >&2; exit 1; }
mkdir -p /run/mysqld
chown mysql /run/mysqld /var/lib/mysql
if [ ! -d /var/lib/mysql/mysql ]; then
	mariadb-install-db --user=mysql --skip-test-db >/dev/null
	{
		echo "FLUSH PRIVILEGES;"
		echo "CREATE USER 'root'@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';"
		echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
		[ -z "$MYSQL_DATABASE" ] || echo "CREATE DATABASE $MYSQL_DATABASE;"
	} | mariadbd --user=mysql --bootstrap
fi
(
	until mariadb-admin ping >/dev/null 2>&1; do sleep 0.2; done
	echo "ready for connections. port: 3306  MySQL Community Server - GPL"
) &
exec "$@"
