#!/bin/sh
# The linker's flags: compose says of which version its library is.
version=$(cd "$(dirname "$0")" && go list -m -f '{{.Version}}' github.com/docker/compose/v2)
echo "-s -w -X main.version=$version -X github.com/docker/compose/v2/internal.Version=$version"
