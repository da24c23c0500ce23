//go:build otel

package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"cove/errdefs"
	"cove/internal/buildinfo"
	"cove/registry/span"
)

// sender is a Tracer.
type sender struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracer for a service that is called so unless $OTEL_SERVICE_NAME says
// otherwise; nil if no collector is named. It does not wait for the collector.
func New(ctx context.Context, service string, _ *slog.Logger) (Tracer, error) {
	if !wanted() {
		return nil, nil //nolint:nilnil // nobody wants one
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service),
		attribute.String("service.version", buildinfo.Version())), resource.WithHost(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &sender{provider, provider.Tracer("cove/registry")}, nil
}

// Close implements Tracer.
func (t *sender) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Begin implements Tracer.
func (t *sender) Begin(r *http.Request) (_ *http.Request, done func(status int, sent int64)) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, s := t.tracer.Start(ctx, r.Method+" "+route(r.URL.Path), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path),
			attribute.String("client.address", r.RemoteAddr), attribute.String("user_agent.original", r.UserAgent()),
		))
	return r.WithContext(span.With(ctx, &recorded{t.tracer, s})), func(status int, sent int64) {
		s.SetAttributes(attribute.Int("http.response.status_code", status),
			attribute.Int64("http.response.body.size", sent))
		if status >= http.StatusInternalServerError {
			s.SetStatus(codes.Error, http.StatusText(status))
		}
		s.End()
	}
}

// mostOfWork bounds the spans below one of a job, which may run for a day: the first
// tell how it goes.
const mostOfWork = 1000

// Work implements span.Beginner.
func (t *sender) Work(name, about string) span.Span {
	_, s := t.tracer.Start(context.Background(), name, trace.WithAttributes(attribute.String("cove.subject", about)))
	left := &atomic.Int64{}
	left.Store(mostOfWork)
	return &bounded{recorded{t.tracer, s}, left}
}

// bounded is a span of work.
type bounded struct {
	recorded
	left *atomic.Int64
}

// Child implements span.Span.
func (b *bounded) Child(kind span.Kind, detail string) span.Span {
	if b.left.Add(-1) < 0 {
		return silent{}
	}
	return &bounded{*b.child(kind, detail), b.left}
}

// silent is a span that nobody hears of.
type silent struct{}

func (s silent) Child(span.Kind, string) span.Span { return s }
func (silent) End(error)                           {}

// route is what a path is about, without names: those who read traces count by it.
func route(path string) string {
	rest, protocol := strings.CutPrefix(path, "/v2/")
	if !protocol {
		first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return "/" + first
	}
	for _, part := range []string{"/blobs/uploads/", "/blobs/", "/manifests/", "/tags/list", "/referrers/"} {
		if strings.Contains(rest, part) {
			return "/v2/…" + part
		}
	}
	return "/v2/"
}

// recorded is a span.Span.
type recorded struct {
	tracer trace.Tracer
	trace.Span
}

// Child implements span.Span.
func (r *recorded) Child(kind span.Kind, detail string) span.Span { return r.child(kind, detail) }

func (r *recorded) child(kind span.Kind, detail string) *recorded {
	first, rest, _ := strings.Cut(detail, " ")
	name, of, about := "db "+first, trace.SpanKindClient, attribute.String("db.query.text", detail)
	switch kind {
	case span.Store:
		name, of, about = "store "+first, trace.SpanKindInternal, attribute.String("cove.digest", rest)
	case span.Upstream:
		name, about = "upstream "+first, attribute.String("cove.asked", rest)
	}
	_, s := r.tracer.Start(trace.ContextWithSpan(context.Background(), r.Span), name, trace.WithSpanKind(of),
		trace.WithAttributes(about))
	return &recorded{r.tracer, s}
}

// End implements span.Span. That something is not there is an answer.
func (r *recorded) End(err error) {
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, context.Canceled) {
		r.RecordError(err)
		r.SetStatus(codes.Error, "")
	}
	r.Span.End()
}
