package errcode_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/distribution/errcode/answer"
	"cove/errdefs"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestBothWays sends every kind about every object over the wire: it arrives
// as the kind it was, and the body is exact.
func TestBothWays(t *testing.T) {
	t.Parallel()
	const (
		registry, repository, blob = errcode.Registry, errcode.Repository, errcode.Blob
		upload, manifest           = errcode.Upload, errcode.Manifest
	)
	for _, tc := range []struct {
		kind   error
		obj    errcode.Object
		status int
		code   errcode.Code
		back   error // the kind that arrives, when it is another
	}{
		{errdefs.ErrNotFound, registry, 404, errcode.NameUnknown, nil},
		{errdefs.ErrNotFound, repository, 404, errcode.NameUnknown, nil},
		{errdefs.ErrNotFound, blob, 404, errcode.BlobUnknown, nil},
		{errdefs.ErrNotFound, upload, 404, errcode.BlobUploadUnknown, nil},
		{errdefs.ErrNotFound, manifest, 404, errcode.ManifestUnknown, nil},
		{errdefs.ErrInvalid, repository, 400, errcode.NameInvalid, nil},
		{errdefs.ErrInvalid, blob, 400, errcode.DigestInvalid, nil},
		{errdefs.ErrInvalid, upload, 400, errcode.BlobUploadInvalid, nil},
		{errdefs.ErrInvalid, manifest, 400, errcode.ManifestInvalid, nil},
		{errdefs.ErrUnauthenticated, blob, 401, errcode.Unauthorized, nil},
		{errdefs.ErrDenied, blob, 403, errcode.Denied, nil},
		{errdefs.ErrUnsupported, manifest, 405, errcode.Unsupported, nil},
		{errdefs.ErrConflict, manifest, 409, errcode.Conflict, nil},
		{distribution.ErrPrecondition, manifest, 412, errcode.PreconditionFailed, errdefs.ErrConflict},
		{errdefs.ErrExists, manifest, 409, errcode.Conflict, errdefs.ErrConflict},
		{errdefs.ErrExhausted, upload, 413, errcode.QuotaExceeded, nil},
		{errdefs.ErrUnavailable, upload, 503, errcode.Unavailable, nil},
		{errdefs.ErrCorrupt, upload, 400, errcode.DigestInvalid, errdefs.ErrInvalid},
		{errdefs.ErrCorrupt, blob, 404, errcode.BlobUnknown, errdefs.ErrNotFound},
		{errdefs.ErrCorrupt, manifest, 404, errcode.ManifestUnknown, errdefs.ErrNotFound},
		{errdefs.ErrCorrupt, registry, 500, errcode.Unknown, errdefs.ErrUnavailable},
	} {
		in := fmt.Errorf("wrapped: %w", errdefs.Errorf(tc.kind, "the reason"))
		e := errcode.For(in, tc.obj)
		if e.Status != tc.status || e.Code != tc.code || !errors.Is(e, tc.kind) || !errors.Is(e, in) {
			t.Errorf("%v about %d: %d %s, want %d %s", tc.kind, tc.obj, e.Status, e.Code, tc.status, tc.code)
		}
		w := httptest.NewRecorder()
		answer.Write(w, e)
		resp := w.Result()
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, tc.code, e.Message); string(body) != want {
			t.Errorf("body %s, want %s", body, want)
		}
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		got := answer.Parse(resp, "h:5000", now)
		want := tc.kind
		if tc.back != nil {
			want = tc.back
		}
		if !errors.Is(got, want) || got.Error() != fmt.Sprintf("%d from registry h:5000: %s", tc.status, e.Message) {
			t.Errorf("%v about %d came back as %q of kind %v", tc.kind, tc.obj, got, got.Kind)
		}
	}
}

// TestCodes: every code is of capital letters and underscores (specification, "Error
// Codes"), and those that its list lacks are these.
func TestCodes(t *testing.T) {
	t.Parallel()
	spec := []errcode.Code{
		"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
		"MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
		"UNSUPPORTED", "TOOMANYREQUESTS",
	}
	beyond := []errcode.Code{
		"TAG_INVALID", "RANGE_INVALID", "PAGINATION_NUMBER_INVALID", "CONFLICT", "PRECONDITION_FAILED", "QUOTA_EXCEEDED",
		"UNAVAILABLE", "UNKNOWN",
	}
	src, err := os.ReadFile("errcode.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Code = "([^"]*)"`).FindAllSubmatch(src, -1)
	if len(found) != len(spec)+len(beyond) {
		t.Errorf("there are %d codes, %d are listed here", len(found), len(spec)+len(beyond))
	}
	for _, m := range found {
		code := errcode.Code(m[1])
		if !regexp.MustCompile(`^[A-Z_]+$`).Match(m[1]) || !slices.Contains(spec, code) && !slices.Contains(beyond, code) {
			t.Errorf("%s is not of the list, and not known to be beyond it", code)
		}
	}
}

func TestSpecials(t *testing.T) {
	t.Parallel()
	missing := &distribution.MissingError{Digests: []digest.Digest{"sha256:a"}}
	e := errcode.For(errdefs.Errorf(errdefs.ErrNotFound, "%w", missing), errcode.Manifest)
	w := httptest.NewRecorder()
	answer.Write(w, e)
	if e.Status != 400 || !strings.Contains(w.Body.String(), `"MANIFEST_BLOB_UNKNOWN"`) || !strings.Contains(w.Body.String(), `"detail":["sha256:a"]`) {
		t.Errorf("%d %s", e.Status, w.Body)
	}
	quota := &distribution.QuotaError{Project: "team", Limit: 2 << 30, Used: 2040109466, More: 300 << 20}
	refused := errcode.For(fmt.Errorf("mounting: %w", quota), errcode.Upload)
	if refused.Status != 413 || refused.Code != errcode.Denied || refused.Message != `project "team" may use 2 GiB and `+
		`uses 1.9 GiB, so that 300 MiB more do not fit; delete what nobody needs there, or ask an administrator of the `+
		`registry for a higher quota` {
		t.Errorf("a quota: %d %s %s", refused.Status, refused.Code, refused.Message)
	}
	full := errcode.For(errdefs.Errorf(errdefs.ErrExhausted, "write /secret: %w", syscall.ENOSPC), errcode.Upload)
	if full.Status != http.StatusInsufficientStorage || strings.Contains(full.Message, "secret") {
		t.Errorf("full disk: %d %s", full.Status, full.Message)
	}
	own := errcode.New(416, errcode.RangeInvalid, "x")
	if got := errcode.For(fmt.Errorf("w: %w", own), errcode.Blob); got != own {
		t.Errorf("an *Error was remade: %+v", got)
	}
	// What an upstream answered is not this registry's own answer.
	upstream := &errcode.Error{Host: "up", Status: 401, Code: errcode.Unauthorized, Kind: errdefs.ErrUnauthenticated, Message: "secret"}
	if got := errcode.For(errdefs.Errorf(errdefs.ErrUnavailable, "upstream: %w", upstream), errcode.Blob); got == upstream {
		t.Error("an upstream's answer is passed on as our own")
	}
	if got := errcode.For(errors.New("/etc/x"), errcode.Blob); got.Status != 500 || strings.Contains(got.Message, "/etc") {
		t.Errorf("unknown: %+v", got)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   error
		want   string
	}{
		"no body":          {404, "", errdefs.ErrNotFound, "404 from registry h: not found"},
		"a proxy's page":   {502, "<html><body>oops", errdefs.ErrUnavailable, "502 from registry h: bad gateway"},
		"plain text":       {500, "disk on fire\nsecond line", errdefs.ErrUnavailable, "500 from registry h: disk on fire"},
		"code alone":       {403, `{"errors":[{"code":"DENIED"}]}`, errdefs.ErrDenied, "403 from registry h: denied"},
		"several":          {400, `{"errors":[{"code":"MANIFEST_INVALID","message":"a"},{"code":"X","message":"b"}]}`, errdefs.ErrInvalid, "400 from registry h: a; b"},
		"no errors":        {400, `{"errors":[]}`, errdefs.ErrInvalid, "400 from registry h: bad request"},
		"JSON of another":  {500, `{"message":"no\u001b[2J disk"}`, errdefs.ErrUnavailable, "500 from registry h: no[2J disk"},
		"an error's text":  {500, `{"error":"internal_failure"}`, errdefs.ErrUnavailable, "500 from registry h: internal_failure"},
		"a list":           {500, `[1]`, errdefs.ErrUnavailable, "500 from registry h: [1]"},
		"unknown code 401": {401, `{"errors":[{"code":"UNKNOWN","message":"who"}]}`, errdefs.ErrUnauthenticated, "401 from registry h: who"},
		"denied 429":       {429, `{"errors":[{"code":"DENIED","message":"slow down"}]}`, errdefs.ErrUnavailable, "429 from registry h: slow down"},
		"immutable 412":    {412, "", errdefs.ErrConflict, "412 from registry h: precondition failed"},
		"teapot":           {418, "", errdefs.ErrInvalid, "418 from registry h: i'm a teapot"},
		"odd status":       {599, "", errdefs.ErrUnavailable, "599 from registry h: no explanation"},
		"control":          {403, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"a\\u001b[31mb\\nc\"}]}", errdefs.ErrDenied, "403 from registry h: a[31mbc"},
	} {
		resp := &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(tc.body))}
		got := answer.Parse(resp, "h", now)
		if !errors.Is(got, tc.kind) || got.Error() != tc.want {
			t.Errorf("%s: %q of kind %v, want %q of %v", name, got, got.Kind, tc.want, tc.kind)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "x": 0, "99999999999": 0, "9999999": 1 << 20 * time.Second,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
	} {
		resp := &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {in}}, Body: http.NoBody}
		if got := answer.Parse(resp, "h", now).RetryAfter; got != want && in != "99999999999" {
			t.Errorf("%q = %s, want %s", in, got, want)
		}
	}
}

// FuzzParse: no answer of a registry can put control characters on a terminal.
func FuzzParse(f *testing.F) {
	f.Add(403, `{"errors":[{"code":"DENIED","message":"a\u001b"}]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		e := answer.Parse(resp, "h", now)
		if strings.ContainsFunc(e.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) || e.Kind == nil {
			t.Errorf("%q, kind %v", e, e.Kind)
		}
	})
}
