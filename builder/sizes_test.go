package builder

import (
	"testing"

	"cove/layers"
)

// TestLayersKnowTheSizesOfTheirFiles: whether a layer was unpacked, packed only or
// both, and with a secret that makes each be searched.
func TestLayersKnowTheSizesOfTheirFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"five": "12345", "dir/seven": "1234567"})
	for what, change := range map[string]func(*Request){
		"plain":    func(*Request) {},
		"searched": func(r *Request) { r.Secrets = map[string][]byte{"s": []byte("a secret value")}; r.NoCache = true },
	} {
		b := w.must("FROM base\nCOPY five /\nRUN write /a abc\nRUN rm /bin/sh\nCOPY dir /dir\nWORKDIR /new/dir\nCOPY five /six\n", change)
		ids := b.config.RootFS.DiffIDs
		chain := layers.ChainID(ids[0])
		for i, want := range []int64{5, 3, 0, 7, 0, 5} {
			chain = chain.Append(layers.DiffID(ids[i+1]))
			if n, err := w.snaps.Size(t.Context(), string(chain)); err != nil || n != want {
				t.Errorf("%s: layer %d has files of %d bytes, %v; want %d", what, i+1, n, err, want)
			}
		}
	}
}
