#!/bin/sh
[ "$1" != nginx ] || echo "$0: Configuration complete; ready for start up"
exec "$@"
