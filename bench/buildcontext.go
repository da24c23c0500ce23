package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// The context of the build rows: as many files, as large and as compressible as
// a checkout of the Go distribution, in two folders. They are made from a fixed
// seed, so that every run builds the same.
const (
	contextSeed = 1
	perFolder   = 90 // files
	meanSize    = 17_700
)

var contextFolders = []struct {
	name  string
	files int
}{{"src", 8_500}, {"pkg", 9_075}}

// dockerfile has three stages of which two are independent, large COPYs from
// the context and from stages, and a RUN in each stage.
const dockerfile = `FROM base AS one
COPY src /src
RUN find /src -type f | wc -l > /count
FROM base AS two
COPY . /all
RUN ls -R /all > /list
FROM base
COPY --from=one /src /usr/local/src
COPY --from=two /all /usr/local/all
RUN touch /done
`

// single is an image of one large layer.
const single = `FROM scratch
COPY . /
`

// buildContext needs the context, in $WORK/ctx.
var buildContext = need{"the build context", func(ctx context.Context, tb *testbed) error {
	dir := filepath.Join(tb.work, "ctx")
	if err := writeContext(dir); err != nil {
		return err
	}
	if err := write("single.Dockerfile", single)(ctx, tb); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644)
}}

func writeContext(dir string) error {
	rng := rand.New(rand.NewPCG(contextSeed, contextSeed))
	text := sourceText(rng, 4<<20)
	for _, f := range contextFolders {
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
	return nil
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
