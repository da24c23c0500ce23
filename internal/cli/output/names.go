package output

import (
	"github.com/opencontainers/go-digest"

	"cove/reference"
)

func Familiar(name string) string {
	ref, err := reference.Parse(name)
	if err != nil {
		return name
	}
	return ref.Familiar()
}

// ID is an image's id, or its first 12 digits as docker shows it.
func ID(id digest.Digest, whole bool) string {
	if whole {
		return id.String()
	}
	hex := id.Encoded()
	return hex[:min(12, len(hex))]
}
