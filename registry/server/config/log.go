package config

import (
	"io"
	"log/slog"

	"cove/errdefs"
)

// MinLevel is the lowest level that is logged.
func (l Log) MinLevel() (level slog.Level, err error) {
	if l.Level != "" && level.UnmarshalText([]byte(l.Level)) != nil {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "config: log: level %q; use debug, info, warn or error", l.Level)
	}
	return level, nil
}

// Handler is the slog handler that the configuration asks for, of what level lets
// through.
func (l Log) Handler(w io.Writer, level slog.Leveler) (slog.Handler, error) {
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
