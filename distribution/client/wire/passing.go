package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"

	"cove/errdefs"
)

// Passing says that the same call may work later: the peer was away, busy, or
// cut the line.
func Passing(err error) bool {
	var never *firstContact
	if errors.As(err, &never) {
		return false
	}
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errdefs.ErrUnavailable):
		return true
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	case errors.As(err, &record):
		return false
	}
	return errors.As(err, &op)
}

// firstContact is the failure to reach a registry that was never reached: it
// is likelier misspelt than down for a moment.
type firstContact struct{ error }

func (e *firstContact) Unwrap() error { return e.error }
