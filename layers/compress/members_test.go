package compress

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"testing"

	stdgzip "compress/gzip"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"cove/errdefs"
)

// TestMembersAreGzipForEveryone: tools that know nothing of the field unpack the same,
// and find nothing wrong.
func TestMembersAreGzipForEveryone(t *testing.T) {
	t.Parallel()
	data := sample(3<<20 + 77)
	packed := pack(t, data, Options{}, whole)
	if memberSize(packed) == 0 {
		t.Fatal("a long layer has no members")
	}
	zr, err := stdgzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(zr); err != nil || !bytes.Equal(got, data) {
		t.Errorf("compress/gzip: %d bytes, %v", len(got), err)
	}
	for _, args := range [][]string{
		{"gzip", "-t"},
		{"gzip", "-dc"},
		{"busybox", "gzip", "-dc"},
		{"python3", "-c", "import gzip,sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))"},
		{"node", "-e", "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(0)))"},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Logf("%s is not installed", args[0])
			continue
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Stdin = bytes.NewReader(packed)
		got, err := cmd.Output()
		if err != nil || args[1] != "-t" && !bytes.Equal(got, data) {
			t.Errorf("%v: %d bytes, %v", args, len(got), err)
		}
	}
}

// TestMembersAndWhatFollows: streams of others, members, and both after another.
func TestMembersAndWhatFollows(t *testing.T) {
	t.Parallel()
	long, short := sample(2<<20+5), sample(1000)
	var other bytes.Buffer
	zw := pgzip.NewWriter(&other)
	if _, err := zw.Write(long); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	members, plain := pack(t, long, Options{}, whole), pack(t, short, Options{}, whole)
	for name, c := range map[string]struct{ in, want [][]byte }{
		"other":         {[][]byte{other.Bytes()}, [][]byte{long}},
		"members twice": {[][]byte{members, members}, [][]byte{long, long}},
		"then short":    {[][]byte{members, plain}, [][]byte{long, short}},
		"then other":    {[][]byte{members, other.Bytes()}, [][]byte{long, long}},
		"other first":   {[][]byte{other.Bytes(), members}, [][]byte{long, long}},
	} {
		got, _, err := unpack(bytes.NewReader(bytes.Join(c.in, nil)), Limits{})
		if err != nil || !bytes.Equal(got, bytes.Join(c.want, nil)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, _, err := unpack(bytes.NewReader(append(bytes.Clone(members), "rubbish"...)), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("rubbish after the members: %v", err)
	}
}

// TestLyingMembers: a length that is not the member's is damage, whatever it is, and never
// other bytes than everybody else reads.
func TestLyingMembers(t *testing.T) {
	t.Parallel()
	data := sample(2<<20 + 5)
	good := pack(t, data, Options{}, whole)
	first := memberSize(good)
	second := memberSize(good[first:])
	for name, n := range map[string]int{
		"one less": first - 1, "one more": first + 1, "two in one": first + second, "longer than all": len(good) + 1,
		"the header alone": memberHeader + 9,
	} {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad[16:], uint32(n))
		if got, _, err := unpack(bytes.NewReader(bad), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, n := range map[string]uint32{"none": 0, "senseless": 1 << 31, "too long": maxMember + 1} {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad[16:], n)
		if got, _, err := unpack(bytes.NewReader(bad), Limits{}); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s is no hint, and the stream is right: %d bytes, %v", name, len(got), err)
		}
	}
	for name, size := range map[string]uint32{"less": gzipBlock - 1, "more": gzipBlock + 1, "a bomb": 1 << 31} {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad[first-4:], size)
		if _, _, err := unpack(bytes.NewReader(bad), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("unpacked size, %s: %v", name, err)
		}
	}
}

// TestDeclaredSizeOfLies: it is a hint, and must end.
func TestDeclaredSizeOfLies(t *testing.T) {
	t.Parallel()
	good := pack(t, sample(2<<20+5), Options{}, whole)
	if got := DeclaredSize(bytes.NewReader(good), int64(len(good))); got != 2<<20+5 {
		t.Errorf("%d", got)
	}
	bad := append(bytes.Clone(good), "rubbish"...)
	if got := DeclaredSize(bytes.NewReader(bad), int64(len(bad))); got != 0 {
		t.Errorf("%d", got)
	}
	if got := DeclaredSize(bytes.NewReader(good[:100]), 100); got != 0 {
		t.Errorf("%d", got)
	}
}

// TestMembersAreBounded by the limits of what comes out, as any stream is.
func TestMembersAreBounded(t *testing.T) {
	t.Parallel()
	bomb := pack(t, make([]byte, 64<<20), Options{}, whole)
	got, _, err := unpack(bytes.NewReader(bomb), Limits{Bytes: 3 << 20})
	if !errors.Is(err, errdefs.ErrExhausted) || len(got) > 4<<20 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := NewReader(ctx, bytes.NewReader(bomb), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkInflate holds members against the one stream that others write.
func BenchmarkInflate(b *testing.B) {
	data := sample(32 << 20)
	var gzipStream, zstdStream bytes.Buffer
	zw, err := pgzip.NewWriterLevel(&gzipStream, defaultGzipLevel)
	if err != nil {
		b.Fatal(err)
	}
	sw, err := zstd.NewWriter(&zstdStream)
	if err != nil {
		b.Fatal(err)
	}
	in := map[string]*bytes.Buffer{"gzip stream": &gzipStream, "zstd stream": &zstdStream}
	to := []io.WriteCloser{zw, sw}
	for _, c := range []Compression{Gzip, Zstd} {
		var buf bytes.Buffer
		w, err := NewWriter(&buf, Options{Compression: c})
		if err != nil {
			b.Fatal(err)
		}
		in[string(c)+" members"] = &buf
		to = append(to, w)
	}
	for _, to := range to {
		_, _ = to.Write(data)
		_ = to.Close()
	}
	for name, in := range in {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, err := NewReader(b.Context(), bytes.NewReader(in.Bytes()), Limits{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
			b.ReportMetric(float64(in.Len())/float64(len(data)), "ratio")
		})
	}
}
