package compress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"cove/errdefs"
	_ "cove/layers/compress/codec/linked"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample returns n bytes that compress about as binaries do.
func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 4000)
	for i := range words {
		w := make([]byte, 3+r.IntN(20))
		for j := range w {
			w[j] = byte(r.IntN(256))
		}
		words[i] = w
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.Write(words[int(float64(len(words))*r.Float64()*r.Float64())])
	}
	return b.Bytes()[:n]
}

func pack(t *testing.T, data []byte, opt Options, cut func() int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, opt)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(cut(), len(data))
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func whole() int { return 1 << 30 }

func unpack(data io.Reader, lim Limits) ([]byte, Compression, error) {
	r, err := NewReader(context.Background(), data, lim)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return b, r.Compression, err
}

func TestRoundTrip(t *testing.T) {
	sizes := []int{0, 1, 511, chunkSize, chunkSize + 1, gzipBlock - 1, gzipBlock, gzipBlock + 1, zstdBlock - 1, zstdBlock, zstdBlock + 7}
	for _, c := range []Compression{None, Gzip, Zstd} {
		for _, n := range sizes {
			data := sample(n)
			packed := pack(t, data, Options{Compression: c}, whole)
			got, found, err := unpack(bytes.NewReader(packed), Limits{})
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes: %d bytes back, %v", c, n, len(got), err)
			}
			// zstd writes nothing at all for an empty input.
			if found != c && n > 0 {
				t.Errorf("%s, %d bytes: found %s", c, n, found)
			}
		}
	}
}

// The bytes of a layer must not depend on the machine: not on its cores, not
// on who else compresses, not on how the walk cut its writes.
func TestDeterministic(t *testing.T) {
	data := sample(2<<20 + 123)
	r := rand.New(rand.NewPCG(3, 4))
	busy := NewWorkers(2)
	busy.take(2)
	for _, c := range []Compression{Gzip, Zstd} {
		want := digest.FromBytes(pack(t, data, Options{Compression: c}, whole))
		variants := map[string]func() []byte{
			"cut":  func() []byte { return pack(t, data, Options{Compression: c}, func() int { return 1 + r.IntN(300000) }) },
			"busy": func() []byte { return pack(t, data, Options{Compression: c, Workers: busy}, whole) },
			"one core": func() []byte {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				return pack(t, data, Options{Compression: c}, whole)
			},
			"many cores": func() []byte {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16))
				return pack(t, data, Options{Compression: c, Workers: NewWorkers(0)}, func() int { return 4096 })
			},
		}
		for name, f := range variants {
			if got := digest.FromBytes(f()); got != want {
				t.Errorf("%s, %s: %s, want %s", c, name, got, want)
			}
		}
	}
}

func TestForeignPackers(t *testing.T) {
	data := sample(300 << 10)
	for _, tool := range []struct {
		cmd  string
		want Compression
	}{{"gzip", Gzip}, {"bzip2", Bzip2}, {"xz", Xz}, {"zstd", Zstd}} {
		t.Run(tool.cmd, func(t *testing.T) {
			if _, err := exec.LookPath(tool.cmd); err != nil {
				t.Skipf("needs %s: not installed", tool.cmd)
			}
			cmd := exec.CommandContext(t.Context(), tool.cmd, "-c")
			cmd.Stdin = bytes.NewReader(data)
			packed, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got, found, err := unpack(bytes.NewReader(packed), Limits{})
			if err != nil || found != tool.want || !bytes.Equal(got, data) {
				t.Errorf("found %s, %d bytes, %v", found, len(got), err)
			}
			for _, cut := range []int{10, len(packed) / 2, len(packed) - 1} {
				if _, _, err := unpack(bytes.NewReader(packed[:cut]), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
					t.Errorf("cut at %d: %v, want ErrCorrupt", cut, err)
				}
			}
		})
	}
}

// A plain tar begins with the name of its first file.
func TestDetectATarOfOddNames(t *testing.T) {
	for _, head := range []string{"BZh", "BZhash", "BZh91B", "BZh01A", "BZ", "", "(\xb5/"} {
		if got := Detect([]byte(head)); got != None {
			t.Errorf("%q is %s", head, got)
		}
	}
	for _, head := range []string{"BZh91AY&SY", "BZh1\x17rE8P\x90"} {
		if got := Detect([]byte(head)); got != Bzip2 {
			t.Errorf("%q is %s", head, got)
		}
	}
}

func TestDamage(t *testing.T) {
	data := sample(1200 << 10)
	for _, c := range []Compression{Gzip, Zstd} {
		packed := pack(t, data, Options{Compression: c}, whole)
		for _, cut := range []int{HeadSize, 20, len(packed) / 2, len(packed) - 1} {
			if _, _, err := unpack(bytes.NewReader(packed[:cut]), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
				t.Errorf("%s cut at %d: %v, want ErrCorrupt", c, cut, err)
			}
		}
		flipped := bytes.Clone(packed)
		flipped[len(flipped)/2] ^= 0x10
		if _, _, err := unpack(bytes.NewReader(flipped), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%s with a flipped bit: %v, want ErrCorrupt", c, err)
		}
		// A broken connection is not a damaged layer.
		broken := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(io.ErrNoProgress))
		if _, _, err := unpack(broken, Limits{}); !errors.Is(err, io.ErrNoProgress) || errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%s from a broken reader: %v", c, err)
		}
	}
}

func TestBombs(t *testing.T) {
	zeros := make([]byte, 8<<20)
	for _, c := range []Compression{Gzip, Zstd} {
		bomb := pack(t, zeros, Options{Compression: c}, whole)
		for name, lim := range map[string]Limits{
			"bytes": {Bytes: 1 << 20},
			"ratio": {Ratio: 20, RatioAfter: 1 << 20},
		} {
			got, _, err := unpack(bytes.NewReader(bomb), lim)
			if !errors.Is(err, errdefs.ErrExhausted) || len(got) > 4<<20 {
				t.Errorf("%s, %s: %v after %d bytes, want ErrExhausted", c, name, err, len(got))
			}
		}
		if _, _, err := unpack(bytes.NewReader(bomb), Limits{}); err != nil {
			t.Errorf("%s: 8 MiB of zeros are no bomb: %v", c, err)
		}
	}
	// A frame whose header asks for a window of 2 GiB.
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00}
	if _, _, err := unpack(bytes.NewReader(window), Limits{}); !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("window of 2 GiB: %v, want ErrExhausted", err)
	}
}

func TestXzDictionary(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("needs xz: not installed")
	}
	for dict, kind := range map[string]error{"1MiB": nil, "512MiB": errdefs.ErrExhausted} {
		cmd := exec.CommandContext(t.Context(), "xz", "-c", "-0", "--lzma2=preset=0,dict="+dict)
		cmd.Stdin = bytes.NewReader(sample(1000))
		packed, err := cmd.Output()
		if err != nil {
			t.Skipf("needs xz with memory for %s: %v", dict, err)
		}
		if _, _, err := unpack(bytes.NewReader(packed), Limits{}); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", dict, err, kind)
		}
	}
}

// Close must end the goroutine whatever it was doing; goleak looks after.
func TestCloseEarly(t *testing.T) {
	packed := pack(t, sample(2<<20), Options{}, whole)
	for _, read := range []int{0, 1, chunkSize, 3 * chunkSize} {
		r, err := NewReader(t.Context(), bytes.NewReader(packed), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(read)); err != nil {
			t.Fatal(err)
		}
		r.Close()
		r.Close()
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	_ = pw.Close()
	r, err := NewReader(ctx, io.MultiReader(bytes.NewReader(make([]byte, 2*chunkSize)), pr), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	time.Sleep(time.Millisecond)
	if _, err := io.ReadAll(r); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled or a stream that was complete already", err)
	}
}

// failing takes n bytes and no more.
type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// A full disk must not leave goroutines behind; goleak looks after.
func TestWriterFails(t *testing.T) {
	data := sample(2 << 20)
	for _, c := range []Compression{Gzip, Zstd, None} {
		for _, n := range []int{0, 100, 300 << 10} {
			w, err := NewWriter(&failing{n}, Options{Compression: c})
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(data)
			if err = errors.Join(err, w.Close()); !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("%s after %d bytes: %v", c, n, err)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for _, opt := range []Options{{Compression: Xz}, {Compression: "lzma"}} {
		if _, err := NewWriter(io.Discard, opt); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%+v: %v, want ErrUnsupported", opt, err)
		}
	}
	for _, opt := range []Options{{Level: 10}, {Level: -1}, {Compression: Zstd, Level: 5}} {
		if _, err := NewWriter(io.Discard, opt); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", opt, err)
		}
	}
	a, _ := NewWriter(io.Discard, Options{Level: 1})
	b, _ := NewWriter(io.Discard, Options{})
	if a.Compressor() == b.Compressor() {
		t.Errorf("two levels have one name %q", a.Compressor())
	}
	if _, err := Xz.MediaType(); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("media type of xz: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range []Compression{None, Gzip, Zstd} {
		var b bytes.Buffer
		w, _ := NewWriter(&b, Options{Compression: c})
		_, _ = w.Write([]byte("seed seed seed"))
		_ = w.Close()
		f.Add(b.Bytes())
	}
	f.Add([]byte("BZh91AY&SY"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, _, err := unpack(bytes.NewReader(data), Limits{Bytes: 8 << 20, Window: 8 << 20})
		if err == nil && len(out) > 8<<20 {
			t.Fatalf("%d bytes came out", len(out))
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	data := sample(64 << 20)
	for _, opt := range []Options{{Level: 1}, {Level: 3}, {Level: 5}, {Level: 6}, {Compression: Zstd, Level: 1}, {Compression: Zstd}} {
		w, _ := NewWriter(io.Discard, opt)
		b.Run(w.Compressor(), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				var out bytes.Buffer
				w, _ := NewWriter(&out, opt)
				_, _ = w.Write(data)
				_ = w.Close()
				b.ReportMetric(float64(out.Len())/float64(len(data)), "ratio")
			}
		})
	}
}
