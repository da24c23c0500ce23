//go:build otel

package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/proxy"
	"cove/registry/server/config"
	"cove/registry/span"
	"cove/registry/span/otlp"
)

// traces is a collector of OpenTelemetry's protocol.
type traces struct {
	mu  sync.Mutex
	all []*trace.Span
}

func (c *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var got collector.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, &got)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range got.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.all = append(c.all, scope.GetSpans()...)
		}
	}
}

// within lists the names of spans that are below a request, at any depth.
func (c *traces) within(request string) (names []string) {
	below := map[string]bool{}
	for range c.all { // a child may come before its parent
		for _, s := range c.all {
			if s.GetName() == request || below[string(s.GetParentSpanId())] {
				below[string(s.GetSpanId())] = true
			}
		}
	}
	for _, s := range c.all {
		if below[string(s.GetSpanId())] && s.GetName() != request {
			names = append(names, s.GetName())
		}
	}
	return names
}

// jobWithSpans runs a job that asks the database n times.
func jobWithSpans(t *testing.T, s *Server, n int) {
	t.Helper()
	must(t, s.state.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, _, err := jobs.Add(ctx, tx, jobs.New{Kind: "traced", Subject: "rule 7"})
		return err
	}))
	ctx, stop := context.WithCancel(span.WithBeginner(t.Context(), s.tracer))
	defer stop()
	jobs.NewRunner(s.state.db, s.log, jobs.Kind{
		Name: "traced",
		Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			defer stop()
			for range n {
				if err := s.state.db.Ping(ctx); err != nil {
					return "", err
				}
			}
			return "done", nil
		},
	}).Run(ctx)
}

// TestTraces pushes and pulls a blob, and asks a proxy for what its upstream has not
// got: each request has spans of what it needed.
func TestTraces(t *testing.T) {
	seen := &traces{}
	at := httptest.NewServer(seen)
	defer at.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", at.URL)
	s := newTestServer(t, config.Config{})
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			http.NotFound(w, r)
		}
	}))
	defer far.Close()
	host := strings.TrimPrefix(far.URL, "http://")
	must(t, s.state.services.Proxies.Create(t.Context(), auth.Operator(),
		proxy.Spec{Project: "mirror", Upstream: host, Plain: true}))

	const traceID = "0af7651916cd43dd8448eb211c80319c"
	ask := func(method, path string, body []byte, want int) {
		t.Helper()
		r := httptest.NewRequest(method, path, bytes.NewReader(body))
		r.SetBasicAuth("admin", testPassword)
		r.Header.Set("Traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
		w := httptest.NewRecorder()
		if s.handler.ServeHTTP(w, r); w.Code != want {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	blob := []byte("some bytes")
	dgst := digest.FromBytes(blob).String()
	ask("POST", "/v2/library/app/blobs/uploads/?digest="+dgst, blob, http.StatusCreated)
	ask("GET", "/v2/library/app/blobs/"+dgst, nil, http.StatusOK)
	ask("GET", "/v2/mirror/app/manifests/v1", nil, http.StatusNotFound)
	jobWithSpans(t, s, 1200)
	otlp.End(s.tracer, s.log)

	// The job has spans of its first statements, and not of a day's.
	ofJob := seen.within("job traced")
	if n := len(ofJob); n < 900 || n > 1000 || !slices.Contains(ofJob, "db SELECT") {
		t.Errorf("the job has %d spans", n)
	}
	for request, wants := range map[string][]string{
		"POST /v2/…/blobs/uploads/": {"db transaction", "db INSERT", "store commit"},
		"GET /v2/…/blobs/":          {"db SELECT", "store open"},
		"GET /v2/…/manifests/":      {"upstream " + host},
	} {
		got := strings.Join(seen.within(request), "\n")
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", request, want, got)
			}
		}
	}
	for _, span := range seen.all {
		text := span.String()
		if strings.Contains(text, testPassword) || strings.Contains(text, "Basic ") {
			t.Errorf("a span holds a secret: %s", text)
		}
		if strings.Contains(span.GetName(), "/v2/") && hex.EncodeToString(span.GetTraceId()) != traceID {
			t.Errorf("%s is no part of the client's trace", span.GetName())
		}
	}
}
