// Package listening has the HTTP servers of a registry, which no client holds for long.
package listening

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits are what a server allows.
type Limits struct {
	Stall   time.Duration // how long a client may send or take nothing
	Headers int           // bytes of a request's header
}

// Server is one that answers on a listener.
type Server struct {
	HTTP  *http.Server
	Serve func() error // until Shutdown
}

// HTTP is a server that no client holds for long by doing nothing: whatever state a
// connection is in, it is gone after twice the stall.
func (l Limits) HTTP(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: l.Stall, // of a TLS handshake too, for which two thousand at once need their time
		IdleTimeout:       l.Stall,
		MaxHeaderBytes:    2 * l.Headers, // what is less is refused with a reason
		// net/http answers "OPTIONS *" past the handler, and waits for its body for ever.
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: l.Stall, SendPingTimeout: l.Stall / 2, PingTimeout: l.Stall / 2,
			MaxConcurrentStreams: 100,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes that strangers broke off
	}
}

// On is a server on a listener, with TLS if it has a configuration of it.
func On(l net.Listener, s *http.Server) Server {
	if s.TLSConfig != nil {
		return Server{s, func() error { return s.ServeTLS(l, "", "") }}
	}
	return Server{s, func() error { return s.Serve(l) }}
}

// Stop has servers take no more requests, and waits for the running ones for so long.
func Stop(all []Server, patience time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, s := range all {
		if err := s.HTTP.Shutdown(ctx); err != nil {
			log.Warn("requests were still running and are cut off", "error", err)
			_ = s.HTTP.Close() // they end with their connections
		}
	}
}
