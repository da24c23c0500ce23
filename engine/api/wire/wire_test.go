package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/engine/api/wire"
	"cove/errdefs"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string][]string{
		``:                                nil,
		`{}`:                              {},
		`{"label":{"a=b":true,"c":true}}`: {"label": {"a=b", "c"}},
		`{"label":["a=b","c"]}`:           {"label": {"a=b", "c"}},
		`{"status":{"exited":true,"paused":false}}`: {"status": {"exited"}},
	} {
		got, err := wire.Filters(url.Values{"filters": {text}})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	for _, bad := range []string{`[`, `"x"`, `{"a":1}`, `{"a":{"b":1}}`} {
		if _, err := wire.Filters(url.Values{"filters": {bad}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzFilters(f *testing.F) {
	f.Add(`{"label":{"a":true}}`)
	f.Add(`{"label":["a"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := wire.Filters(url.Values{"filters": {text}})
		if err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
		for key, values := range got {
			if len(values) == 0 {
				t.Errorf("%q: %q has no values", text, key)
			}
		}
	})
}

func TestParameters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": false, "0": false, "no": false, "False": false, "none": false, "1": true, "true": true, "x": true} {
		if got := wire.Bool(url.Values{"f": {text}}, "f"); got != want {
			t.Errorf("%q is %v", text, got)
		}
	}
	if !wire.BoolOr(url.Values{}, "f", true) || wire.BoolOr(url.Values{"f": {"0"}}, "f", true) {
		t.Error("a parameter that is not there is what it is when it is there")
	}
	if n, err := wire.Int(url.Values{"t": {"-1"}}, "t", 10); n != -1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := wire.Int(url.Values{"t": {"soon"}}, "t", 10); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "1", "1.", "x.1", "1.-2"} {
		if v, ok := wire.ParseVersion(bad); ok {
			t.Errorf("%q is version %s", bad, v)
		}
	}
	if v := wire.V(9); !v.Before(wire.V(10)) || v.Before(v) || v.String() != "1.9" {
		t.Errorf("%s is out of order", v)
	}
}

func TestErrorsHaveStatusAndRemedy(t *testing.T) {
	t.Parallel()
	for _, kind := range errdefs.Kinds() {
		if s := wire.Status(errdefs.Errorf(kind, "x")); s < 400 || s > 599 {
			t.Errorf("%v is %d", kind, s)
		}
	}
	gone := &wire.StatusError{Status: http.StatusServiceUnavailable, Err: errdefs.Errorf(errdefs.ErrNotFound, "no node")}
	if s := wire.Status(gone); s != http.StatusServiceUnavailable {
		t.Errorf("%d", s)
	}
	for _, r := range errdefs.Remedies() {
		if text := wire.Text(errdefs.Suggest(errors.New("no"), r, "it")); !strings.HasPrefix(text, "no; ") || strings.Contains(text, "%s") {
			t.Errorf("the remedy %q has no words: %q", r, text)
		}
	}
	w := httptest.NewRecorder()
	wire.WriteError(w, errdefs.Errorf(errdefs.ErrNotFound, `no "it"`))
	if w.Code != 404 || w.Body.String() != "{\"message\":\"no \\\"it\\\"\"}\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	var v map[string]string
	for body, kind := range map[string]error{
		`{"a":"\u0000"}`: errdefs.ErrInvalid, `{"\u0000":"a"}`: errdefs.ErrInvalid, `{"a":"\\u0000"}`: nil, `{"a":"\\\u0000"}`: errdefs.ErrInvalid,
		"": nil, " ": nil, `{"a":"b"}`: nil, `{"a":`: errdefs.ErrInvalid,
		`{"a":"` + strings.Repeat("x", 5<<20) + `"}`: errdefs.ErrInvalid,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if err := wire.Decode(r, &v); !errors.Is(err, kind) {
			t.Errorf("%.20q: %v, want %v", body, err, kind)
		}
	}
}

// TestBodiesSayWhatTheyAre: a browser sends what is no JSON by its name anywhere, unasked.
func TestBodiesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]error{
		"application/json": nil, "application/json; charset=utf-8": nil, "": errdefs.ErrInvalid, "text/plain": errdefs.ErrInvalid,
		"application/x-www-form-urlencoded": errdefs.ErrInvalid, "text/plain; a=application/json": errdefs.ErrInvalid, "/": errdefs.ErrInvalid,
	} {
		var v map[string]string
		for _, body := range []string{`{}`, ``} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			if err := wire.Decode(r, &v); body == "" && err != nil || body != "" && !errors.Is(err, want) {
				t.Errorf("%q with %q: %v, want %v", body, kind, err, want)
			}
		}
	}
}
