package images

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/images/remote"
	"cove/reference"
)

// Found is a repository that a search found, under the name by which it is pulled.
type Found = remote.Found

// SearchOptions are the choices of Search.
type SearchOptions struct {
	// Limit is how many of a registry are returned at most; 0 is 25.
	Limit int
	// Filter is docker's conditions, by key: is-official, is-automated, stars (at
	// least as many).
	Filter map[string][]string
}

// docker's limits of a search.
const (
	defaultFound = 25
	maxFound     = 100
)

// Search finds repositories by a part of their name, at the registry that the term
// begins with (HOST/TERM), or else at those that were signed in to, or else at
// docker.io. When some of several answer, the others are told as a notice.
func (is *Images) Search(ctx context.Context, term string, o SearchOptions) ([]Found, error) {
	if o.Limit == 0 {
		o.Limit = defaultFound
	}
	if o.Limit < 1 || o.Limit > maxFound {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "limit %d is outside the range of [1, %d]", o.Limit, maxFound)
	}
	matches, err := searchFilter(o.Filter)
	if err != nil {
		return nil, err
	}
	registry, err := is.parts.Registry()
	if err != nil {
		return nil, err
	}
	hosts := is.parts.Credentials.Hosts()
	if host, rest, ok := strings.Cut(term, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		hosts, term = []string{host}, rest
	}
	if len(hosts) == 0 {
		hosts = []string{reference.DefaultRegistry}
	}
	var all []Found
	var failed []error
	for _, host := range hosts {
		found, err := registry.Search(ctx, host, term, o.Limit)
		if err != nil {
			failed = append(failed, fmt.Errorf("searching %s: %w", host, err))
			continue
		}
		for _, f := range found {
			if host != reference.DefaultRegistry {
				f.Name = host + "/" + f.Name
			}
			if matches(f) {
				all = append(all, f)
			}
		}
	}
	if len(failed) == len(hosts) {
		return nil, errors.Join(failed...)
	}
	for _, err := range failed {
		is.parts.Notify("WARNING: " + err.Error())
	}
	return all, nil
}

func searchFilter(terms map[string][]string) (func(Found) bool, error) {
	var tests []func(Found) bool
	for key, values := range terms {
		for _, v := range values {
			yes, berr := strconv.ParseBool(v)
			stars, serr := strconv.Atoi(v)
			switch {
			case key == "is-official" && berr == nil:
				tests = append(tests, func(f Found) bool { return f.Official == yes })
			case key == "is-automated" && berr == nil:
				tests = append(tests, func(f Found) bool { return f.Automated == yes })
			case key == "stars" && serr == nil:
				tests = append(tests, func(f Found) bool { return f.Stars >= stars })
			case key == "is-official" || key == "is-automated" || key == "stars":
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"invalid filter '%s=%s': want true or false, or a number of stars", key, v)
			default:
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"invalid filter '%s': there are is-automated, is-official, stars", key)
			}
		}
	}
	return func(f Found) bool {
		for _, holds := range tests {
			if !holds(f) {
				return false
			}
		}
		return true
	}, nil
}
