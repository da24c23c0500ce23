package unpack_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/snapshot"
	"cove/layers/snapshot/native"
	tt "cove/layers/treetest"
	"cove/layers/unpack"
)

// bomb writes a layer that is larger than it looks.
type bomb struct {
	name  string
	write func(w io.Writer) error
	lim   archive.Limits
	zlim  compress.Limits
	kind  error
}

func entries(n int, each func(i int) tt.Entry) func(io.Writer) error {
	return func(w io.Writer) error {
		tw := tar.NewWriter(w)
		for i := range n {
			e := each(i)
			e.Mode, e.Size = 0o644, int64(len(e.Body))
			if e.Typeflag == 0 {
				e.Typeflag = tar.TypeReg
			}
			if err := tw.WriteHeader(&e.Header); err != nil {
				return err
			}
			if _, err := io.WriteString(tw, e.Body); err != nil {
				return err
			}
		}
		return tw.Close()
	}
}

func sparse(size string) tt.Entry {
	return tt.Entry{Header: tar.Header{Name: "sparse", PAXRecords: map[string]string{
		"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "sparse",
		"GNU.sparse.size": size, "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,5",
	}}, Body: "owned"}
}

func raw(entries ...tt.Entry) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(tt.Raw(entries...))
		return err
	}
}

var bombs = []bomb{
	{
		name: "a million entries", kind: errdefs.ErrExhausted, lim: archive.Limits{Entries: 2000},
		write: entries(1_000_000, func(i int) tt.Entry { return tt.File(strconv.Itoa(i), "") }),
	},
	{
		name: "a million names for one file", kind: errdefs.ErrExhausted, lim: archive.Limits{Entries: 2000},
		write: entries(1_000_000, func(i int) tt.Entry {
			if i == 0 {
				return tt.File("f", "")
			}
			return tt.Link(strconv.Itoa(i), "f")
		}),
	},
	{
		name: "many large files", kind: errdefs.ErrExhausted, lim: archive.Limits{Bytes: 8 << 20},
		write: entries(10_000, func(i int) tt.Entry { return tt.File(strconv.Itoa(i), strings.Repeat("x", 1<<20)) }),
	},
	{
		name: "one name, again and again", kind: errdefs.ErrExhausted, lim: archive.Limits{Entries: 2000},
		write: entries(1_000_000, func(i int) tt.Entry { return tt.File("f", "x") }),
	},
	{
		name: "whiteouts without end", kind: errdefs.ErrExhausted, lim: archive.Limits{Entries: 2000},
		write: entries(1_000_000, func(i int) tt.Entry { return tt.File(fmt.Sprintf(".wh.%d", i), "") }),
	},
	{name: "8 EiB sparse", kind: errdefs.ErrExhausted, write: raw(sparse("9223372036854775807"))},
	{name: "sparse, twice the limit", kind: errdefs.ErrExhausted, lim: archive.Limits{Bytes: 1 << 30}, write: raw(sparse("2147483648"))},
	{
		name: "sizes that overflow together", kind: errdefs.ErrExhausted, lim: archive.Limits{Bytes: -1},
		write: raw(sparse("9223372036854775807"), sparse("9223372036854775807")),
	},
	{
		name: "zeros, 1000:1", kind: errdefs.ErrExhausted, zlim: compress.Limits{Ratio: 100, RatioAfter: 1 << 20},
		write: entries(64, func(i int) tt.Entry { return tt.File(strconv.Itoa(i), strings.Repeat("\x00", 1<<20)) }),
	},
	{
		name: "zeros after the end", kind: errdefs.ErrExhausted, zlim: compress.Limits{Bytes: 4 << 20},
		write: func(w io.Writer) error {
			zeros := make([]byte, 1<<20)
			for range 64 {
				if _, err := w.Write(zeros); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{name: "deep as the sea", kind: errdefs.ErrExhausted, write: raw(tt.File(strings.Repeat("d/", 2000)+"f", ""))},
	{name: "a name of a megabyte", write: raw(tt.File(strings.Repeat("d", 1<<20), "")), kind: errdefs.ErrInvalid},
	{
		name: "attributes of 3 MiB", kind: errdefs.ErrInvalid,
		write: raw(tt.Entry{Header: tar.Header{Name: "f", PAXRecords: map[string]string{archive.XattrPrefix + "user.a": strings.Repeat("x", 3<<20)}}}),
	},
}

// T21: each stops at its limit, keeps nothing, and costs little memory.
func TestBombs(t *testing.T) {
	for _, c := range []compress.Compression{compress.Gzip, compress.Zstd, compress.None} {
		for _, b := range bombs {
			if c == compress.None && b.zlim.Ratio != 0 {
				continue
			}
			t.Run(string(c)+" "+b.name, func(t *testing.T) {
				t.Parallel()
				s, err := native.New(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				explode(t, s, c, b)
			})
		}
	}
	t.Cleanup(func() {
		if peak := peakRSS(t); peak > 256<<10 && !raceEnabled {
			t.Errorf("bombs took %d KiB of memory", peak)
		}
	})
}

func explode(t *testing.T, s snapshot.Snapshotter, c compress.Compression, b bomb) {
	u := unpacker(s)
	u.Archive.Limits, u.Compress = b.lim, b.zlim
	open := func(context.Context, int) (io.ReadCloser, error) {
		pr, pw := io.Pipe()
		go func() {
			zw, err := compress.NewWriter(pw, compress.Options{Compression: c, Level: 1})
			if err == nil {
				err = errors.Join(b.write(zw), zw.Close())
			}
			pw.CloseWithError(err)
		}()
		return pr, nil
	}
	err := u.Unpack(t.Context(), []layers.Layer{{DiffID: "sha256:0"}}, unpack.Open(open))
	if !errors.Is(err, b.kind) {
		t.Errorf("%v, want %v", err, b.kind)
	}
	if n, _ := keys(t, s); n != 0 {
		t.Errorf("%d snapshots were kept", n)
	}
}

// peakRSS is in KiB.
func peakRSS(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
