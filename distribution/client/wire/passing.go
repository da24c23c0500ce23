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
// cut the line. What a peer says clearly, a name that does not exist and a
// certificate that is refused are no better the second time.
func Passing(err error) bool {
	var never *firstContact
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &never), errors.As(err, &record), errors.As(err, &dns) && dns.IsNotFound, isCertificate(err):
		return false
	case errors.Is(err, errdefs.ErrUnavailable):
		return true
	case errdefs.KindOf(err) != nil:
		return false
	}
	return cutOff(err)
}

// cutOff says that the line broke, or nothing came over it in time.
func cutOff(err error) bool {
	var op *net.OpError
	var timeout net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &op) || errors.As(err, &timeout) && timeout.Timeout()
}

// firstContact is the failure to reach a registry that was never reached: it
// is likelier misspelt than down for a moment.
type firstContact struct{ error }

func (e *firstContact) Unwrap() error { return e.error }
