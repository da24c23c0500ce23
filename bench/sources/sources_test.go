package sources

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestContextIsTheSameEachTimeAndCompressesLikeSource(t *testing.T) {
	text := sourceText(rand.New(rand.NewPCG(seed, seed)), 1<<20)
	if !bytes.Equal(text, sourceText(rand.New(rand.NewPCG(seed, seed)), 1<<20)) {
		t.Error("two texts of one seed differ")
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(len(text)) / float64(b.Len()); ratio < 2.5 || ratio > 5 {
		t.Errorf("compresses to 1/%.1f", ratio)
	}
}

// TestSteps counts what the rows are called by.
func TestSteps(t *testing.T) {
	text := Steps(1000)
	if n := strings.Count(text, "\n"); n < 1000 || n > 1100 {
		t.Errorf("%d instructions, want about 1,000", n)
	}
	if n := strings.Count(Stages(100), "FROM base"); n != 100 {
		t.Errorf("%d stages", n)
	}
}
