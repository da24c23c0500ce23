#!/bin/sh
# Installs cove from this folder, without a network, and upgrades it. Containers that run go on running: what is in use
# is replaced by name, never written over.
#
#   ./install.sh                 into /usr, with systemd units
#   ./install.sh --root DIR      below DIR, as for an image; nothing of the running system is touched
#   ./install.sh --uninstall     removes what it installed; images, containers and the registry's data stay
set -eu
cd "$(dirname "$0")"

root= action=install
while [ $# -gt 0 ]; do
  case $1 in
    --root) [ $# -gt 1 ] || { echo "install.sh: --root needs a folder" >&2; exit 2; }; root=$2; shift 2 ;;
    --root=*) root=${1#*=}; shift ;;
    --uninstall) action=uninstall; shift ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install.sh: unknown argument $1; see --help" >&2; exit 2 ;;
  esac
done
if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
  echo "install.sh: not root: run it with sudo, or use --root DIR" >&2
  exit 1
fi
if [ -z "$root" ] && ! files/usr/lib/cove/cove --version >/dev/null 2>&1; then
  echo "install.sh: these binaries are not for this machine: $(uname -m); take the tarball that is" >&2
  exit 1
fi

# live: the system that runs is the one that is changed, and systemd runs it.
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

if [ $action = uninstall ]; then
  if live; then systemctl disable --now cove-api.socket cove-api.service cove-registry.socket cove-registry.service cove-boot.service 2>/dev/null || true; fi
  (cd files && find . ! -type d ! -path './etc/*') | while read -r f; do rm -f "$root/$f"; done
  rmdir "$root/usr/lib/cove" "$root/usr/share/doc/cove" 2>/dev/null || true
  if live; then systemctl daemon-reload; fi
  echo "removed. /etc/cove, /var/lib/cove and /var/lib/cove-registry stay."
  exit 0
fi

(cd files && find . -type d) | while read -r d; do mkdir -p "$root/$d"; done
(cd files && find . ! -type d) | while read -r f; do
  case $f in ./etc/*) [ ! -e "$root/$f" ] || continue ;; esac # what an administrator wrote stays
  # A file that runs cannot be written, and one that is half written must not be run.
  rm -f "$root/$f.new"
  cp -P "files/$f" "$root/$f.new"
  mv -f "$root/$f.new" "$root/$f"
done
if [ -z "$root" ]; then
  if command -v systemd-sysusers >/dev/null; then systemd-sysusers cove.conf; fi
  if getent group cove-registry >/dev/null; then chgrp cove-registry /etc/cove/registry.yaml; fi
fi
if live; then
  systemctl daemon-reload
  systemctl enable cove-boot.service
  systemctl try-restart cove-registry.service
fi
cat <<END
installed: cove, registry, cove-runtime
  run a container:        cove run --rm IMAGE
  start the registry:     systemctl enable --now cove-registry
                          (settings in /etc/cove/registry.yaml; the first password in
                          /var/lib/cove-registry/admin-password)
END
