// Package ship sends what a container prints elsewhere, line by line: to a syslog
// server (RFC 3164 and 5424, by UDP, TCP, TLS or a socket of this host), or to the
// journal of systemd. Options and defaults are docker's.
package ship

import (
	"os"
	"strings"
	"time"

	"cove/errdefs"
)

// The drivers.
const (
	Syslog   = "syslog"
	Journald = "journald"
)

// Message is one line, or a part of a long one.
type Message struct {
	Stream string // stdout or stderr
	Text   []byte // without its newline
	Whole  bool   // it ended in one
	Time   time.Time
}

// Container is whose lines they are.
type Container struct {
	ID, Name       string
	Image, ImageID string
	// Fields are its labels and variables that are sent too.
	Fields map[string]string
}

// Shipper sends messages; an error is of this one alone.
type Shipper interface {
	Send(m Message) error
	Close() error
}

// Open connects to where a driver's options say. What is not there is
// errdefs.ErrUnavailable.
func Open(driver string, options map[string]string, c Container) (Shipper, error) {
	tag, err := Tag(options["tag"], c)
	if err != nil {
		return nil, err
	}
	var s Shipper
	if driver == Journald {
		s, err = openJournal(journalSocket, tag, c)
	} else {
		s, err = openSyslog(options, tag)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "failed to initialize logging driver: %w", err)
	}
	if options["mode"] == NonBlocking {
		return Queued(s, BufferSize(options)), nil
	}
	return s, nil
}

// shortID is how long ids are in tags.
const shortID = 12

// Tag writes what messages are marked by: docker's template, of which there are the
// fields of the container and no functions. "" is the short id.
func Tag(template string, c Container) (string, error) {
	if template == "" {
		template = "{{.ID}}"
	}
	image := c.ImageID[strings.IndexByte(c.ImageID, ':')+1:]
	fields := map[string]string{
		".ID": short(c.ID), ".FullID": c.ID, ".Name": c.Name,
		".ImageID": short(image), ".ImageFullID": c.ImageID, ".ImageName": c.Image, ".DaemonName": "cove",
	}
	var out strings.Builder
	for rest := template; ; {
		before, after, found := strings.Cut(rest, "{{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		field, behind, closed := strings.Cut(after, "}}")
		value, ok := fields[strings.TrimSpace(field)]
		if !closed || !ok {
			return "", errdefs.Errorf(errdefs.ErrInvalid, "log option tag=%s: want text with {{.ID}}, {{.FullID}}, {{.Name}}, "+
				"{{.ImageID}}, {{.ImageFullID}}, {{.ImageName}} or {{.DaemonName}}", template)
		}
		out.WriteString(value)
		rest = behind
	}
}

func short(id string) string { return id[:min(len(id), shortID)] }

// hostname is this machine's, which syslog names.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
