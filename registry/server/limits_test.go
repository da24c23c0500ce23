package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cove/registry/server/config"
)

// TestEveryLimitSaysItself sets each limit low and goes beyond it: the answer has the status and
// the code that the specification knows, and names the limit.
func TestEveryLimitSaysItself(t *testing.T) {
	s := newTestServer(t, config.Config{Limits: config.Limits{
		Headers: 8 << 10, Manifest: 4 << 10, Depth: 5, Name: 40, Page: 3, Uploads: 2,
	}})
	put := func(body string) func() (int, http.Header, string) {
		return func() (int, http.Header, string) {
			return s.put("/v2/team/app/manifests/v1", "application/vnd.oci.image.index.v1+json", body)
		}
	}
	post := func(path string) func() (int, http.Header, string) {
		return func() (int, http.Header, string) {
			w := s.ask("POST", path, "admin", "", nil)
			return w.Code, w.Header(), w.Body.String()
		}
	}
	const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"a":%q},"x":%s}`
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, row := range []struct {
		name       string
		ask        func() (int, http.Header, string)
		code       int
		word, says string
	}{
		{"manifest within", put(fmt.Sprintf(index, "b", deep(4))), 201, "", ""},
		{"manifest too large", put(fmt.Sprintf(index, strings.Repeat("b", 4<<10), "1")), 413, "SIZE_INVALID", "4096 bytes"},
		{"manifest too deep", put(fmt.Sprintf(index, "b", deep(5))), 400, "MANIFEST_INVALID", "more than 5 deep"},
		{"upload one", post("/v2/team/app/blobs/uploads/"), 202, "", ""},
		{"upload two", post("/v2/team/app/blobs/uploads/"), 202, "", ""},
		{"upload three", post("/v2/team/app/blobs/uploads/"), 429, "TOOMANYREQUESTS", "admin has 2 uploads open"},
		{"name too long", post("/v2/team/" + strings.Repeat("a", 36) + "/blobs/uploads/"), 400, "NAME_INVALID", "40 bytes at most"},
		{"header too large", func() (int, http.Header, string) {
			w := s.ask("GET", "/v2/team/app/tags/list?"+strings.Repeat("a", 8<<10), "admin", "", nil)
			return w.Code, w.Header(), w.Body.String()
		}, 431, "UNSUPPORTED", "8192 bytes at most"},
	} {
		code, header, body := row.ask()
		if code != row.code || !strings.Contains(body, row.says) || !strings.Contains(body, row.word) {
			t.Errorf("%s: %d %s, want %d %s %q", row.name, code, body, row.code, row.word, row.says)
		}
		if code == http.StatusTooManyRequests && header.Get("Retry-After") == "" {
			t.Errorf("%s: nothing says when to try again", row.name)
		}
	}
	for i := range 4 {
		s.put(fmt.Sprintf("/v2/team/app/manifests/t%d", i), "application/vnd.oci.image.index.v1+json", fmt.Sprintf(index, "b", "1"))
	}
	w := s.ask("GET", "/v2/team/app/tags/list?n=100", "admin", "", nil)
	var list struct{ Tags []string }
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Tags) != 3 || !strings.Contains(w.Header().Get("Link"), "n=3") {
		t.Errorf("a page: %s %q (%v)", w.Body, w.Header().Get("Link"), err)
	}
}

// put is ask with a type.
func (s *Server) put(path, mediaType, body string) (int, http.Header, string) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "http://registry.test"+path, strings.NewReader(body))
	r.SetBasicAuth("admin", testPassword)
	r.Header.Set("Content-Type", mediaType)
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

// TestRequestsOverOneConnection: of the requests that one connection carries, one address has
// as many worked on as it may, and the others are refused at once.
func TestRequestsOverOneConnection(t *testing.T) {
	s := newTestServer(t, config.Config{Limits: config.Limits{Requests: 3}})
	ts := httptest.NewUnstartedServer(s.handler)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	const all = 10
	answers := make(chan int, all)
	var bodies []*io.PipeWriter
	for range all {
		r, w := io.Pipe()
		bodies = append(bodies, w)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.URL+"/v2/team/app/blobs/uploads/?digest="+absentDigest, r)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", testPassword)
		go func() { // ends with its body
			resp, err := ts.Client().Do(req)
			if err != nil {
				answers <- 0
				return
			}
			_ = resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	for range all - 3 {
		if code := <-answers; code != http.StatusTooManyRequests {
			t.Errorf("one too many: %d", code)
		}
	}
	for _, w := range bodies {
		_ = w.Close()
	}
	for range 3 {
		if code := <-answers; code != http.StatusCreated {
			t.Errorf("within the limit: %d", code)
		}
	}
}
