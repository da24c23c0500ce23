package secret

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
)

// mask is what is shown in place of a secret.
const mask = "***"

// maskOf lists what is masked in the output of a command: each secret as it
// is, each of its lines, and its base64, whole and in the lines of the program
// of that name.
func maskOf(secrets map[string][]byte) [][]byte {
	var out [][]byte
	add := func(b []byte) {
		if b = bytes.TrimSpace(b); len(b) >= minSecret {
			out = append(out, b)
		}
	}
	for _, raw := range secrets {
		if len(bytes.TrimSpace(raw)) < minSecret {
			continue
		}
		add(raw)
		for line := range bytes.Lines(raw) {
			add(line)
		}
		for _, value := range [][]byte{raw, bytes.TrimSpace(raw)} {
			for _, encoding := range []*base64.Encoding{
				base64.StdEncoding, base64.RawStdEncoding,
				base64.RawURLEncoding,
			} {
				text := []byte(encoding.EncodeToString(value))
				add(text)
				for line := range slices.Chunk(text, base64Line) {
					add(line)
				}
			}
		}
	}
	// Where several begin, the longest counts.
	slices.SortFunc(out, func(a, b []byte) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return bytes.Compare(a, b)
	})
	return slices.CompactFunc(out, bytes.Equal)
}

// base64Line is how many letters base64 writes in a line.
const base64Line = 76

// Masker passes on what is written with every secret in it replaced. It holds
// back what a secret may have begun in until it knows; Flush ends that. Without
// secrets it changes nothing. It is not safe for concurrent use.
type Masker struct {
	to      io.Writer
	secrets [][]byte // see maskOf
	buf     []byte
}

// Masker returns one in front of to.
func (s Set) Masker(to io.Writer) *Masker { return &Masker{to: to, secrets: s.masked} }

// Write implements io.Writer.
func (m *Masker) Write(p []byte) (int, error) {
	if len(m.secrets) == 0 {
		return m.to.Write(p)
	}
	m.buf = append(m.buf, p...)
	return len(p), m.pass(false)
}

// Flush passes on what was held back: nothing more comes.
func (m *Masker) Flush() error { return m.pass(true) }

func (m *Masker) pass(all bool) error {
	var out []byte
	for len(m.buf) > 0 {
		at, secret := m.first()
		if begun := m.begun(); !all && begun <= at {
			out, m.buf = append(out, m.buf[:begun]...), m.buf[begun:]
			break
		}
		out = append(out, m.buf[:at]...)
		if secret != nil {
			out = append(out, mask...)
		}
		m.buf = m.buf[at+len(secret):]
	}
	m.buf = slices.Clone(m.buf)
	if len(out) == 0 {
		return nil
	}
	_, err := m.to.Write(out)
	return err
}

// first finds the first secret in the buffer, of several there the longest. It
// is the buffer's end and nil when there is none.
func (m *Masker) first() (at int, secret []byte) {
	at = len(m.buf)
	for _, s := range m.secrets {
		if i := bytes.Index(m.buf, s); i >= 0 && i < at {
			at, secret = i, s
		}
	}
	return at, secret
}

// begun is where the buffer's end may be the beginning of a secret: the first
// such place, or more than the buffer's length.
func (m *Masker) begun() int {
	first := len(m.buf) + 1
	for _, s := range m.secrets {
		for i := max(0, len(m.buf)-len(s)+1); i < min(first, len(m.buf)); i++ {
			if bytes.HasPrefix(s, m.buf[i:]) {
				first = i
				break
			}
		}
	}
	return first
}
