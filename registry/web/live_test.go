package web_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// stream is one of a live page, read in the background.
type stream struct {
	status int
	events chan string // "change MARK" and "end"; closed at the end of the stream
}

// listen opens the stream of a page with a session's cookie.
func listen(t *testing.T, s *webtest.Site, path, session string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/live"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "cove_session", Value: session})
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == 200 && resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %v", path, resp.Header)
	}
	st := &stream{status: resp.StatusCode, events: make(chan string, 100)}
	go func() {
		defer close(st.events)
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != 200 {
			_, _ = io.Copy(io.Discard, resp.Body)
			return
		}
		name := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			line := lines.Text()
			if after, ok := strings.CutPrefix(line, "event: "); ok {
				name = after
			}
			if after, ok := strings.CutPrefix(line, "data:"); ok {
				st.events <- strings.TrimSpace(name + " " + strings.TrimSpace(after))
			}
		}
	}()
	return st
}

// next is the next event; "" at the end of the stream.
func (s *stream) next(t *testing.T) string {
	t.Helper()
	select {
	case event := <-s.events:
		return event
	case <-time.After(20 * time.Second):
		t.Fatal("the stream says nothing")
		return ""
	}
}

var marked = regexp.MustCompile(`data-live="(/live[^"]*)" data-mark="([0-9a-f]+)"`)

// TestLivePages: each live page leads to a stream that begins with the page's own mark,
// and says another one when something has changed.
func TestLivePages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Project(t, "payments", false, nil)
	hook, job := s.Webhook(t, "payments", "https://ci.absent.invalid/hook"), s.Job(t)
	s.Push(t, "payments/checkout/api", "v1", webtest.Image{})
	run := s.Replication(t)
	admin := s.As(t, "admin")
	for _, path := range []string{
		"/jobs", "/jobs?state=done", job, "/replication", run, "/system", "/audit", "/security",
		"/projects/payments/scanning", "/scans/payments/checkout/api:v1", hook,
	} {
		m := marked.FindStringSubmatch(admin.Get(path, 200))
		if m == nil || m[1] != "/live"+path {
			t.Errorf("%s leads to no stream of its own: %v", path, m)
			continue
		}
		if admin.Get(path, 200); !strings.Contains(admin.Body, `data-mark="`+m[2]+`"`) && path != "/audit" && path != "/jobs" && path != "/system" {
			t.Errorf("%s has another mark though nothing has changed", path)
		}
		st := listen(t, s, path, admin.Cookie("cove_session"))
		if first := st.next(t); !strings.HasPrefix(first, "change ") {
			t.Errorf("%s: the stream begins with %q", path, first)
		}
		s.As(t, "admin") // the streams of a session are bounded, not those of a person
		admin = s.As(t, "admin")
	}
	st := listen(t, s, "/jobs", admin.Cookie("cove_session"))
	before := st.next(t)
	s.Job(t)
	if after := st.next(t); !strings.HasPrefix(after, "change ") || after == before {
		t.Errorf("a new job: %q after %q", after, before)
	}
	if st := listen(t, s, "/jobs", ""); st.status != http.StatusSeeOther {
		t.Errorf("a visitor gets %d", st.status)
	}
}

// TestStreamsEnd: a stream ends within a second of the sign-out, and when the right to the
// page is gone; one session has a few at most.
func TestStreamsEnd(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	s.Project(t, "payments", false, map[string]string{"ada": "developer"})
	ada := s.As(t, "ada")
	session := ada.Cookie("cove_session")
	var open []*stream
	for range 4 {
		st := listen(t, s, "/projects/payments/scanning", session)
		st.next(t)
		open = append(open, st)
	}
	if st := listen(t, s, "/projects/payments/scanning", session); st.status != http.StatusTooManyRequests {
		t.Errorf("a fifth stream is answered %d", st.status)
	}
	ada.Get("/projects/payments", 200)
	asked := time.Now()
	ada.Post("/sign-out", url.Values{}, 303)
	for _, st := range open {
		for event := range st.events {
			if event != "end" && !strings.HasPrefix(event, "change ") {
				t.Errorf("event %q", event)
			}
		}
	}
	// half a second is what the stream waits at most; the rest is for a busy machine
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("the streams ended %v after the sign-out", took)
	}
	st := listen(t, s, "/projects/payments/scanning", s.As(t, "ada").Cookie("cove_session"))
	st.next(t)
	s.API(t, "DELETE", "/projects/payments/members/ada", "", 204)
	for event := range st.events {
		if event == "end" {
			return
		}
	}
	t.Error("a stream goes on without the right to its page")
}
