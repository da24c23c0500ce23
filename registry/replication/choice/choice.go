// Package choice is what a rule of replication chooses, and what it is called at the
// target.
package choice

import (
	"regexp"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/jobs"
	"cove/registry/selector"
)

// Direction says who gives.
type Direction string

// The directions.
const (
	Push Direction = "push" // from here to the endpoint
	Pull Direction = "pull" // from the endpoint to here
)

// Options are the choices of a rule. As JSON they are a column of its row.
type Options struct {
	Direction Direction `json:"direction"`
	// Filter chooses by full names at the source, "team/app", and tags.
	Filter selector.Selector `json:"filter"`
	// Labels are NAME or NAME=VALUE globs: each must be among the annotations of the
	// manifest, the labels of its config or, of what is pushed from here, the names of
	// the labels that people have put on it.
	Labels []string `json:"labels,omitempty"`
	// MediaTypes are globs: the type of the manifest, of its config or its artifact
	// type must be like one of them. None takes all.
	MediaTypes []string `json:"mediaTypes,omitempty"`
	// Namespace comes before the names at the target, of which Flatten components are
	// taken off first: FlattenAll leaves the last one.
	Namespace string `json:"namespace,omitempty"`
	Flatten   int    `json:"flatten,omitempty"`
	// Override moves tags that name something else at the target; without it they stay.
	Override bool `json:"override"`
	// Delete deletes at the target what the rule has put there and the source has no
	// more.
	Delete bool `json:"delete,omitempty"`
	// OnEvent begins a run when something that the rule chooses is pushed or deleted
	// here; of a Push alone.
	OnEvent bool `json:"onEvent,omitempty"`
	// Schedule is a line of cron, in Zone; "" has none.
	Schedule string `json:"schedule,omitempty"`
	Zone     string `json:"zone,omitempty"`
	// Rate is in bytes a second; 0 is without a limit.
	Rate int64 `json:"rate,omitempty"`
	// Parallel and Whole are what clients of Harbor's API allow: several runs at once, and
	// blobs in one piece. They are kept to be read again and change nothing: a rule has one
	// run at a time, and an upload that breaks goes on where it was.
	Parallel bool `json:"parallel,omitempty"`
	Whole    bool `json:"whole,omitempty"`
}

// FlattenAll leaves the last component of a name.
const FlattenAll = -1

const (
	maxFlatten = 20
	maxFilters = 20
	minRate    = 1 << 10
)

// Check refuses what cannot be.
func (o Options) Check(now time.Time) error {
	invalid := func(format string, args ...any) error { return errdefs.Errorf(errdefs.ErrInvalid, format, args...) }
	if err := o.Filter.Check(); err != nil {
		return err
	}
	if len(o.Labels) > maxFilters || len(o.MediaTypes) > maxFilters {
		return invalid("a rule has %d labels and %d media types at most", maxFilters, maxFilters)
	}
	for _, glob := range append(append([]string{}, o.Labels...), o.MediaTypes...) {
		if glob == "" || !selector.Valid(glob) {
			return invalid("%q is no glob of a label or a media type", glob)
		}
	}
	switch {
	case o.Direction != Push && o.Direction != Pull:
		return invalid("a rule pushes or pulls, it does not %q", o.Direction)
	case o.OnEvent && o.Direction == Pull:
		return invalid("what happens at the endpoint is not heard here: a rule that pulls has a schedule")
	case o.Namespace != "" && !reference.ValidRepository(o.Namespace):
		return invalid("namespace %q: it is the beginning of a repository's name, as team/mirror", o.Namespace)
	case o.Flatten < FlattenAll || o.Flatten > maxFlatten:
		return invalid(
			"flatten is %d: it is how many components are taken off a name, or %d for all but the last",
			o.Flatten,
			FlattenAll,
		)
	case o.Rate != 0 && o.Rate < minRate:
		return invalid("a rate is %d bytes a second at least, or 0 for none", minRate)
	case o.Schedule == "" && o.Zone != "":
		return invalid("there is a time zone and no schedule")
	case o.Schedule == "":
		return nil
	}
	_, err := jobs.NextTime(o.Schedule, o.Zone, now)
	return err
}

// Target is what a repository of the source is called at the target.
func (o Options) Target(repo string) string {
	parts := strings.Split(repo, "/")
	drop := o.Flatten
	if drop == FlattenAll {
		drop = len(parts)
	}
	name := strings.Join(parts[min(drop, len(parts)-1):], "/")
	if o.Namespace != "" {
		return o.Namespace + "/" + name
	}
	return name
}

// accessory are the tags by which cosign ties signatures, attestations and SBOMs to
// a digest. They travel with what they are of.
var accessory = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64,128})(\.[a-z]+)?$`)

// Chooses says whether a rule speaks of a tag of a repository.
func (o Options) Chooses(repo, tag string) bool {
	return !accessory.MatchString(tag) && o.Filter.Repository(repo) && o.Filter.Tag(tag)
}

// Glob is what the repositories are asked for by at an endpoint.
func (o Options) Glob() string {
	if o.Filter.ExceptRepositories {
		return ""
	}
	return o.Filter.Repositories
}

// SubjectOf is what a tag of cosign's is of; false for other tags.
func SubjectOf(tag string) (digest.Digest, bool) {
	m := accessory.FindStringSubmatch(tag)
	if m == nil {
		return "", false
	}
	return digest.Digest(m[1] + ":" + m[2]), true
}
