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
		"zstd": {frames(libs), func(r io.Reader) (io.Reader, error) { return libs.Unzstd(r, 0) }},
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
	frame, err := libs.ZstdFrame(text, nil, 4)
	if err != nil {
		t.Fatal(err)
	}
	packed.Write(frame)
	if got, err := libs.UnzstdFrame(frame, nil); err != nil || !bytes.Equal(got, text) {
		t.Errorf("a frame: %d bytes, %v", len(got), err)
	}
	if got, err := libs.UnzstdFrame(frame[:len(frame)-5], nil); err == nil {
		t.Errorf("a frame that is cut: %d bytes", len(got))
	}
	r, err := libs.Unzstd(&packed, 1<<10)
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("a window beyond the limit: %v", err)
	}
}

// frames writes a frame for each Write.
func frames(libs *codec.Libraries) func(io.Writer, int) (io.WriteCloser, error) {
	return func(w io.Writer, level int) (io.WriteCloser, error) { return frameWriter{w, libs, level}, nil }
}

type frameWriter struct {
	io.Writer
	libs  *codec.Libraries
	level int
}

func (f frameWriter) Write(p []byte) (int, error) {
	frame, err := f.libs.ZstdFrame(p, nil, f.level)
	if err == nil {
		_, err = f.Writer.Write(frame)
	}
	return len(p), err
}

func (frameWriter) Close() error { return nil }
