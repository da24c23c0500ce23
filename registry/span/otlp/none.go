//go:build !otel

package otlp

import (
	"context"
	"log/slog"
)

// New returns no Tracer, and says so to who asks for one.
func New(ctx context.Context, _ string, log *slog.Logger) (Tracer, error) {
	if wanted() {
		log.WarnContext(ctx, "OTEL_EXPORTER_OTLP_ENDPOINT is set, and this registry sends no traces: "+
			"build it with the tag otel (make registry-otel)")
	}
	return nil, nil //nolint:nilnil // none is what there is
}
