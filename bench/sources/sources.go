// Package sources makes the context of the build rows.
package sources

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// The context of the build rows: as many files, as large and as compressible as
// a checkout of the Go distribution, in two folders. They are made from a fixed
// seed, so that every run builds the same.
const (
	seed      = 1
	perFolder = 90 // files
	meanSize  = 17_700
)

var folders = []struct {
	name  string
	files int
}{{"src", 8_500}, {"pkg", 9_075}}

// Write makes it in dir, with the Dockerfile.
func Write(dir string) error {
	rng := rand.New(rand.NewPCG(seed, seed))
	text := sourceText(rng, 4<<20)
	for _, f := range folders {
		for i := range f.files {
			folder := filepath.Join(dir, f.name, fmt.Sprintf("%03d", i/perFolder))
			if i%perFolder == 0 {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					return err
				}
			}
			body := fmt.Appendf(nil, "// %s %d\n", f.name, i)
			for size := int(rng.ExpFloat64() * meanSize); len(body) < size; {
				from := rng.IntN(len(text) - 2048)
				body = append(body, text[from:from+min(2048, size-len(body))]...)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%d.go", i)), body, 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(Dockerfile), 0o644)
}

// sourceText is text that compresses about as well as source code: lines of
// words of which few are frequent, and of which some come again soon.
func sourceText(rng *rand.Rand, size int) []byte {
	words := make([][]byte, 4000)
	for i := range words {
		word := make([]byte, 3+rng.IntN(8))
		for j := range word {
			word[j] = 'a' + byte(rng.IntN(26))
		}
		words[i] = word
	}
	zipf := rand.NewZipf(rng, 1.1, 4, uint64(len(words)-1))
	var b bytes.Buffer
	var recent [64][]byte // lines
	for b.Len() < size {
		at := rng.IntN(len(recent))
		if rng.IntN(3) > 0 || recent[at] == nil {
			line := []byte("\n\t\t\t"[:1+rng.IntN(4)])
			for range 2 + rng.IntN(8) {
				line = append(line, words[zipf.Uint64()]...)
				line = append(line, " .(),="[rng.IntN(6)])
			}
			recent[at] = line
		}
		b.Write(recent[at])
	}
	return b.Bytes()
}
