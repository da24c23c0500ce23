package linked

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"cove/errdefs"
	"cove/layers/compress/codec"
)

// TestLinked: importing the package is enough, and each library reads what its pair wrote.
func TestLinked(t *testing.T) {
	t.Parallel()
	libs, err := codec.Linked()
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("layer "), 1<<18) // more than the window below
	for name, c := range map[string]struct {
		pack   func(io.Writer, int) (io.WriteCloser, error)
		unpack func(io.Reader) (io.Reader, error)
	}{
		"gzip": {libs.Gzip, func(r io.Reader) (io.Reader, error) { zr := libs.Gunzip(); return zr, zr.Reset(r) }},
		"zstd": {libs.Zstd, func(r io.Reader) (io.Reader, error) { return libs.Unzstd(r, 0) }},
	} {
		var packed bytes.Buffer
		w, err := c.pack(&packed, 1)
		if err == nil {
			_, err = w.Write(text)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := c.unpack(&packed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	var packed bytes.Buffer
	w, err := libs.Zstd(&packed, 4)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := libs.Unzstd(&packed, 1<<10)
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("a window beyond the limit: %v", err)
	}
}
