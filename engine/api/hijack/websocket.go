package hijack

import (
	"bufio"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/websocket"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/errdefs"
)

// Socket makes a websocket of the connection of a request and has it used: each frame
// is some bytes of the stream, whose output and errors are one. A request that asks for
// no websocket is errdefs.ErrInvalid; one of a page of another origin, which a browser
// would send with a person's certificate, errdefs.ErrDenied.
func Socket(w http.ResponseWriter, r *route.Request, use func(*Stream)) error {
	if r.Header.Get("Sec-Websocket-Key") == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "this is for websockets: the request asks for none")
	}
	if origin := r.Header.Get("Origin"); origin != "" && !ofSocket(r) {
		if from, err := url.Parse(origin); err != nil || from.Host != r.Host {
			return errdefs.Errorf(errdefs.ErrDenied, "a page of %s may not open websockets to %s", origin, r.Host)
		}
	}
	used := false
	websocket.Server{Handler: func(ws *websocket.Conn) {
		used = true
		_ = ws.SetDeadline(time.Time{}) // that of reading the headers; a connection that is gone fails below
		ws.PayloadType = websocket.BinaryFrame
		use(newStream(ws, bufio.NewReader(ws), true))
	}}.ServeHTTP(w, r.Request)
	if !used {
		return wire.ErrCut // it has said why
	}
	return nil
}

// ofSocket reports whether a request came by a Unix socket, which no page can reach.
func ofSocket(r *route.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && at.Network() == "unix"
}
