package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/errcode"
)

func (s *server) tags(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	page, empty, bad := s.page(t.query)
	if bad != nil {
		return bad
	}
	names, more, err := s.Registry.Tags(ctx, t.repo, page)
	if err != nil {
		return err
	}
	names, more = trim(names, more, empty)
	linkNext(w.Header(), r.URL.Path, page.N, names, more)
	return writeJSON(w, "application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{t.repo, names})
}

func (s *server) catalog(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	page, empty, bad := s.page(t.query)
	if bad != nil {
		return bad
	}
	names, more, err := s.Registry.Repositories(ctx, page)
	if err != nil {
		return err
	}
	names, more = trim(names, more, empty)
	linkNext(w.Header(), r.URL.Path, page.N, names, more)
	return writeJSON(w, "application/json", struct {
		Repositories []string `json:"repositories"`
	}{names})
}

// page reads n and last. n=0 asks for an empty list, which still has to be of
// something that exists: it is fetched as one entry and emptied.
func (s *server) page(q url.Values) (p distribution.Page, empty bool, bad *errcode.Error) {
	p = distribution.Page{N: s.PageSize, Last: q.Get("last")}
	if !q.Has("n") {
		return p, false, nil
	}
	text := q.Get("n")
	if len(text) > 18 && strings.Trim(text, "0123456789") == "" {
		text = "999999999999999999" // more than any page holds
	}
	n, err := strconv.ParseUint(text, 10, 63) // digits alone, no sign
	if err != nil {
		return p, false, errcode.New(http.StatusBadRequest, errcode.PaginationInvalid, "n is not a number of entries")
	}
	p.N = int(min(n, uint64(s.PageSize)))
	if n == 0 {
		p.N, empty = 1, true
	}
	return p, empty, nil
}

// trim makes a list that marshals as [] when it is empty.
func trim(names []string, more, empty bool) ([]string, bool) {
	if empty || names == nil {
		return []string{}, false
	}
	return names, more
}

// linkNext points to the next page (RFC 8288).
func linkNext(h http.Header, path string, n int, names []string, more bool) {
	if !more || len(names) == 0 {
		return
	}
	setLink(h, path, url.Values{"n": {strconv.Itoa(n)}, "last": {names[len(names)-1]}})
}

func setLink(h http.Header, path string, q url.Values) {
	h.Set("Link", "<"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}

// referrers answers with an index, empty for a subject nobody refers to or
// that is not here (yet).
func (s *server) referrers(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	page, empty, bad := s.page(t.query)
	if bad != nil {
		return bad
	}
	q := distribution.ReferrersQuery{Subject: t.dgst, ArtifactType: t.query.Get("artifactType"), Page: page}
	descs, more, err := s.Registry.Referrers(ctx, t.repo, q)
	if err != nil {
		return err
	}
	if descs == nil || empty {
		descs, more = []ocispec.Descriptor{}, false
	}
	next := url.Values{}
	if q.ArtifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
		next.Set("artifactType", q.ArtifactType)
	}
	if more {
		next.Set("n", strconv.Itoa(page.N))
		next.Set("last", descs[len(descs)-1].Digest.String())
		setLink(w.Header(), r.URL.Path, next)
	}
	return writeJSON(w, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: descs,
	})
}
