package route

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// conn is the key of a connection in a context.
type conn struct{}

// WithConn is an http.Server's ConnContext: it lets Caller know whose a request is.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, conn{}, c)
}

// Caller tells apart who asks: the user at the other end of a socket, or the certificate of a
// client over TCP. It is "" of a connection that is neither, whose callers are not to be told
// apart; a user in a container is the one of the host. It is to be asked within a request, when
// certificates have been shown.
func Caller(ctx context.Context) string {
	switch c := ctx.Value(conn{}).(type) {
	case *tls.Conn:
		if shown := c.ConnectionState().PeerCertificates; len(shown) > 0 {
			sum := sha256.Sum256(shown[0].Raw)
			return "certificate " + hex.EncodeToString(sum[:])
		}
	case *net.UnixConn:
		raw, err := c.SyscallConn()
		if err != nil {
			return ""
		}
		var peer *unix.Ucred
		var askErr error
		err = raw.Control(func(fd uintptr) {
			peer, askErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		})
		if err == nil && askErr == nil {
			return "user " + strconv.FormatUint(uint64(peer.Uid), 10)
		}
	}
	return ""
}

// Socket is where a connection arrived, "" if nobody knows.
func Socket(ctx context.Context) string {
	if c, ok := ctx.Value(conn{}).(net.Conn); ok {
		return c.LocalAddr().String()
	}
	return ""
}
