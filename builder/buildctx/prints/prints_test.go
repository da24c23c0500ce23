package prints

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// text is a file of so many bytes, of which one is turned.
func text(size, turned int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	if turned >= 0 {
		b[turned] ^= 1
	}
	return b
}

func digest(t *testing.T, h *Hasher, data []byte) {
	t.Helper()
	if d, err := h.Digest(bytes.NewReader(data), int64(len(data))); err != nil || d != sha256.Sum256(data) {
		t.Errorf("%d bytes: another digest, %v", len(data), err)
	}
}

func hasher(t *testing.T, p *Prints) *Hasher {
	t.Helper()
	h, err := p.Hasher()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestDigest: each file has its SHA-256, whatever was seen before: nothing, itself, or
// another of its size that differs in one bit, also behind the first part.
func TestDigest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "prints")
	var files [][]byte
	for _, size := range []int{0, 1, least - 1, least, 5000, part - 1, part, part + 1, 3*part + 17} {
		files = append(files, text(size, -1))
		if size > 0 {
			files = append(files, text(size, size-1), text(size, size/2))
		}
	}
	for range 3 {
		p := Open(path)
		h := hasher(t, p)
		for _, f := range files {
			digest(t, h, f)
			digest(t, h, f)
		}
		if err := p.Save(); err != nil {
			t.Fatal(err)
		}
	}
	digest(t, hasher(t, nil), files[3])
	if err := (*Prints)(nil).Save(); err != nil {
		t.Error(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
}

// counted counts how much is read of a file.
type counted struct {
	io.ReadSeeker
	n int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadSeeker.Read(b)
	c.n += n
	return n, err
}

// TestKnown: a file that is known is found by its print, without its digest being made;
// another of its size is read again only where it does not fit into memory.
func TestKnown(t *testing.T) {
	t.Parallel()
	p := Open(filepath.Join(t.TempDir(), "prints"))
	small, large := text(9000, -1), text(2*part, -1)
	h := hasher(t, p)
	digest(t, h, small)
	digest(t, h, large)
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	p = Open(p.path)
	h = hasher(t, p)
	for _, data := range [][]byte{small, large} {
		shown, _, err := h.read(bytes.NewReader(data), int64(len(data)), nil, true)
		if d, ok := p.get(int64(len(data)), shown); !ok || err != nil || d != sha256.Sum256(data) {
			t.Errorf("%d bytes are not known: %v", len(data), err)
		}
	}
	for _, tc := range []struct {
		data []byte
		read int
	}{{large, 2 * part}, {text(2*part, 7), 4 * part}, {text(9000, 7), 9000}} {
		c := &counted{ReadSeeker: bytes.NewReader(tc.data)}
		if _, err := h.Digest(c, int64(len(tc.data))); err != nil || c.n != tc.read {
			t.Errorf("%d bytes are read of %d, not %d: %v", c.n, len(tc.data), tc.read, err)
		}
	}
}

// TestFilesThatChange: one that is shorter than it was, or cannot be read, is remembered
// as nothing.
func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	p := Open(filepath.Join(t.TempDir(), "prints"))
	h := hasher(t, p)
	data := text(9000, -1)
	if d, err := h.Digest(bytes.NewReader(data[:8000]), 9000); err != nil || d != sha256.Sum256(data[:8000]) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := h.Digest(failing{broken}, 9000); !errors.Is(err, broken) {
		t.Error(err)
	}
	if len(p.fresh) > 0 {
		t.Errorf("%d are remembered", len(p.fresh))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)       { return 0, f.err }
func (f failing) Seek(int64, int) (int64, error) { return 0, f.err }

// TestDamagedFile: what cannot be what was written is as good as none, and is written anew.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prints")
	p := Open(path)
	digest(t, hasher(t, p), text(9000, -1))
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"a bit": func() []byte { b := bytes.Clone(good); b[len(b)/2] ^= 4; return b }(),
		"cut":   good[:len(good)-1], "empty": nil, "other": []byte("something else"), "magic alone": []byte(magic),
	} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		p := Open(path)
		h := hasher(t, p)
		if p.has(9000) {
			t.Errorf("%s: it is believed", name)
		}
		digest(t, h, text(9000, -1))
		if err := p.Save(); err != nil {
			t.Error(err)
		}
		if again := Open(path); len(again.old) != 0 || again.key == p.key {
			t.Error("it was read before anybody asked")
		} else if hasher(t, again); !again.has(9000) {
			t.Errorf("%s: nothing was kept", name)
		}
	}
}

// TestAtOnce: several goroutines of one build, with one save.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	p := Open(filepath.Join(t.TempDir(), "prints"))
	var all sync.WaitGroup
	for i := range 8 {
		h := hasher(t, p)
		all.Go(func() {
			for k := range 50 {
				digest(t, h, text(least+i%3+k, k))
			}
		})
	}
	all.Wait()
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkDigest(b *testing.B) {
	data := text(17_700, -1)
	for name, p := range map[string]*Prints{"known": Open(filepath.Join(b.TempDir(), "prints")), "hashed": nil} {
		h, err := p.Hasher()
		if err != nil {
			b.Fatal(err)
		}
		if p != nil {
			if _, err := h.Digest(bytes.NewReader(data), int64(len(data))); err != nil {
				b.Fatal(err)
			}
			if err := p.Save(); err != nil {
				b.Fatal(err)
			}
			p = Open(p.path)
			if h, err = p.Hasher(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, _ = h.Digest(bytes.NewReader(data), int64(len(data)))
			}
		})
	}
}
