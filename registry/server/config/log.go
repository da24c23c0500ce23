package config

import (
	"io"
	"log/slog"

	"cove/errdefs"
)

// Handler is the slog handler that the configuration asks for.
func (l Log) Handler(w io.Writer) (slog.Handler, error) {
	var level slog.Level
	if l.Level != "" {
		if err := level.UnmarshalText([]byte(l.Level)); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "config: log: level %q; use debug, info, warn or error",
				l.Level)
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch l.Format {
	case "", "text":
		return slog.NewTextHandler(w, opts), nil
	case "json":
		return slog.NewJSONHandler(w, opts), nil
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "config: log: format %q; use text or json", l.Format)
	}
}
