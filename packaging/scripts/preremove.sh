#!/bin/sh
# "remove" of dpkg and 0 of rpm are the end; an upgrade changes nothing that runs.
set -e
case ${1:-} in remove | 0) ;; *) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now cove-api.socket cove-api.service cove-registry.socket cove-registry.service cove-boot.service >/dev/null 2>&1 || true
fi
