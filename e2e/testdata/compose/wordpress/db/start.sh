#!/bin/sh
# Makes the database's files when there are none, and becomes the server.
set -e
mkdir -p /run/mysqld
chown mysql /run/mysqld /var/lib/mysql
if [ ! -d /var/lib/mysql/mysql ]; then
	mysql_install_db --user=mysql --skip-test-db >/dev/null
	mysqld --user=mysql --bootstrap <<-END
		FLUSH PRIVILEGES;
		CREATE DATABASE $MYSQL_DATABASE;
		CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$(cat "$MYSQL_PASSWORD_FILE")';
		GRANT ALL ON $MYSQL_DATABASE.* TO '$MYSQL_USER'@'%';
	END
fi
exec "$@"
