package ship

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"cove/errdefs"
)

// The formats of syslog-format; "" is that of a local socket, which names no host.
const (
	rfc3164      = "rfc3164"
	rfc5424      = "rfc5424"
	rfc5424micro = "rfc5424micro"
)

// facilities are docker's and syslog(3)'s, by number.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// The severities of the streams (RFC 5424, 6.2.1).
const (
	severityError = 3
	severityInfo  = 6
)

// daemon is the facility without another.
const daemon = 3

// localSockets are where a syslog server of this host listens.
var localSockets = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

const (
	// DialPatience is how long a server may take to be there.
	DialPatience  = 5 * time.Second
	writePatience = 10 * time.Second
	// redialAfter is how long nothing is sent to a server that could not be reached, so
	// that a container is not slowed down by it.
	redialAfter = time.Second
)

// syslogger sends to one server, again if a connection ended.
type syslogger struct {
	network, address string // "" is a socket of this host
	facility         int
	format           string
	secure           []string // how TLS is spoken, nil without it
	tag, host        string
	conn             net.Conn
	failed           time.Time
}

// CheckSyslog reads the options of the driver; the errors say, in docker's words, what is
// wrong with them.
func CheckSyslog(options map[string]string) error {
	_, err := newSyslog(options)
	return err
}

func newSyslog(options map[string]string) (*syslogger, error) {
	s := &syslogger{facility: daemon, format: options["syslog-format"]}
	switch s.format {
	case "", rfc3164, rfc5424, rfc5424micro:
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"log option syslog-format=%s: want rfc3164, rfc5424 or rfc5424micro", s.format)
	}
	if name := options["syslog-facility"]; name != "" {
		if s.facility = facility(name); s.facility < 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"log option syslog-facility: invalid syslog facility %q", name)
		}
	}
	address := options["syslog-address"]
	if address == "" {
		return s, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "log option syslog-address: %w", err)
	}
	switch s.network, s.address = u.Scheme, u.Path; u.Scheme {
	case "unix", "unixgram":
		if s.address == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "log option syslog-address=%s: want unix:///PATH", address)
		}
	case "tcp", "udp", overTLS:
		port := u.Port()
		if port == "" {
			port = "514"
		}
		if s.address = net.JoinHostPort(u.Hostname(), port); u.Hostname() == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"log option syslog-address=%s: want %s://HOST[:PORT]", address, u.Scheme)
		}
		if u.Scheme == overTLS {
			s.secure, err = secured(options)
		}
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"log option syslog-address: unsupported scheme: %q; want udp, tcp, tcp+tls, unix or unixgram", u.Scheme)
	}
	return s, err
}

func facility(name string) int {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(facilities) {
		return n
	}
	for n, known := range facilities {
		if known == name && name != "" {
			return n
		}
	}
	return -1
}

func openSyslog(options map[string]string, tag string) (Shipper, error) {
	s, err := newSyslog(options)
	if err != nil {
		return nil, err
	}
	s.tag, s.host = tag, hostname()
	return s, s.dial()
}

func (s *syslogger) dial() (err error) {
	if s.network == overTLS {
		s.conn, err = dialSecure(append(s.secure, s.address))
		return err
	}
	dialer := net.Dialer{Timeout: DialPatience}
	if s.network != "" {
		if s.conn, err = dialer.Dial(s.network, s.address); err == nil || s.network != "unix" {
			return err
		}
		s.conn, err = dialer.Dial("unixgram", s.address) // docker's unix:// is either
		return err
	}
	for _, path := range localSockets {
		for _, network := range []string{"unixgram", "unix"} {
			if s.conn, err = dialer.Dial(network, path); err == nil {
				return nil
			}
		}
	}
	return errors.New("syslog: there is no server on this host: nobody listens at /dev/log")
}

// Send implements Shipper.
func (s *syslogger) Send(m Message) error {
	text := s.encode(m)
	if s.conn != nil {
		if s.write(text) == nil {
			return nil
		}
		s.conn.Close()
		s.conn = nil
	}
	if time.Since(s.failed) < redialAfter {
		return fmt.Errorf("syslog: the server is not reached: %w", os.ErrDeadlineExceeded)
	}
	err := s.dial()
	if err == nil {
		err = s.write(text)
	}
	if err != nil {
		s.failed = time.Now()
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}

func (s *syslogger) write(text []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	_, err := s.conn.Write(text)
	return err
}

// encode writes a message as its format has it, with the newline that ends it on a
// stream (RFC 6587, 3.4.2); where TLS carries RFC 5424 it has its length before it
// instead (RFC 5425, 4.3).
func (s *syslogger) encode(m Message) []byte {
	severity := severityInfo
	if m.Stream == "stderr" {
		severity = severityError
	}
	b := fmt.Appendf(nil, "<%d>", s.facility<<3|severity)
	pid := os.Getpid()
	switch s.format {
	case rfc3164:
		b = fmt.Appendf(b, "%s %s %s[%d]: ", m.Time.Local().Format(time.Stamp), s.host, s.tag, pid)
	case rfc5424, rfc5424micro:
		layout := time.RFC3339
		if s.format == rfc5424micro {
			layout = "2006-01-02T15:04:05.000000Z07:00"
		}
		b = fmt.Appendf(b, "1 %s %s %s %d %s - ", m.Time.Local().Format(layout), s.host, s.tag, pid, s.tag)
	default:
		b = fmt.Appendf(b, "%s %s[%d]: ", m.Time.Local().Format(time.Stamp), s.tag, pid)
	}
	b = append(b, m.Text...)
	if s.network == overTLS && (s.format == rfc5424 || s.format == rfc5424micro) {
		return append(fmt.Appendf(nil, "%d ", len(b)), b...)
	}
	return append(b, '\n')
}

// Close implements Shipper.
func (s *syslogger) Close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}
