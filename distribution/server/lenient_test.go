package server

import (
	"net/http"
	"testing"
)

// TestQueriesAsTheyAreWritten reads parameters that clients write raw.
func TestQueriesAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"artifactType=a/b+json":        "a/b+json",
		"artifactType=a/b%2Bjson":      "a/b+json",
		"artifactType=a%2fb%2bjson":    "a/b+json",
		"x=1&artifactType=a/b+json&&y": "a/b+json",
	} {
		if q, err := parseQuery(raw); err != nil || q.Get("artifactType") != want {
			t.Errorf("%s: %q, %v", raw, q.Get("artifactType"), err)
		}
	}
	if q, err := parseQuery("digest=sha256:ab"); err != nil || q.Get("digest") != "sha256:ab" {
		t.Errorf("a raw colon: %v, %v", q, err)
	}
	// Left out, the first would begin an upload instead of ending it.
	for _, raw := range []string{"digest=%zz", "last=%", "n=1;last=x"} {
		if q, err := parseQuery(raw); err == nil || err.Status != http.StatusBadRequest {
			t.Errorf("%s: %v, %v", raw, q, err)
		}
	}
}
