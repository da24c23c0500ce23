package manifest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// TestBodiesThatCostMoreThanTheyWeigh refuses them for little memory.
func TestBodiesThatCostMoreThanTheyWeigh(t *testing.T) {
	layer := func(i int) string {
		return fmt.Sprintf(`{"mediaType":"a/b","digest":"sha256:%064x","size":1}`, i)
	}
	image := func(layers string) string {
		return `{"schemaVersion":2,"config":` + layer(0) + `,"layers":[` + layers + `]}`
	}
	many := make([]string, 24_000)
	for i := range many {
		many[i] = layer(i)
	}
	keys := make([]string, 300_000)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"%d":""`, i)
	}
	for name, body := range map[string]string{
		"empty layers":   image("{}" + strings.Repeat(",{}", 1_300_000)),
		"null layers":    image("null" + strings.Repeat(",null", 800_000)),
		"unknown layers": image(strings.Join(many, ",")),
		"deep lists":     image(strings.Repeat("[", 2<<20)),
		"deep objects":   `{"annotations":` + strings.Repeat(`{"a":`, 500_000),
		"many keys":      `{"schemaVersion":2,"annotations":{` + strings.Join(keys, ",") + `}}`,
	} {
		raw := []byte(body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(ocispec.MediaTypeImageManifest, raw)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: refused for %d bytes of memory", name, got)
		}
	}
	if _, err := Parse(ocispec.MediaTypeImageManifest, []byte(image(strings.Join(many[:5_000], ",")))); err != nil {
		t.Errorf("5,000 layers: %v", err)
	}
	odd := `{"schemaVersion":2,"annotations":{"a\\\"[{":"` + strings.Repeat(`{[,:\"`, 100_000) + `"},"config":` + layer(0) + `,"layers":[]}`
	if _, err := Parse(ocispec.MediaTypeImageManifest, []byte(odd)); err != nil {
		t.Errorf("brackets in strings: %v", err)
	}
	for _, cut := range []string{`"`, `"\`, `{"a\`, `"a\\`} {
		if _, err := Parse("", []byte(cut)); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", cut, err)
		}
	}
}
