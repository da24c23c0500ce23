package outside

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cove/bench/asker"
	"cove/bench/bare"
)

// TestClient pushes to a registry that wants tokens, by the socket alone, and pulls.
func TestClient(t *testing.T) {
	t.Setenv(Variable, "") // Open sets it
	stop, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	store, tokens := bare.Handler(t.TempDir()), 0
	var ts *httptest.Server
	ts = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/token":
			if name != "ann" || password != "s3cret" || r.URL.Query().Get("scope") != "repository:bench/app:pull,push" {
				t.Errorf("%s asks for %s", name, r.URL.RawQuery)
			}
			tokens++
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "t"})
		case r.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+ts.URL+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			store.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(ts.Close)
	u, err := Check(strings.Replace(ts.URL, "http://", "http://ann:s3cret@", 1))
	if err != nil {
		t.Fatal(err)
	}
	c := Client(u)
	if err := c.PushImage(t.Context(), "one", asker.NewLayer(1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.PullImage(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if tokens != 1 {
		t.Errorf("%d tokens were asked for", tokens)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for raw, fine := range map[string]bool{
		"https://registry.example.com": true, "http://ann:x@127.0.0.1:5000/": true, "https://[::1]:5000": true,
		"registry.example.com": false, "ftp://x": false, "https://": false, "https://x/v2/app": false, "%": false,
	} {
		u, err := Check(raw)
		if (err == nil) != fine {
			t.Errorf("%s: %v, %v", raw, u, err)
		}
	}
	if _, err := Check("https://ann:s3cret@x/v2"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error tells the password: %v", err)
	}
}
