package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// serveBoth serves over HTTP/1.1 and over HTTP/2.
func serveBoth(t *testing.T, stall time.Duration, h http.HandlerFunc, try func(t *testing.T, url string, c *http.Client)) {
	t.Helper()
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2: %v", two), func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(Deadlines(h, stall))
			srv.EnableHTTP2 = two
			srv.StartTLS()
			defer srv.Close()
			try(t, srv.URL, srv.Client())
		})
	}
}

func post(t *testing.T, c *http.Client, url string, body io.Reader) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return string(got), err
}

// slowly is a source that comes in parts, each later than a client may be silent.
type slowly struct {
	parts int
	pause time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.parts == 0 {
		return 0, io.EOF
	}
	s.parts--
	time.Sleep(s.pause)
	return copy(p, "part"), nil
}

// TestServerMayTakeItsTime: what the server does between reads and writes, and how slowly what
// it sends comes to it, is not held against the client.
func TestServerMayTakeItsTime(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	think := func() { time.Sleep(3 * stall) }
	body := bytes.Repeat([]byte("x"), 3<<20) // more than a window or a socket's buffer holds
	serveBoth(t, stall, func(w http.ResponseWriter, r *http.Request) {
		think()
		first := make([]byte, 1<<20)
		if _, err := io.ReadFull(r.Body, first); err != nil {
			t.Errorf("the first part: %v", err)
			return
		}
		think()
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Errorf("the rest, after %d bytes: %v", n, err)
			return
		}
		think()
		_, err = io.WriteString(w, "begun ")
		err = errors.Join(err, http.NewResponseController(w).Flush())
		think()
		_, copied := io.Copy(w, &slowly{parts: 3, pause: 2 * stall})
		if err := errors.Join(err, copied); err != nil {
			t.Errorf("the answer: %v", err)
		}
		think()
	}, func(t *testing.T, url string, c *http.Client) {
		if got, err := post(t, c, url, bytes.NewReader(body)); err != nil || got != "begun partpartpart" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestSilentClientsOfBoth: a client that sends no more, and one that takes no more, is let go, by
// Write as by ReadFrom and by Flush.
func TestSilentClientsOfBoth(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	large := make([]byte, 24<<20) // more than all buffers on the way hold
	serveBoth(t, stall, func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		var err error
		switch r.URL.Path {
		case "/read":
			_, err = io.Copy(io.Discard, r.Body)
		case "/write":
			_, err = w.Write(large)
		case "/copy":
			_, err = io.Copy(w, io.MultiReader(bytes.NewReader(large)))
		case "/flush":
			for err == nil {
				_, err = w.Write(large[:64<<10])
				err = errors.Join(err, http.NewResponseController(w).Flush())
			}
		}
		took := time.Since(begun)
		if err == nil || took < stall/2 || took > 20*time.Second {
			t.Errorf("%s %s ended after %v: %v", r.Proto, r.URL.Path, took, err)
		}
		_, _ = io.WriteString(w, "over")
	}, func(t *testing.T, url string, c *http.Client) {
		pr, pw := io.Pipe()
		go func() { _, _ = pw.Write([]byte("half")) }()
		_, _ = post(t, c, url+"/read", pr) // what comes of it is the handler's to say
		_ = pw.Close()
		for _, path := range []string{"/write", "/copy", "/flush"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(req)
			if err != nil {
				continue // it was let go before its answer began
			}
			time.Sleep(5 * stall)
			if n, err := io.Copy(io.Discard, resp.Body); err == nil && n >= int64(len(large)) {
				t.Errorf("%s: the whole answer came to who did not take it", path)
			} else if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", path, err)
			}
			_ = resp.Body.Close()
		}
	})
}
