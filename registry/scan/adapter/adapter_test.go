package adapter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/scan/advisory"
)

const manifest = "application/vnd.oci.image.manifest.v1+json"

// scripted answers each request by its method and path with what is next.
type scripted map[string][]func(w http.ResponseWriter, r *http.Request)

func (s scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.EscapedPath()
	if len(s[key]) == 0 {
		http.Error(w, key, http.StatusTeapot)
		return
	}
	next := s[key][0]
	s[key] = s[key][1:]
	next(w, r)
}

func say(status int, header, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

func client(t *testing.T, s scripted, cfg Config) *Client {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	cfg.URL = srv.URL
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	const old = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
	capability := func(kind, produces string) string {
		return fmt.Sprintf(`{"scanner":{"name":"S"},"capabilities":[{"type":%q,"consumes_mime_types":[%q],"produces_mime_types":[%q]}]}`,
			kind, manifest, produces)
	}
	for name, tc := range map[string]struct {
		body, form string
		kind       error
	}{
		"of now":           {capability("vulnerability", reports[0]), reports[0], nil},
		"of before":        {capability("", old), old, nil},
		"written closely":  {capability("vulnerability", strings.ReplaceAll(old, "; ", ";")), old, nil},
		"bills alone":      {capability("sbom", reports[0]), "", errdefs.ErrUnsupported},
		"in its own form":  {capability("vulnerability", "application/vnd.scanner.adapter.vuln.report.raw"), "", errdefs.ErrUnsupported},
		"another version":  {capability("vulnerability", "application/vnd.security.vulnerability.report; version=2.0"), "", errdefs.ErrUnsupported},
		"nothing to read":  {"<html>", "", errdefs.ErrCorrupt},
		"too much to read": {`"` + strings.Repeat("x", maxSmall) + `"`, "", errdefs.ErrInvalid},
	} {
		c := client(t, scripted{"GET /api/v1/metadata": {say(200, "", tc.body)}}, Config{})
		m, err := c.Metadata(t.Context())
		if tc.kind != nil {
			if !errors.Is(err, tc.kind) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if form, failed := m.Report(manifest); err != nil || failed != nil || form != tc.form {
			t.Errorf("%s: %q %v %v", name, form, err, failed)
		}
		if _, err := m.Report("application/vnd.cncf.helm"); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%s: of a chart: %v", name, err)
		}
	}
}

// TestSignsIn by each way, and says what it is told when it may not.
func TestSignsIn(t *testing.T) {
	t.Parallel()
	for auth, want := range map[Auth]string{
		NoAuth: "|", Basic: "Basic YTpiOmM=|", Bearer: "Bearer a:b:c|", APIKey: "|a:b:c",
	} {
		got := ""
		c := client(t, scripted{"GET /api/v1/metadata": {func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("Authorization") + "|" + r.Header.Get("X-ScannerAdapter-API-Key")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"error":{"message":"not you"}}`)
		}}}, Config{Auth: auth, Credential: "a:b:c"})
		if _, err := c.Metadata(t.Context()); !errors.Is(err, errdefs.ErrUnauthenticated) || !strings.Contains(err.Error(), "not you") || got != want {
			t.Errorf("%q: %q %v", auth, got, err)
		}
	}
}

// TestScan begins one with a scanner that knows the older request alone, and waits for the
// report.
func TestScan(t *testing.T) {
	t.Parallel()
	const report = `{"scanner":{"name":"S"},"vulnerabilities":[
		{"id":"CVE-1","package":"a","version":"1","fix_version":"2","severity":"High","description":"one\ntwo","preferred_cvss":{"score_v3":null,"score_v2":5.5}},
		{"id":"CVE-2","package":"b","severity":"Moderate?"}]}`
	path := "GET /api/v1/scan/a%2Fb/report"
	c := client(t, scripted{
		"POST /api/v1/scan": {say(415, "", ""), say(202, "", `{"id":"a/b"}`), say(202, "", `{}`), say(501, "", `{"error":{"message":"no"}}`)},
		path: {
			say(302, "Refresh-After: 0", ""), say(302, "Refresh-After: 1", ""), say(200, "", report), say(404, "", ""),
			say(500, "", `{"error":{"message":"broken"}}`), say(302, "Refresh-After: 3600", ""),
		},
	}, Config{})
	id, err := c.Begin(t.Context(), Registry{}, Artifact{}, reports[0])
	if err != nil || id != "a/b" {
		t.Fatal(id, err)
	}
	if _, err := c.Begin(t.Context(), Registry{}, Artifact{}, reports[0]); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("a scan without a name: %v", err)
	}
	if _, err := c.Begin(t.Context(), Registry{}, Artifact{}, reports[0]); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a scan that it cannot: %v", err)
	}
	var waits []time.Duration
	r, err := c.Report(t.Context(), id, reports[0], func(d time.Duration) { waits = append(waits, d) })
	if err != nil || len(r.Vulnerabilities) != 2 || len(waits) != 2 || waits[0] != time.Second {
		t.Fatalf("%+v %v %v", r, waits, err)
	}
	one, two := r.Vulnerabilities[0], r.Vulnerabilities[1]
	if one.Score() != 5.5 || one.Title() != "one" || one.Judged() != advisory.High || two.Judged() != advisory.Unknown || two.Score() != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := c.Report(t.Context(), id, reports[0], nil); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("a scan that is forgotten: %v", err)
	}
	if _, err := c.Report(t.Context(), id, reports[0], nil); !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a scan that failed: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = c.Report(ctx, id, reports[0], func(d time.Duration) {
		if d != longestWait {
			t.Errorf("an hour is waited for %s", d)
		}
		stop()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a scan that is stopped: %v", err)
	}
}

// TestOddReports are read as far as they say something, or refused: none is kept in a form
// that a database does not take.
func TestOddReports(t *testing.T) {
	t.Parallel()
	ask := func(answers ...func(http.ResponseWriter, *http.Request)) (Report, []time.Duration, error) {
		var waits []time.Duration
		c := client(t, scripted{"GET /api/v1/scan/x/report": answers}, Config{})
		r, err := c.Report(t.Context(), "x", reports[0], func(d time.Duration) { waits = append(waits, min(d, time.Hour)) })
		return r, waits, err
	}
	const one = `{"vulnerabilities":[{"id":"CVE-1","package":"a","severity":"Low"}]}`
	for name, tc := range map[string]struct {
		body string
		kind error
		n    int
	}{
		"nothing found":     {`{"vulnerabilities":[]}`, nil, 0},
		"null":              {`{"vulnerabilities":null,"severity":null}`, nil, 0},
		"no list":           {`{}`, nil, 0},
		"more than we read": {`{"x":{"y":[1]},"vulnerabilities":[{"id":"CVE-1","package":"a","layer":{"digest":"d"},"vendor_attributes":{"CVSS":{"nvd":{}}}}]}`, nil, 1},
		"empty":             {"", errdefs.ErrCorrupt, 0},
		"a page":            {"<html>sign in</html>", errdefs.ErrCorrupt, 0},
		"half":              {one[:len(one)/2], errdefs.ErrCorrupt, 0},
		"a list":            {"[" + one + "]", errdefs.ErrCorrupt, 0},
		"another type":      {`{"vulnerabilities":{"id":"CVE-1"}}`, errdefs.ErrCorrupt, 0},
		"a number":          {`{"vulnerabilities":[{"id":7}]}`, errdefs.ErrCorrupt, 1},
		"many":              {`{"vulnerabilities":[` + strings.Repeat(`{"id":"CVE-1","package":"a"},`, 200_000) + `{}]}`, nil, 200_001},
	} {
		r, _, err := ask(say(200, "Content-Type: text/html", tc.body))
		if !errors.Is(err, tc.kind) || len(r.Vulnerabilities) != tc.n {
			t.Errorf("%s: %d, %v", name, len(r.Vulnerabilities), err)
		}
	}
	if _, waits, err := ask(say(302, "Retry-After: 1", ""), say(200, "", one)); err != nil || len(waits) != 1 || waits[0] != usualWait {
		t.Errorf("Retry-After, which the API does not have: %v %v", waits, err)
	}
	for _, odd := range []string{"-5", "0", "soon", "1e9", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT"} {
		h := http.Header{"Refresh-After": {odd}}
		if d := after(h); d < shortWait || d > longestWait {
			t.Errorf("Refresh-After %s is %s", odd, d)
		}
	}
	for status, kind := range map[int]error{
		404: errdefs.ErrUnavailable, 429: errdefs.ErrUnavailable, 503: errdefs.ErrUnavailable, 500: errdefs.ErrCorrupt,
		501: errdefs.ErrUnsupported, 401: errdefs.ErrUnauthenticated, 301: errdefs.ErrUnavailable, 204: errdefs.ErrUnavailable,
	} {
		if _, _, err := ask(say(status, "", strings.Repeat("x", 1000))); !errors.Is(err, kind) || len(err.Error()) > 900 {
			t.Errorf("%d: %.900v", status, err)
		}
	}
	big := 1e300
	v := Vulnerability{
		ID: "CVE-\x001" + strings.Repeat("9", 9000), Package: "a\x00b\n", Version: strings.Repeat("\u00e4", 5000),
		Description: "\x00x\x1b[31m" + strings.Repeat("y", 9000), CVSS: &scores{V3: &big},
	}.Clean()
	if len(v.ID) != longestID || v.Package != "ab" || len(v.Version) > longestText || v.Score() != 10 ||
		strings.ContainsAny(v.ID+v.Title(), "\x00\x1b") || len(v.Title()) > 900 {
		t.Errorf("%.100q %q %d %v %q", v.ID, v.Package, len(v.Version), v.Score(), v.Title())
	}
}

// TestNothingLeadsElsewhere: 302 is no redirect here, and a scanner that is away is said so.
func TestNothingLeadsElsewhere(t *testing.T) {
	t.Parallel()
	c := client(t, scripted{"GET /api/v1/metadata": {say(302, "Location: http://169.254.169.254/", "")}}, Config{})
	if _, err := c.Metadata(t.Context()); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	away := New(Config{URL: "http://127.0.0.1:1"})
	if _, err := away.Metadata(t.Context()); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
