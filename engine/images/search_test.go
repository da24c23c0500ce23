package images

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cove/distribution/distributiontest"
	"cove/errdefs"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/":
		case "/v1/search":
			fmt.Fprintf(w, `{"results":[{"name":"%[1]s","star_count":9,"is_official":true},{"name":"team/%[1]s","star_count":2}]}`, r.FormValue("q"))
		default:
			http.NotFound(w, r)
		}
	}))
	is := local(t)
	for filter, want := range map[string]string{
		"": host + "/web " + host + "/team/web", "is-official=true": host + "/web", "stars=3": host + "/web",
		"is-automated=false is-official=false": host + "/team/web",
	} {
		terms := map[string][]string{}
		for _, f := range strings.Fields(filter) {
			key, value, _ := strings.Cut(f, "=")
			terms[key] = []string{value}
		}
		found, err := is.Search(t.Context(), host+"/web", SearchOptions{Filter: terms})
		var names []string
		for _, f := range found {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", filter, got, err, want)
		}
	}
	for name, o := range map[string]SearchOptions{
		"limit": {Limit: 101}, "filter": {Filter: map[string][]string{"colour": {"red"}}}, "stars": {Filter: map[string][]string{"stars": {"many"}}},
	} {
		if _, err := is.Search(t.Context(), host+"/web", o); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
