package builder

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/layers"
)

// earlyStore is an exporter that is told of layers while others are made.
type earlyStore struct {
	export.Store
	mu      sync.Mutex
	layers  []layers.Layer
	more    chan struct{} // has one for each
	exports int
	stopped bool
}

func (e *earlyStore) Begin(context.Context, func(string) export.Step) (func(layers.Layer), func()) {
	return func(l layers.Layer) {
			e.mu.Lock()
			e.layers = append(e.layers, l)
			e.mu.Unlock()
			e.more <- struct{}{}
		}, func() {
			e.stopped = true
		}
}

func (e *earlyStore) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	e.exports++
	if e.stopped {
		return export.Exported{}, errors.New("it was stopped before")
	}
	return e.Store.Export(ctx, b)
}

// blobs are those that were told of, each once.
func (e *earlyStore) blobs() map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[string]bool{}
	for _, l := range e.layers {
		all[l.Blob.Digest.String()] = true
	}
	return all
}

func (w *world) early() *earlyStore {
	return &earlyStore{Store: export.Store{Content: w.store}, more: make(chan struct{}, 100)}
}

// TestEarlyExporterHasLayersBeforeTheBuildIsDone: the base's and the first step's are
// told of while the second one runs; in the end all were, and nothing of other stages.
func TestEarlyExporterHasLayersBeforeTheBuildIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := w.early()
	w.exec.hook = func(r ExecRequest) error {
		if r.Args[len(r.Args)-1] != "write last x" {
			return nil
		}
		for range 2 {
			select {
			case <-to.more:
			case <-time.After(10 * time.Second):
				return errors.New("the layers below were not told of while this ran")
			}
		}
		return nil
	}
	dockerfile := "FROM base AS other\nRUN write other y\nFROM base\nRUN write first x\nRUN write last x\nCOPY --from=other /other /"
	for _, again := range []string{"executed", "cached"} {
		b := w.must(dockerfile, func(r *Request) { r.Exporters = []export.Exporter{to} })
		told := to.blobs()
		if len(told) != len(b.manifest.Layers) {
			t.Errorf("%s: told of %d layers, the image has %d", again, len(told), len(b.manifest.Layers))
		}
		for _, l := range b.manifest.Layers {
			if !told[l.Digest.String()] {
				t.Errorf("%s: not told of %s", again, l.Digest)
			}
		}
		if !to.stopped || to.exports != 1 {
			t.Errorf("%s: stopped: %v, exports: %d", again, to.stopped, to.exports)
		}
		to = w.early()
		w.exec.hook = nil
	}
}

// TestEarlyExporterOfAFailure: it is stopped and exports nothing.
func TestEarlyExporterOfAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := w.early()
	_, err := w.build("FROM base\nRUN write first x\nRUN exit 3", func(r *Request) { r.Exporters = []export.Exporter{to} })
	if err == nil {
		t.Fatal("the build did not fail")
	}
	if !to.stopped || to.exports != 0 {
		t.Errorf("stopped: %v, exports: %d; want true, 0", to.stopped, to.exports)
	}
}

// TestEarlyExporterOfASquashedImage is told of nothing: the steps' layers are not the
// image's. One of an index is told of each image's.
func TestEarlyExporterOfASquashedImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := w.early()
	w.must("FROM base\nRUN write first x", func(r *Request) { r.Exporters, r.Squash = []export.Exporter{to}, true })
	if told := to.blobs(); len(told) != 0 {
		t.Errorf("told of %v", told)
	}
	w.write(map[string]string{"a": "1"})
	to = w.early()
	res, err := w.buildFor("FROM scratch\nARG TARGETARCH\nCOPY a /$TARGETARCH", []ocispec.Platform{amd64, arm64}, to)
	if err != nil {
		t.Fatal(err)
	}
	told := to.blobs()
	for _, img := range res.Exported[0].Images {
		if !slices.ContainsFunc(img.Layers, func(d ocispec.Descriptor) bool { return told[d.Digest.String()] }) {
			t.Errorf("not told of the layer of %v", img.Manifest.Platform)
		}
	}
}
