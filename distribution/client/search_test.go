package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cove/distribution/client"
	"cove/distribution/distributiontest"
)

// TestSearch asks registries with a search of their own, with a catalog alone, and
// with a page for people in the place of a search.
func TestSearch(t *testing.T) {
	t.Parallel()
	catalog := func(w http.ResponseWriter) {
		fmt.Fprint(w, `{"repositories":["team/redis","team/web","REDIS-tools","other"]}`)
	}
	for name, tt := range map[string]struct {
		search func(w http.ResponseWriter, r *http.Request)
		want   string
	}{
		"own": {func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			fmt.Fprintf(w, `{"results":[{"name":"%s","description":"d","star_count":7,"is_official":true},{"name":"b"},{"name":"c"}]}`, q.Get("q")+q.Get("n"))
		}, "redis2 7 true, b 0 false"},
		"none": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, "team/redis 0 false, REDIS-tools 0 false"},
		"page": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "team/redis 0 false, REDIS-tools 0 false"},
	} {
		host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v2/":
			case "/v2/_catalog":
				catalog(w)
			case "/v1/search":
				tt.search(w, r)
			default:
				http.NotFound(w, r)
			}
		}))
		found, err := distributiontest.NewClient(t, client.Config{}).Search(t.Context(), host, "redis", 2)
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprint(f.Name, " ", f.Stars, " ", f.Official))
		}
		if err != nil || strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
