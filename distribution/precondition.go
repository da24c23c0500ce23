package distribution

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
)

// ErrPrecondition says, within an errdefs.ErrConflict, that a [Precondition] does
// not hold: 412 on the wire.
var ErrPrecondition = errors.New("precondition failed")

// Precondition is what must be so for a manifest to be stored: the If-Match and
// If-None-Match of its push (RFC 9110, 13.1.1 and 13.1.2). It is held against what
// Tag names, or, when that is "", against the manifest of the pushed digest.
type Precondition struct {
	Tag string
	// Match holds when there is something, and it is one of these.
	Match *EntityTags
	// NoneMatch holds when there is nothing, or something that is none of these.
	NoneMatch *EntityTags
}

// EntityTags are those of one header. The entity tag of a manifest is its digest.
type EntityTags struct {
	Any     bool // "*": whatever there is
	Digests []digest.Digest
}

func (e *EntityTags) match(current digest.Digest) bool {
	return current != "" && (e.Any || slices.Contains(e.Digests, current))
}

// Check holds p against the digest of what is there, "" for nothing.
func (p Precondition) Check(current digest.Digest) error {
	what := "it"
	if p.Tag != "" {
		what = "tag " + p.Tag
	}
	switch {
	case p.Match != nil && current == "":
		return errdefs.Errorf(errdefs.ErrConflict, "%w: If-Match asks for what is there, and %s is not",
			ErrPrecondition, what)
	case p.Match != nil && !p.Match.match(current):
		return errdefs.Errorf(errdefs.ErrConflict, "%w: %s is %s, which If-Match does not name; read it again",
			ErrPrecondition, what, current)
	case p.NoneMatch != nil && p.NoneMatch.match(current):
		return errdefs.Errorf(errdefs.ErrConflict, "%w: %s is there as %s, and If-None-Match asks that it is not",
			ErrPrecondition, what, current)
	}
	return nil
}

type preconditionKey struct{}

// WithPrecondition has the next ManifestWriter.PutManifest of the context store only
// if p holds at the moment at which it would. It travels in the context so that
// registries around another need not know of it.
func WithPrecondition(ctx context.Context, p Precondition) context.Context {
	return context.WithValue(ctx, preconditionKey{}, p)
}

// PreconditionOf is what WithPrecondition was given; false without one.
func PreconditionOf(ctx context.Context) (Precondition, bool) {
	p, ok := ctx.Value(preconditionKey{}).(Precondition)
	return p, ok
}
