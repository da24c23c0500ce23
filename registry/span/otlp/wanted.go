package otlp

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"cove/registry/span"
)

// Tracer makes spans of requests, and sends them. Close it.
type Tracer interface {
	// Begin begins the span of a request, within that of the client if it names one
	// (traceparent). The request that it returns has the span; done ends it. Of a request
	// it takes method, path and addresses only: queries and headers may hold secrets.
	Begin(r *http.Request) (_ *http.Request, done func(status int, sent int64))
	// Work begins the span of what no request asked for, in a trace of its own.
	span.Beginner
	// Close sends what is left, as long as ctx lets it.
	Close(ctx context.Context) error
}

// wanted says that OpenTelemetry's variables name a collector.
func wanted() bool {
	return os.Getenv("OTEL_SDK_DISABLED") != "true" &&
		(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "")
}

// lastOnes bounds how long a stop waits for the collector.
const lastOnes = 5 * time.Second

// End closes a Tracer, also none.
func End(t Tracer, log *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastOnes)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.WarnContext(ctx, "the last traces were not taken", "error", err)
	}
}
