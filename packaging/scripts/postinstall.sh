#!/bin/sh
# After the files are there: "configure" of dpkg; 1 (new) or 2 (upgrade) of rpm.
set -e
if command -v systemd-sysusers >/dev/null; then systemd-sysusers cove.conf; fi
if getent group cove-registry >/dev/null; then chgrp cove-registry /etc/cove/registry.yaml; fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable cove-boot.service >/dev/null 2>&1 || true
  systemctl try-restart cove-registry.service
fi
