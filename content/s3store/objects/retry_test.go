package objects_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/content/contenttest"
	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/errdefs"
)

// slow says SlowDown to the first so many requests of each kind.
type slow struct {
	times int
	after string // Retry-After

	mu   sync.Mutex
	seen map[string][]time.Time
}

func (s *slow) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.answered(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (s *slow) answered(w http.ResponseWriter, r *http.Request) bool {
	key := r.Method + " " + r.URL.Path + " " + r.URL.RawQuery
	s.mu.Lock()
	s.seen[key] = append(s.seen[key], time.Now())
	n, times := len(s.seen[key]), s.times
	s.mu.Unlock()
	if n > times {
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if s.after != "" {
		w.Header().Set("Retry-After", s.after)
	}
	s3test.SlowDown(w)
	return true
}

// asked are when requests came whose method and path have these in them.
func (s *slow) asked(method, path string) (at []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, times := range s.seen {
		if strings.HasPrefix(key, method+" ") && strings.Contains(key, path) {
			at = append(at, times...)
		}
	}
	return at
}

func throttled(t *testing.T, s *slow, change func(*objects.Config)) *objects.Bucket {
	t.Helper()
	s.seen = map[string][]time.Time{}
	cfg := s3test.Start(t).Front(t, s.before)
	change(&cfg)
	b, err := objects.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestSlowDown: each kind of request is tried again, later each time, when a service asks
// for fewer of them.
func TestSlowDown(t *testing.T) {
	t.Parallel()
	s := &slow{}
	b := throttled(t, s, func(*objects.Config) {})
	body := contenttest.Bytes(1, 100_000)
	for n := range 6 {
		if err := b.Put(t.Context(), fmt.Sprint("here", n), body); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	s.times, s.seen = 2, map[string][]time.Time{}
	s.mu.Unlock()
	for name, do := range map[string]func(ctx context.Context) error{
		"put":    func(ctx context.Context) error { return b.Put(ctx, "new", body) },
		"new":    func(ctx context.Context) error { return b.PutNew(ctx, "newer", body) },
		"copy":   func(ctx context.Context) error { return b.Copy(ctx, "here0", "copied", int64(len(body))) },
		"delete": func(ctx context.Context) error { return b.Delete(ctx, "here1") },
		"batch":  func(ctx context.Context) error { return b.Delete(ctx, "here2", "here3") },
		"stat": func(ctx context.Context) error {
			o, err := b.Stat(ctx, "here4")
			if err == nil && o.Size != int64(len(body)) {
				err = fmt.Errorf("%d bytes", o.Size)
			}
			return err
		},
		"get": func(ctx context.Context) error {
			got, err := b.Get(ctx, "here5")
			if err == nil && !bytes.Equal(got, body) {
				err = fmt.Errorf("%d other bytes", len(got))
			}
			return err
		},
		"list": func(ctx context.Context) error {
			for _, err := range b.List(ctx, "here") {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"multipart": func(ctx context.Context) error {
			u, err := b.BeginUpload(ctx, "large")
			if err != nil {
				return err
			}
			etag, err := b.SendPart(ctx, u, 1, bytes.NewReader(body), int64(len(body)))
			if err != nil {
				return err
			}
			return b.Complete(ctx, u, []string{etag})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := do(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPausesGrow: the waits are those of somebody who was asked to come less often, also
// where the service can say no more than 503, and a Retry-After is kept.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after string
		least [2]time.Duration
	}{
		"by itself":     {"", [2]time.Duration{500 * time.Millisecond, time.Second}},
		"as it is told": {"2", [2]time.Duration{2 * time.Second, 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &slow{times: 2, after: c.after}
			b := throttled(t, s, func(*objects.Config) {})
			if _, err := b.Stat(t.Context(), "x"); !errors.Is(err, errdefs.ErrNotFound) {
				t.Fatal(err)
			}
			at := s.asked("HEAD", "/x")
			if len(at) != 3 {
				t.Fatalf("%d requests", len(at))
			}
			for n, least := range c.least {
				if wait := at[n+1].Sub(at[n]); wait < least {
					t.Errorf("after %d answers it waits %v, want %v at least", n+1, wait, least)
				}
			}
		})
	}
}

// TestSlowDownForEver: after its tries a request is refused with what the service said.
func TestSlowDownForEver(t *testing.T) {
	t.Parallel()
	s := &slow{times: 1 << 20}
	b := throttled(t, s, func(c *objects.Config) { c.Attempts = 2 })
	begun := time.Now()
	err := b.Put(t.Context(), "x", []byte("x"))
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "SlowDown: Please reduce your request rate") {
		t.Error(err)
	}
	if n := len(s.asked("PUT", "/x")); n != 2 || time.Since(begun) > 20*time.Second {
		t.Errorf("%d tries in %v", n, time.Since(begun))
	}
}

// TestSomeOfManyDeleted: a service takes a list of objects to delete and says of some, in
// its answer of success, that it had no time for them.
func TestSomeOfManyDeleted(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked [][]string
	code := "SlowDown"
	answered := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !r.URL.Query().Has("delete") {
			return false
		}
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var in struct {
			Objects []struct{ Key string } `xml:"Object"`
		}
		if err = errors.Join(err, xml.Unmarshal(body, &in)); err != nil {
			t.Error(err)
		}
		var keys []string
		for _, o := range in.Objects {
			keys = append(keys, o.Key[strings.LastIndex(o.Key, "/")+1:])
		}
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, keys)
		if len(asked) > 1 {
			return false
		}
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`+
			`<Error><Key>%s</Key><Code>%s</Code><Message>not now</Message></Error></DeleteResult>`, in.Objects[1].Key, code)
		return true
	}
	cfg := s3test.Start(t).Front(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !answered(w, r) {
				next.ServeHTTP(w, r)
			}
		})
	})
	b, err := objects.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Put(t.Context(), "b", []byte("b")); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(asked); got != "[[a b c] [b]]" {
		t.Errorf("asked for %s", got)
	}
	if _, err := b.Stat(t.Context(), "b"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	mu.Lock()
	asked, code = nil, "AccessDenied"
	mu.Unlock()
	if err := b.Delete(t.Context(), "a", "b"); !errors.Is(err, errdefs.ErrUnavailable) || len(asked) != 1 ||
		!strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("%v after %d requests", err, len(asked))
	}
}
