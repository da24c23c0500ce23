package client

import (
	"context"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"cove/registry/api/rest"
)

// perPage is how many entries are asked for at once: as many as a page may have.
const perPage = 100

// List reads the first n entries of a list, page after page.
func List[T any](ctx context.Context, door Door, path string, query url.Values, n int) (all []T, err error) {
	err = Each(ctx, door, Listed{path, query, n}, func(one T) error {
		all = append(all, one)
		return nil
	})
	return all, err
}

// All reads the whole of a list.
func All[T any](ctx context.Context, door Door, path string) ([]T, error) {
	return List[T](ctx, door, path, nil, math.MaxInt)
}

// Listed says what of which list is read: the first N entries.
type Listed struct {
	Path  string
	Query url.Values
	N     int
}

// Each calls do with the entries of a list as they come.
func Each[T any](ctx context.Context, door Door, of Listed, do func(T) error) error {
	q := maps.Clone(of.Query)
	if q == nil {
		q = url.Values{}
	}
	for left := of.N; left > 0; {
		q.Set("limit", strconv.Itoa(min(left, perPage)))
		var page rest.Page[T]
		if err := door.Do(ctx, Call{Method: http.MethodGet, Path: of.Path, Query: q, Into: &page}); err != nil {
			return err
		}
		for _, one := range page.Items {
			if err := do(one); err != nil {
				return err
			}
		}
		if left -= len(page.Items); page.Next == "" {
			return nil
		}
		q.Set("after", page.Next)
	}
	return nil
}
