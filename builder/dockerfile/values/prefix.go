package values

import ocispec "github.com/opencontainers/image-spec/specs-go/v1"

// Prefix is what the names of a stage's steps begin with, by the platform of the stage; nil
// is nothing.
type Prefix func(stage ocispec.Platform) string

// Of is the prefix of a stage's steps.
func (p Prefix) Of(stage ocispec.Platform) string {
	if p == nil {
		return ""
	}
	return p(stage)
}
