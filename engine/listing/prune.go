package listing

import (
	"maps"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
)

// PruneFilter chooses what a prune removes of what is not used: docker's conditions,
// by key, all of which must hold. until is a time, or how long ago: what is older;
// label is KEY or KEY=VALUE, and label! the same, that must not be there.
type PruneFilter map[string][]string

// The keys of a PruneFilter.
const (
	PruneUntil   = "until"
	PruneLabel   = "label"
	PruneNoLabel = "label!"
)

// Check refuses conditions that are not among those of known, with errdefs.ErrInvalid.
func (f PruneFilter) Check(known ...string) error {
	for _, key := range slices.Sorted(maps.Keys(f)) {
		if !slices.Contains(known, key) {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid filter '%s': there are %s", key,
				strings.Join(known, ", "))
		}
	}
	if len(f[PruneUntil]) > 1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "more than one until filter specified")
	}
	return nil
}

// Older is what until says: only what is older goes; zero says nothing.
func (f PruneFilter) Older(now time.Time) (time.Time, error) {
	if len(f[PruneUntil]) == 0 {
		return time.Time{}, nil
	}
	limit, err := Moment(f[PruneUntil][0], now)
	if err != nil {
		return limit, errdefs.Errorf(errdefs.ErrInvalid, "filter until=%s: %w", f[PruneUntil][0], err)
	}
	return limit, nil
}

// Test says of something that was made then, and has these labels, whether it goes.
func (f PruneFilter) Test(now time.Time) (func(created time.Time, labels map[string]string) bool, error) {
	limit, err := f.Older(now)
	return func(created time.Time, labels map[string]string) bool {
		has := func(want string) bool { return HasLabel(labels, want) }
		return (limit.IsZero() || created.Before(limit)) && !slices.ContainsFunc(f[PruneNoLabel], has) &&
			!slices.ContainsFunc(f[PruneLabel], func(want string) bool { return !has(want) })
	}, err
}
