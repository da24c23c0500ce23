package beside_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cove/distribution/client"
	"cove/distribution/client/beside"
	"cove/distribution/client/credentials"
	"cove/distribution/client/wire"
	"cove/errdefs"
)

// keys has one sign-in for every host.
type keys credentials.Credentials

func (k keys) Credentials(context.Context, string) (credentials.Credentials, error) {
	return credentials.Credentials(k), nil
}

// TestBeside asks an API beside the protocol: with the password itself, never a token,
// and nowhere else than at the host that was named.
func TestBeside(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked, with %q", r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+elsewhere.URL+`/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("POST /api/things", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, strings.Join([]string{user, password, r.Header.Get("X"), string(body), r.URL.RawQuery}, " "))
	})
	mux.HandleFunc("GET /api/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	c, err := client.New(client.Config{Keychain: keys{Username: "ann", Password: "horse"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := beside.At(c.Wire(), site.URL)
	if err != nil || s.Host() != strings.TrimPrefix(site.URL, "http://") {
		t.Fatal(s, err)
	}
	for want, in := range map[string]wire.Request{
		"200 ann horse y body a=b": {
			Method: "POST", Path: "/things?a=b", Header: http.Header{"X": {"y"}}, Length: 4,
			Body: func() io.Reader { return strings.NewReader("body") },
		},
		"302 ": {Method: "GET", Path: "/moved"},
		"404 ": {Method: "GET", Path: "/absent"},
	} {
		in.API = "/api"
		resp, err := s.Do(t.Context(), in)
		if err != nil {
			t.Error(err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		if got := resp.Status[:4] + string(body); !strings.HasPrefix(got, want) || resp.Body.Close() != nil {
			t.Errorf("%s %s: %q, want %q", in.Method, in.Path, got, want)
		}
	}
	for _, wrong := range []string{"", "https://", "ftp://x", "https://x/path", "https://ann:horse@x"} {
		if s, err := beside.At(c.Wire(), wrong); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q is a server: %v %v", wrong, s, err)
		}
	}
	site.Close()
	if gone, err := beside.At(c.Wire(), site.URL); err != nil {
		t.Error(err)
	} else if _, err := gone.Do(t.Context(), wire.Request{Method: "GET", API: "/api", Path: "/x"}); err == nil {
		t.Error("a server that is not there answers")
	}
}
