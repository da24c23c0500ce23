package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	fast "github.com/klauspost/compress/flate"
)

// inputs are what deflaters make different streams of.
func inputs() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	var words, skewed, near bytes.Buffer
	for words.Len() < 300_000 {
		fmt.Fprintf(&words, "word%d of %d\n", rng.IntN(5000), rng.IntN(7))
	}
	for skewed.Len() < 300_000 { // long codes: each byte is half as frequent as the one before
		n := 0
		for rng.IntN(2) == 0 {
			n++
		}
		skewed.WriteByte(byte(n))
	}
	for near.Len() < 300_000 { // matches at every small distance
		period := 1 + rng.IntN(20)
		piece := noise[rng.IntN(1000):][:period]
		near.Write(bytes.Repeat(piece, 1+rng.IntN(40)))
	}
	return map[string][]byte{
		"nothing": nil, "one": {7}, "zeros": make([]byte, 700_000), "noise": noise,
		"words": words.Bytes(), "skewed": skewed.Bytes(), "near": near.Bytes(),
		"mixed": append(append(bytes.Clone(noise[:70_000]), words.Bytes()[:70_000]...), noise[:50_000]...),
	}
}

// deflated are the streams that two libraries make of some bytes, at every level.
func deflated(tb testing.TB, data []byte) map[string][]byte {
	tb.Helper()
	streams := map[string][]byte{}
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		for _, library := range []string{"standard", "fast"} {
			var b bytes.Buffer
			var w io.WriteCloser
			var err error
			if library == "fast" {
				w, err = fast.NewWriter(&b, level)
			} else {
				w, err = flate.NewWriter(&b, level)
			}
			if err != nil {
				tb.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				tb.Fatal(err)
			}
			if err := w.Close(); err != nil {
				tb.Fatal(err)
			}
			streams[fmt.Sprintf("%s %d", library, level)] = b.Bytes()
		}
	}
	return streams
}

// TestInto: what deflaters made is unpacked again, also with bytes behind it, and into no
// other size than its own.
func TestInto(t *testing.T) {
	t.Parallel()
	for name, data := range inputs() {
		for how, stream := range deflated(t, data) {
			out := make([]byte, len(data))
			if n, ok := Into(out, stream); !ok || n != len(stream) || !bytes.Equal(out, data) {
				t.Fatalf("%s, %s: %v, %d of %d bytes read", name, how, ok, n, len(stream))
			}
			if n, ok := Into(out, append(bytes.Clone(stream), "what follows"...)); !ok || n != len(stream) {
				t.Errorf("%s, %s: with bytes behind: %v, %d of %d bytes read", name, how, ok, n, len(stream))
			}
			if _, ok := Into(make([]byte, len(data)+1), stream); ok {
				t.Errorf("%s, %s: more was unpacked than there is", name, how)
			}
			if _, ok := Into(out[:max(0, len(out)-1)], stream); ok && len(out) > 0 {
				t.Errorf("%s, %s: it was unpacked into too little", name, how)
			}
			for _, cut := range []int{0, 1, len(stream) / 2, len(stream) - 1} {
				if _, ok := Into(out, stream[:cut]); ok {
					t.Errorf("%s, %s: its first %d bytes are all of it", name, how, cut)
				}
			}
		}
	}
}

// TestManyBlocks are left to a reader: their tables would cost more than what is in them.
func TestManyBlocks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		blocks int
		ok     bool
	}{{50, true}, {few(1000) - 1, true}, {few(1000) + 1, false}} {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, 6)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 1000)
		for i := range data { // a flush is two blocks, one of them empty
			if _, err := w.Write(data[i : i+1]); err != nil {
				t.Fatal(err)
			}
			if 2*i < tc.blocks-2 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, ok := Into(data, b.Bytes()); ok != tc.ok {
			t.Errorf("%d blocks: %v", tc.blocks, ok)
		}
	}
}

// same holds one stream against the standard library: what this package unpacks, it
// unpacks to the same bytes from as many.
func same(t *testing.T, stream []byte, size int, mayRefuse bool) {
	t.Helper()
	src := bytes.NewReader(stream)
	want, err := io.ReadAll(io.LimitReader(flate.NewReader(src), int64(size)+1))
	out := make([]byte, size)
	n, ok := Into(out, stream)
	if whole := err == nil && len(want) == size; ok != whole && (!whole || !mayRefuse) {
		t.Errorf("unpacked: %v; the standard library has %d of %d bytes, %v", ok, len(want), size, err)
	} else if ok && (!bytes.Equal(out, want) || n != len(stream)-src.Len()) {
		t.Errorf("other bytes, of %d; the standard library read %d", n, len(stream)-src.Len())
	}
}

// TestDamaged: streams with some bits turned are refused, or are to both the same.
func TestDamaged(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, data := range inputs() {
		data = data[:min(len(data), 20_000)]
		for _, stream := range deflated(t, data) {
			for range 40 {
				bad := bytes.Clone(stream)
				for range 1 + rng.IntN(3) {
					at := rng.IntN(min(len(bad), 1+rng.IntN(len(bad))))
					bad[at] ^= 1 << rng.IntN(8)
				}
				same(t, bad, len(data), false)
			}
		}
	}
}

// TestBadCodes are refused: they are what a reader has to look for.
func TestBadCodes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lengths []uint8
		ok      bool
	}{
		"none":         {nil, true},
		"one":          {[]uint8{0, 1}, true},
		"one of two":   {[]uint8{2}, false},
		"too few":      {[]uint8{1, 2}, false},
		"too many":     {[]uint8{1, 1, 1}, false},
		"complete":     {[]uint8{1, 2, 2}, true},
		"the longest":  {[]uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15}, true},
		"long and few": {[]uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, false},
	} {
		var table [distanceSize]entry
		if ok := build(table[:], distanceBits, tc.lengths, said().distances[:]); ok != tc.ok {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

func FuzzInto(f *testing.F) {
	for _, data := range inputs() {
		for _, stream := range deflated(f, data[:min(len(data), 3000)]) {
			f.Add(stream, len(data))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 0 || size > 1<<22 {
			return
		}
		same(t, stream, size, len(stream)*8/10 >= few(size)) // of ten bits each
	})
}

func BenchmarkInto(b *testing.B) {
	for _, name := range []string{"words", "noise", "near"} {
		data := inputs()[name]
		stream := deflated(b, data)["fast 6"]
		out := make([]byte, len(data))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				Into(out, stream)
			}
		})
		b.Run(name+", read", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			r := fast.NewReader(nil)
			for b.Loop() {
				_ = r.(fast.Resetter).Reset(bytes.NewReader(stream), nil)
				if _, err := io.ReadFull(r, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
