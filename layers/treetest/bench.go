package treetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// System returns an archive of about size bytes that is like /usr/lib: many
// small files and a few large ones, which compress about three to one.
func System(t testing.TB, size int) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	words := make([][]byte, 3000)
	for i := range words {
		w := make([]byte, 2+r.IntN(12))
		for j := range w {
			w[j] = byte(r.Uint32())
		}
		words[i] = w
	}
	var pool bytes.Buffer
	for pool.Len() < 16<<20 {
		pool.Write(words[int(float64(len(words))*r.Float64()*r.Float64()*r.Float64())])
	}
	data := pool.Bytes()
	var b bytes.Buffer
	b.Grow(size + size/20)
	tw := tar.NewWriter(&b)
	for i := 0; b.Len() < size; i++ {
		dir := fmt.Sprintf("usr/lib/pkg%03d", i/40)
		if i%40 == 0 {
			writeEntry(t, tw, Dir(dir), nil)
		}
		n := 200 + r.IntN(1+1<<(5+r.IntN(11)))
		if i%97 == 0 {
			n = 1<<20 + r.IntN(4<<20)
		}
		off := r.IntN(len(data) - n)
		writeEntry(t, tw, File(fmt.Sprintf("%s/file%05d.so", dir, i), ""), data[off:off+n])
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeEntry(t testing.TB, tw *tar.Writer, e Entry, body []byte) {
	h := e.header()
	h.Size = int64(len(body))
	if err := tw.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(body); err != nil {
		t.Fatal(err)
	}
}
