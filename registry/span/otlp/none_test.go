//go:build !otel

package otlp_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"cove/registry/span/otlp"
)

// TestNone: who wants traces of a registry that sends none is told.
func TestNone(t *testing.T) {
	for endpoint, want := range map[string]bool{"": false, "http://collector:4318": true} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
		var log bytes.Buffer
		l := slog.New(slog.NewTextHandler(&log, nil))
		tracer, err := otlp.New(t.Context(), "registry", l)
		otlp.End(tracer, l)
		if tracer != nil || err != nil || strings.Contains(log.String(), "registry-otel") != want {
			t.Errorf("%q: %v, %v\n%s", endpoint, tracer, err, &log)
		}
	}
}
