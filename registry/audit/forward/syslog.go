package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/outbound"
)

// sender gives lines to a receiver: all of them, or an error, after which they come again.
type sender interface {
	send(ctx context.Context, lines []audit.Event) error
	close()
}

// timeout bounds how long a receiver may take.
const timeout = 10 * time.Second

// syslog sends messages of RFC 5424: one in each datagram (RFC 5426), or over TCP and TLS
// with their length before them (RFC 6587, RFC 5425).
type syslog struct {
	scheme, address, host string
	tls                   *tls.Config
	dial                  outbound.Dial
	conn                  net.Conn
}

const (
	// Facility 13 is the log audit (RFC 5424, 6.2.1).
	facility = 13
	notice   = 5
	warning  = 4
	// largest is what every receiver of datagrams should take (RFC 5424, 6.1).
	largest = 2048
)

func (s *syslog) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network := "tcp"
	if s.scheme == overUDP {
		network = "udp"
	}
	conn, err := s.dial(ctx, network, s.address)
	if err != nil || s.scheme != overTLS {
		s.conn = conn
		return err
	}
	secured := tls.Client(conn, s.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return errors.Join(err, conn.Close())
	}
	s.conn = secured
	return nil
}

// gone says whether the receiver has closed the connection: what is written into one is
// lost without an error.
func (s *syslog) gone() bool {
	if s.scheme == overUDP {
		return false
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return true
	}
	_, err := s.conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func (s *syslog) send(ctx context.Context, lines []audit.Event) (err error) {
	if s.conn != nil && s.gone() {
		s.close()
	}
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "syslog %s: %w", s.address, err)
		}
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	for _, e := range lines {
		text := message(e, s.host)
		if s.scheme == overUDP {
			text = cut(text, largest)
		} else {
			text = strconv.Itoa(len(text)) + " " + text
		}
		if _, err := s.conn.Write([]byte(text)); err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "syslog %s: %w", s.address, err)
		}
	}
	return nil
}

func (s *syslog) close() {
	if s.conn != nil {
		_ = s.conn.Close() // it has failed, or nothing more is sent
		s.conn = nil
	}
}

// cut shortens a text to whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// message is a line as RFC 5424 has it.
func message(e audit.Event, host string) string {
	severity := notice
	if strings.HasSuffix(e.Action, ".refused") {
		severity = warning
	}
	var b strings.Builder
	b.WriteString("<" + strconv.Itoa(facility*8+severity) + ">1 ")
	b.WriteString(e.At.UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	b.WriteString(" " + word(host, 255) + " cove-registry - " + word(e.Action, 32) + " [audit@32473") // RFC 5612
	for _, p := range [][2]string{
		{"id", strconv.FormatInt(e.ID, 10)},
		{"actor", e.Actor},
		{"action", e.Action},
		{"object", e.Object},
		{"detail", e.Detail},
		{"address", e.Address},
	} {
		if p[1] != "" {
			b.WriteString(" " + p[0] + `="` + escaped.Replace(strings.ToValidUTF8(p[1], "?")) + `"`)
		}
	}
	b.WriteString("] " + plain(e.Action+" "+e.Object))
	if e.Actor != "" {
		b.WriteString(" by " + plain(e.Actor))
	}
	return b.String()
}

// escaped are the three characters of values that stand for something (RFC 5424, 6.3.3).
// A line's end stays one of the value's, but would begin another message elsewhere.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`, "\n", " ", "\r", " ")

func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// word is a text of printable ASCII without spaces; "-" for none.
func word(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}
