#!/usr/bin/env bash
# Makes what is given out: for each architecture a tarball, a .deb and a .rpm, the registry as an image, lists of what
# is inside (CycloneDX), and the checksums of all. Twice from one commit it makes the same bytes: every time in it is
# the commit's. Run by `make dist`, which says where the tools are and installs them.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${VERSION:?is set by make dist}" "${NFPM:?}" "${CYCLONEDX:?}"
ARCHES=${ARCHES:-amd64 arm64}
out=${OUT:-$PWD/dist}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
# What the person who builds has set is no default of the product.
unset COVE_ROOT COVE_REGISTRY_ROOT COVE_INSECURE_REGISTRIES COVE_REGISTRY_MIRRORS
umask 022

work=$(mktemp -d "${TMPDIR:-/tmp}/cove-dist.XXXXXX")
trap 'rm -rf "$work"' EXIT
rm -rf "$out" && mkdir -p "$out"
# Packages know no dash in a version, and begin with a digit.
plain=${VERSION#v}
case $plain in [0-9]*) ;; *) plain=0.0.0+$plain ;; esac
plain=${plain//-/+}

say() { printf '== %s\n' "$*"; }

say "man pages and completions"
go run -ldflags "$LDFLAGS" ./packaging/manpages "$work/doc"
gzip -9n "$work"/doc/man1/*.1

# tree ARCH: the files of a package under $work/ARCH, in their places below /.
tree() {
  local arch=$1 to=$work/$1
  local lib=$to/usr/lib/cove share=$to/usr/share bin
  mkdir -p "$lib" "$to/usr/bin" "$to/usr/lib/systemd/system" "$to/usr/lib/sysusers.d" "$to/etc/cove" \
    "$share"/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d,doc/cove}
  GOARCH=$arch CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$LDFLAGS" -o "$lib/" $BINARIES
  (cd cmd/cove-compose && GOARCH=$arch CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(./ldflags.sh)" -o "$lib/" .)
  # The names of the others are too common for everybody's PATH: `cove build` and `cove run` are the same.
  for bin in cove registry cove-runtime; do ln -s ../lib/cove/$bin "$to/usr/bin/$bin"; done
  cp packaging/systemd/* "$to/usr/lib/systemd/system/"
  cp packaging/sysusers.conf "$to/usr/lib/sysusers.d/cove.conf"
  install -m 0640 packaging/registry.yaml "$to/etc/cove/registry.yaml"
  cp "$work"/doc/man1/* "$share/man/man1/"
  cp "$work"/doc/bash/* "$share/bash-completion/completions/"
  cp "$work"/doc/zsh/* "$share/zsh/vendor-completions/"
  cp "$work"/doc/fish/* "$share/fish/vendor_completions.d/"
  cp -r docs/*.md README.md CHANGELOG.md SECURITY.md LICENSE "$share/doc/cove/"
  for bin in cove registry build cove-runtime cove-api cove-compose; do
    "$CYCLONEDX" bin -json -noserial -notimestamp -std -version "$VERSION" -output "$share/doc/cove/$bin.cdx.json" "$lib/$bin" \
      2>/dev/null
  done
  find "$to" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# archive DIR FILE: the same bytes for the same files.
archive() {
  tar -C "$(dirname "$1")" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf - "$(basename "$1")" | gzip -9n >"$2"
}

for arch in $ARCHES; do
  say "linux/$arch: binaries"
  tree "$arch"
  say "linux/$arch: tarball"
  name=cove-$VERSION-linux-$arch
  mkdir "$work/$name"
  cp -a "$work/$arch" "$work/$name/files"
  install -m 0755 packaging/install.sh "$work/$name/install.sh"
  cp LICENSE "$work/$name/"
  archive "$work/$name" "$out/$name.tar.gz"
  for format in deb rpm; do
    say "linux/$arch: $format"
    TREE=$work/$arch ARCH=$arch PLAIN=$plain "$NFPM" package --config packaging/nfpm.yaml --packager "$format" \
      --target "$out/" >"$work/nfpm.log" || { cat "$work/nfpm.log"; exit 1; }
  done
done

native=$(go env GOHOSTARCH)
if [ "$(id -u)" = 0 ] && [ -d "$work/$native" ]; then
  say "the registry as an image, built by cove"
  platforms=
  mkdir -p "$work/image"
  for arch in $ARCHES; do
    platforms=$platforms,linux/$arch
    cp "$work/$arch/usr/lib/cove/registry" "$work/image/registry-$arch"
  done
  cp packaging/image/Dockerfile "$work/image/"
  "$work/$native/usr/lib/cove/cove" --root "$work/root" build --quiet -t "cove-registry:$VERSION" --platform "${platforms#,}" --build-arg VERSION="$VERSION" \
    --source-date-epoch "$SOURCE_DATE_EPOCH" -o "type=oci,dest=$out/cove-registry-$VERSION.oci.tar" "$work/image" >/dev/null
else
  say "the image of the registry is left out: it takes root, and $native among the architectures"
fi

(cd "$out" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
say "in $out:"
(cd "$out" && ls -l --block-size=K | awk 'NR > 1 {printf "  %8s  %s\n", $5, $9}')
