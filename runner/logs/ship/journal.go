package ship

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// journalSocket is where systemd-journald takes entries.
const journalSocket = "/run/systemd/journal/socket"

// journal sends entries in journald's native protocol.
type journal struct {
	conn  *net.UnixConn
	tag   string
	fixed []byte // the fields that all entries have
}

func openJournal(socket, tag string, c Container) (Shipper, error) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, errors.New("journald is not enabled on this host")
	}
	j := &journal{conn: conn, tag: tag}
	for _, f := range [][2]string{
		{"CONTAINER_ID", short(c.ID)},
		{"CONTAINER_ID_FULL", c.ID},
		{"CONTAINER_NAME", c.Name},
		{"CONTAINER_TAG", tag},
		{"IMAGE_NAME", c.Image},
		{"SYSLOG_IDENTIFIER", tag},
	} {
		j.fixed = appendField(j.fixed, f[0], []byte(f[1]))
	}
	for name, value := range c.Fields {
		if name = fieldName(name); name != "" {
			j.fixed = appendField(j.fixed, name, []byte(value))
		}
	}
	return j, nil
}

// Send implements Shipper.
func (j *journal) Send(m Message) error {
	severity := severityInfo
	if m.Stream == "stderr" {
		severity = severityError
	}
	b := appendField(bytes.Clone(j.fixed), "PRIORITY", []byte(strconv.Itoa(severity)))
	b = appendField(b, "SYSLOG_TIMESTAMP", []byte(m.Time.UTC().Format(time.RFC3339Nano)))
	if !m.Whole {
		b = appendField(b, "CONTAINER_PARTIAL_MESSAGE", []byte("true"))
	}
	b = appendField(b, "MESSAGE", m.Text)
	if _, err := j.conn.Write(b); err != nil {
		return fmt.Errorf("journald: %w", err)
	}
	return nil
}

// Close implements Shipper.
func (j *journal) Close() error { return j.conn.Close() }

// appendField writes NAME=VALUE, or with a newline in the value its length before it
// (systemd's "Native Journal Protocol").
func appendField(b []byte, name string, value []byte) []byte {
	b = append(b, name...)
	if !bytes.ContainsRune(value, '\n') {
		b = append(b, '=')
		b = append(b, value...)
		return append(b, '\n')
	}
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	b = append(b, value...)
	return append(b, '\n')
}

// fieldName is the name of a label or variable as the journal takes it: letters, digits
// and underscores, the first a letter. "" is one that it does not take.
func fieldName(name string) string {
	name = strings.ToUpper(name)
	name = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	name = strings.TrimLeft(name, "_0123456789")
	return name[:min(len(name), 64)]
}
