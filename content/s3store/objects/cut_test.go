package objects_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"
	"time"

	"cove/content/contenttest"
	"cove/content/s3store/s3test"
)

// TestCutOff has a request cut off in the middle of an object's bytes, as of a server that is
// killed: what was there before stays, and is whole.
func TestCutOff(t *testing.T) {
	t.Parallel()
	b := s3test.Start(t).Bucket(t)
	body := contenttest.Bytes(8, 2<<20)
	sum := sha256.Sum256(body)
	put := func(ctx context.Context, from io.ReadSeeker) error {
		return b.PutWhole(ctx, "key", from, int64(len(body)), hex.EncodeToString(sum[:]))
	}
	if err := put(t.Context(), bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(t.Context())
	if err := put(ctx, &halting{Reader: bytes.NewReader(body), at: 1 << 20, then: cut}); err == nil {
		t.Error("it was put")
	}
	for range 20 { // the service may hear of it late
		o, err := b.Stat(t.Context(), "key")
		if err != nil || o.Size != int64(len(body)) {
			t.Fatalf("%d bytes are left of %d, %v", o.Size, len(body), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	other := append([]byte("x"), body[1:]...)
	if err := put(t.Context(), bytes.NewReader(other)); err == nil {
		t.Error("other bytes were put")
	}
	if got, err := b.Open(t.Context(), "key"); err != nil {
		t.Error(err)
	} else if all, err := io.ReadAll(io.NewSectionReader(got, 0, got.Size())); err != nil || !bytes.Equal(all, body) {
		t.Errorf("it holds %d other bytes, %v", len(all), err)
	}
}

// halting is a body in whose middle the request ends.
type halting struct {
	*bytes.Reader
	at   int
	then func()
}

func (h *halting) Read(p []byte) (int, error) {
	if read := int(h.Size()) - h.Len(); read >= h.at {
		time.Sleep(200 * time.Millisecond) // what was sent before has come
		h.then()
		return 0, io.ErrUnexpectedEOF
	}
	return h.Reader.Read(p[:min(len(p), 64<<10)])
}

// WriteTo is not that of the reader within.
func (h *halting) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{h}) }
