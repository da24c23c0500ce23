package edge

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/harbor/listing"
)

// readQuery reads what every list takes: page, page_size and q. Other parameters are the
// operation's.
func (asked *Ask) readQuery() error {
	query, err := url.ParseQuery(asked.URL.RawQuery)
	if err != nil {
		return Invalid("query: %w", err)
	}
	number := func(name string, otherwise, most int) (int, error) {
		text := query.Get(name)
		if text == "" {
			return otherwise, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return 0, Invalid("query: %s %q is not a number from 1 to %d", name, text, most)
		}
		return n, nil
	}
	page, err := number("page", 1, 1<<30)
	if err != nil {
		return err
	}
	size, err := number("page_size", pageSize, MaxPage)
	if err != nil {
		return err
	}
	asked.Page = listing.Page{Skip: (page - 1) * size, N: size}
	asked.terms, asked.unread = listing.ParseTerms(query.Get("q"))
	for name := range strings.SplitSeq(query.Get("sort"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			asked.sort = append(asked.sort, name)
		}
	}
	return nil
}

// Filter takes one term of q= that names a value, or with ~ a part of it.
func (asked *Ask) Filter(name string) (value string, fuzzy bool) {
	for i, t := range asked.terms {
		if t.Name == name && (t.Op == listing.Is || t.Op == listing.Like) {
			asked.terms = slices.Delete(asked.terms, i, i+1)
			return t.Values[0], t.Op == listing.Like
		}
	}
	return "", false
}

// Span takes one term of q= that names a span of time; what is left out of it is zero.
func (asked *Ask) Span(name string) (since, until time.Time, err error) {
	for i, t := range asked.terms {
		if t.Name != name || t.Op != listing.Between {
			continue
		}
		asked.terms = slices.Delete(asked.terms, i, i+1)
		for n, to := range []*time.Time{&since, &until} {
			at, ok := listing.Moment(t.Values[n])
			if !ok && t.Values[n] != "" {
				return since, until, Invalid(`query: %s: %q is no time as "2020-04-09 02:36:00"`, name, t.Values[n])
			}
			*to = at
		}
		break
	}
	return since, until, nil
}

// Newest takes a sort= that asks for what a list of this field is anyway, the newest first.
func (asked *Ask) Newest(field string) {
	if slices.Equal(asked.sort, []string{"-" + field}) {
		asked.sort = nil
	}
}

// List takes all that is left of q= and sort=, for the list that narrows and sorts by it.
func (asked *Ask) List() listing.Page {
	page := asked.Page
	if asked.unread == nil {
		page.Terms, page.Sort, asked.terms, asked.sort = asked.terms, asked.sort, nil, nil
	}
	return page
}

// Text takes q= as it is, where it is no list of terms.
func (asked *Ask) Text() string {
	asked.terms, asked.unread = nil, nil
	return asked.URL.Query().Get("q")
}

// Order takes sort= for a list that is here whole, which has these orders. Without one
// it stays as it is.
func Order[T any](asked *Ask, all []T, by map[string]func(a, b T) int) error {
	for _, text := range slices.Backward(asked.sort) {
		name, down := strings.CutPrefix(text, "-")
		compare := by[name]
		if compare == nil {
			return Invalid("query: sort %q is none of %s, with a - to turn it", text,
				strings.Join(slices.Sorted(maps.Keys(by)), ", "))
		}
		slices.SortStableFunc(all, func(a, b T) int {
			if down {
				a, b = b, a
			}
			return compare(a, b)
		})
	}
	asked.sort = nil
	return nil
}

// Understood refuses terms and orders that nobody has taken: they must not answer with
// everything, in any order.
func (asked *Ask) Understood() error {
	if asked.unread != nil {
		return asked.unread
	}
	for _, t := range asked.terms {
		return errdefs.Errorf(errdefs.ErrUnsupported, "query: q does not know %q here", t.Name)
	}
	for _, name := range asked.sort {
		return errdefs.Errorf(errdefs.ErrUnsupported, "query: this list is not sorted by %q", name)
	}
	return nil
}

// Flag is a parameter that is true or false, and otherwise the one given.
func (asked *Ask) Flag(name string, otherwise bool) (bool, error) {
	text := asked.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, Invalid("query: %s %q is neither true nor false", name, text)
	}
	return b, nil
}

// Paged says where the other pages of a list are, and how long it is.
func (asked *Ask) Paged(total int64) {
	h := asked.W.Header()
	h.Set("X-Total-Count", strconv.FormatInt(total, 10))
	number := asked.Page.Skip/asked.Page.N + 1
	var links []string // in one header: many clients read the first alone
	link := func(page int, rel string) {
		q := asked.URL.Query()
		q.Set("page", strconv.Itoa(page))
		q.Set("page_size", strconv.Itoa(asked.Page.N))
		links = append(links, "<"+asked.URL.EscapedPath()+"?"+q.Encode()+`>; rel="`+rel+`"`)
	}
	if number > 1 {
		link(number-1, "prev")
	}
	if int64(asked.Page.Skip+asked.Page.N) < total {
		link(number+1, "next")
	}
	if len(links) > 0 {
		h.Set("Link", strings.Join(links, ", "))
	}
}

// Part is the part of a list that was asked for, of one that is here whole.
func Part[T any](asked *Ask, all []T) []T {
	asked.Paged(int64(len(all)))
	from := min(asked.Page.Skip, len(all))
	return append([]T{}, all[from:min(from+asked.Page.N, len(all))]...)
}
