package spans

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a body, of which at most limit spans may be open at once.
type served struct {
	bytes        []byte
	open, most   atomic.Int32
	opened, fail atomic.Int32 // fail: the opening that breaks, from 1
}

func serve(n int) *served {
	s := &served{bytes: make([]byte, n)}
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(s.bytes)
	return s
}

var errBroken = errors.New("broken")

func (s *served) Open(ctx context.Context, from, until int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := s.open.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	var r io.Reader = bytes.NewReader(s.bytes[from:until])
	if s.opened.Add(1) == s.fail.Load() {
		r = io.MultiReader(io.LimitReader(r, 1000), iotest.ErrReader(errBroken))
	}
	return &body{r, s}, nil
}

type body struct {
	io.Reader
	of *served
}

func (b *body) Close() error {
	b.of.open.Add(-1)
	return nil
}

func (s *served) reader(t *testing.T, from int64, slots Slots) *Reader {
	t.Helper()
	first, err := s.Open(t.Context(), from, from+Size)
	if err != nil {
		t.Fatal(err)
	}
	return NewReader(t.Context(), first, Config{From: from, End: int64(len(s.bytes)), Open: s.Open, Slots: slots})
}

// TestInOrder: the bytes are those of one body, from anywhere on, and no more spans are
// on their way than there are slots.
func TestInOrder(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{0, 2, 8} {
		s := serve(3*Size + 12345)
		for _, from := range []int64{0, 777} {
			r := s.reader(t, from, NewSlots(slots))
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, s.bytes[from:]) {
				t.Errorf("%d slots, from %d: %d bytes, %v", slots, from, len(got), err)
			}
			if err := r.Close(); err != nil || len(r.cfg.Slots) != 0 {
				t.Errorf("%d slots: %v, %d are held", slots, err, len(r.cfg.Slots))
			}
		}
		if s.open.Load() != 0 || int(s.most.Load()) > min(slots, ahead)+1 {
			t.Errorf("%d slots: %d bodies at once, %d left open", slots, s.most.Load(), s.open.Load())
		}
	}
}

// TestTwoShareSlots: a reader that nobody reads keeps its slots, and the other gets to
// its end all the same.
func TestTwoShareSlots(t *testing.T) {
	t.Parallel()
	s, slots := serve(4*Size), NewSlots(2)
	idle := s.reader(t, 0, slots)
	r := s.reader(t, 0, slots)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, s.bytes) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := errors.Join(r.Close(), idle.Close()); err != nil || len(slots) != 0 {
		t.Errorf("%v, %d slots are held", err, len(slots))
	}
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reading what is closed: %v", err)
	}
}

// TestBroken: what came before a failure is read, and then the failure, again and again.
func TestBroken(t *testing.T) {
	t.Parallel()
	for fail := range int32(4) {
		s := serve(4 * Size)
		s.fail.Store(fail + 1)
		r := s.reader(t, 0, NewSlots(3))
		got, err := io.ReadAll(r)
		if !errors.Is(err, errBroken) || !bytes.HasPrefix(s.bytes, got) || len(got)%Size != 1000 {
			t.Errorf("opening %d: %d bytes, %v", fail+1, len(got), err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, errBroken) {
			t.Errorf("opening %d, read again: %v", fail+1, err)
		}
		if err := r.Close(); err != nil || len(r.cfg.Slots) != 0 || s.open.Load() != 0 {
			t.Errorf("opening %d: %v, %d slots, %d bodies", fail+1, err, len(r.cfg.Slots), s.open.Load())
		}
	}
}

// TestShort: a body that ends before its span does is no end of the whole.
func TestShort(t *testing.T) {
	t.Parallel()
	open := func(context.Context, int64, int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(make([]byte, 5))), nil
	}
	first, _ := open(t.Context(), 0, 0)
	r := NewReader(t.Context(), first, Config{End: 2 * Size, Open: open, Slots: NewSlots(1)})
	if got, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 5 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_ = r.Close()
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	for v, want := range map[string][2]int64{
		"bytes 5-9/20": {5, 20}, "bytes 5-9/*": {5, -1}, "bytes */20": {-1, 20}, "": {-1, -1}, "rubbish": {-1, -1},
	} {
		if start, total := ContentRange(v); start != want[0] || total != want[1] {
			t.Errorf("%q: %d, %d", v, start, total)
		}
	}
}
