package attach

import (
	"bytes"
	"io"

	"cove/errdefs"
)

// ErrDetached is the end that the detach keys ask for.
var ErrDetached = errdefs.Errorf(errdefs.ErrConflict, "detached")

// detacher watches for the detach keys in what passes. Keys that came so far
// are held back until they are complete, or turn out to be something else.
type detacher struct {
	r    io.Reader
	keys []byte
	held int // how many of keys were read and not passed on
}

// NewDetacher reads from r until the keys come, which is ErrDetached. Without
// keys they never do.
func NewDetacher(r io.Reader, keys []byte) io.Reader { return &detacher{r: r, keys: keys} }

func (d *detacher) Read(p []byte) (int, error) {
	if len(d.keys) == 0 {
		return d.r.Read(p)
	}
	// Room for what is held back, should it not be the keys after all.
	buf := make([]byte, max(1, len(p)-len(d.keys)))
	n, err := d.r.Read(buf)
	out := p[:0]
	for _, b := range buf[:n] {
		if b == d.keys[d.held] {
			if d.held++; d.held == len(d.keys) {
				return len(out), ErrDetached
			}
			continue
		}
		out = append(out, d.keys[:d.held]...)
		if d.held = 0; b == d.keys[0] {
			d.held = 1
			continue
		}
		out = append(out, b)
	}
	if err != nil {
		out, d.held = append(out, d.keys[:d.held]...), 0
	}
	return len(out), err
}

// ParseKeys reads docker's form: "ctrl-p,ctrl-q", "a,ctrl-[".
func ParseKeys(text string) ([]byte, error) {
	var keys []byte
	for _, key := range bytes.Split([]byte(text), []byte{','}) {
		c, ctrl := bytes.CutPrefix(key, []byte("ctrl-"))
		switch {
		case ctrl && len(c) == 1 && c[0] >= 'a' && c[0] <= 'z':
			keys = append(keys, c[0]-'a'+1)
		case ctrl && len(c) == 1 && c[0] >= '@' && c[0] <= '_':
			keys = append(keys, c[0]-'@')
		case !ctrl && len(key) == 1:
			keys = append(keys, key[0])
		default:
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"%q: want single characters and ctrl-KEY, a letter or one of @[\\]^_, parted by commas", text)
		}
	}
	return keys, nil
}
