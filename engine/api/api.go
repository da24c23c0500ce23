// Package api is docker's Engine API over an engine: an adapter that owns nothing.
// Containers live under their monitors and what is known of them on disk, so this may
// be ended at any moment, and started again, while they run on. What it keeps in
// memory is what belongs to a connection: an attach that waits for a start, an exec
// that was made and not started yet.
package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"cove/engine"
	"cove/engine/api/build"
	"cove/engine/api/buildkit"
	"cove/engine/api/containers"
	"cove/engine/api/images"
	"cove/engine/api/networks"
	"cove/engine/api/route"
	"cove/engine/api/system"
	"cove/engine/api/volumes"
	"cove/engine/api/wire"
)

// Table is every route of the API, over an engine, until life ends, for whoever has
// access.
func Table(life context.Context, e *engine.Engine, access *route.Access) []route.Route {
	kit := buildkit.New(buildkit.Config{Engine: e, Access: access})
	return slices.Concat(
		system.Of(e).Routes(),
		containers.Of(life, e).Routes(),
		images.Of(e).Routes(),
		networks.Of(e).Routes(),
		volumes.Of(e).Routes(),
		kit.Routes(), build.Of(e, kit).Routes(),
	)
}

// Handler serves the API of an engine to whoever has access, until life ends.
func Handler(life context.Context, e *engine.Engine, access *route.Access) http.Handler {
	return route.NewMux(Table(life, e, access), engine.Version().Version, access)
}

// headerTimeout is how long a client may take to say what it wants: connections that
// say nothing do not add up.
const headerTimeout = 30 * time.Second

// Serve answers on the listeners until the context ends, or an Idle handler has been
// idle. What is being answered when the context ends is cut off: containers do not
// notice. Nothing is being answered when an Idle ends it, and who comes at that moment
// is answered still.
func Serve(ctx context.Context, h http.Handler, listeners ...net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // clients of BuildKit begin with it
	srv := &http.Server{
		Handler: h, Protocols: protocols, ReadHeaderTimeout: headerTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx }, ConnContext: route.WithConn,
	}
	var done chan struct{}
	idle, _ := h.(*Idle)
	if idle != nil {
		srv.ConnState, done = idle.connState, idle.done
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- srv.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
		err = http.ErrServerClosed
	case <-done:
		err = srv.Shutdown(ctx)
		idle.finish(ctx)
	case err = <-ended:
	}
	for _, l := range listeners {
		l.Close() // the server knows those alone that it began to serve
	}
	if err = errors.Join(srv.Close(), err); errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		err = nil
	}
	return err
}

// Newest is the newest version that is served.
func Newest() string { return wire.Newest.String() }
