package scope

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
)

// bus is a connection to the message bus of the system, as the D-Bus specification has it: of the
// protocol it has what one call and its answer take.
type bus struct {
	conn   net.Conn
	in     *bufio.Reader
	serial uint32
}

// patience bounds how long the bus and systemd may take.
const patience = 30 * time.Second

// dial connects to the bus at a socket as the user uid.
func dial(ctx context.Context, socket string, uid int) (*bus, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("the system's message bus: %w", err)
	}
	b := &bus{conn: conn, in: bufio.NewReader(conn)}
	if err := b.begin(uid); err != nil {
		conn.Close()
		return nil, fmt.Errorf("the system's message bus at %s: %w", socket, err)
	}
	return b, nil
}

func (b *bus) begin(uid int) error {
	if err := b.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	who := hex.EncodeToString([]byte(strconv.Itoa(uid)))
	if _, err := io.WriteString(b.conn, "\x00AUTH EXTERNAL "+who+"\r\n"); err != nil {
		return err
	}
	line, err := b.in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return errdefs.Errorf(errdefs.ErrDenied, "it does not let user %d in: %q", uid, strings.TrimSpace(line))
	}
	if _, err := io.WriteString(b.conn, "BEGIN\r\n"); err != nil {
		return err
	}
	const name = "org.freedesktop.DBus"
	return b.call(call{name, "/org/freedesktop/DBus", name, "Hello", "", nil})
}

// call is a method with its arguments, which have the types of the signature.
type call struct {
	destination, path, iface, member, signature string
	body                                        []byte
}

// Types of messages, and of fields of their headers.
const (
	methodCall, methodReturn, failure = 1, 2, 3

	fieldPath, fieldInterface, fieldMember, fieldError = 1, 2, 3, 4
	fieldReply, fieldDestination, fieldSignature       = 5, 6, 8
)

// call sends c and waits for the answer, of which only an error is of interest.
func (b *bus) call(c call) error {
	b.serial++
	if _, err := b.conn.Write(c.message(b.serial)); err != nil {
		return err
	}
	for {
		m, err := b.receive()
		if err != nil {
			return fmt.Errorf("%s: %w", c.member, err)
		}
		if m.reply != b.serial {
			continue // a signal, or what is of no call of ours
		}
		switch m.kind {
		case methodReturn:
			return nil
		case failure:
			return fmt.Errorf("%s: %s: %s", c.member, m.err, m.text)
		}
	}
}

func (c call) message(serial uint32) []byte {
	w := &writer{}
	w.b = append(w.b, 'l', methodCall, 0, 1)
	w.uint32(uint32(len(c.body)))
	w.uint32(serial)
	w.array(8, func() {
		for _, f := range []struct {
			code      byte
			signature string
			value     string
		}{
			{fieldPath, "o", c.path},
			{fieldInterface, "s", c.iface},
			{fieldMember, "s", c.member},
			{fieldDestination, "s", c.destination},
			{fieldSignature, "g", c.signature},
		} {
			if f.value == "" {
				continue
			}
			w.align(8)
			w.b = append(w.b, f.code)
			w.signature(f.signature)
			if f.signature == "g" {
				w.signature(f.value)
			} else {
				w.string(f.value)
			}
		}
	})
	w.align(8)
	return append(w.b, c.body...)
}

// message is what is of interest of one that came.
type message struct {
	kind  byte
	reply uint32
	err   string // the name of the error
	text  string // and what it says
}

// largest is how long a message may be; what systemd answers takes a few hundred bytes.
const largest = 1 << 20

func (b *bus) receive() (m message, err error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(b.in, head); err != nil {
		return m, err
	}
	if head[0] != 'l' && head[0] != 'B' {
		return m, errdefs.Errorf(errdefs.ErrCorrupt, "a message begins with %q", head[0])
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'B' {
		order = binary.BigEndian
	}
	body, fields := order.Uint32(head[4:]), order.Uint32(head[12:])
	if body > largest || fields > largest {
		return m, errdefs.Errorf(errdefs.ErrCorrupt, "a message of %d bytes", uint64(body)+uint64(fields))
	}
	rest := make([]byte, int(fields+7)&^7+int(body))
	if _, err := io.ReadFull(b.in, rest); err != nil {
		return m, err
	}
	m.kind = head[1]
	r := &reader{b: rest[:fields], order: order}
	textual := false
	for r.err == nil && r.at < len(r.b) {
		r.align(8)
		code := r.byte()
		switch signature := r.signature(); signature {
		case "u":
			n := r.uint32()
			if code == fieldReply {
				m.reply = n
			}
		case "s", "o":
			s := r.string()
			if code == fieldError {
				m.err = s
			}
		case "g":
			textual = strings.HasPrefix(r.signature(), "s")
		default:
			return m, errdefs.Errorf(errdefs.ErrCorrupt, "a header with a field of type %q", signature)
		}
	}
	if m.kind == failure && textual && r.err == nil {
		r = &reader{b: rest[len(rest)-int(body):], order: order}
		m.text = r.string()
	}
	return m, r.err
}

func (b *bus) close() { b.conn.Close() }
