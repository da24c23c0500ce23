package builder

import (
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
)

// TestSquash: one layer over the base, with the files that the image has and none that
// a step made and another removed; the same image each time.
func TestSquash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"app.conf": "conf"})
	df := `FROM base
RUN write /etc/big secret
COPY app.conf /etc/app/
RUN rm /etc/big
RUN rm /bin/sh
ENV A=1
`
	squash := func(r *Request) { r.Squash = true }
	plain, b := w.must(df), w.must(df, squash)
	if len(b.manifest.Layers) != 2 || len(plain.manifest.Layers) != 5 {
		t.Fatalf("%d layers, and %d without", len(b.manifest.Layers), len(plain.manifest.Layers))
	}
	if b.manifest.Layers[0].Digest != plain.manifest.Layers[0].Digest {
		t.Error("the base is not shared any more")
	}
	if b.files["etc/app/app.conf"] != "644 0:0 conf" || b.files["etc/big"] != "" || b.files["bin/sh"] != "" {
		t.Errorf("%v", b.files)
	}
	for path, want := range plain.files {
		if b.files[path] != want {
			t.Errorf("%s is %q, and %q without", path, b.files[path], want)
		}
	}
	layers := 0
	for _, h := range b.config.History {
		if !h.EmptyLayer {
			layers++
		}
	}
	last := b.config.History[len(b.config.History)-1]
	if layers != 2 || last.EmptyLayer || !strings.HasPrefix(last.Comment, "merge sha256:") {
		t.Errorf("%+v", b.config.History)
	}
	again := w.must(df, squash)
	if again.Image().Target.Digest != b.Image().Target.Digest || again.Cached != again.Steps {
		t.Errorf("the second build made another image, %d of %d steps cached", again.Cached, again.Steps)
	}
}

// TestSquashOfNothing leaves an image alone that has no layer of its own, and makes one
// layer of an image without a base.
func TestSquashOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "a", "b": "b"})
	squash := func(r *Request) { r.Squash = true }
	if got, want := w.must("FROM base\nENV A=1\n", squash), w.must("FROM base\nENV A=1\n"); len(
		got.manifest.Layers,
	) != len(
		want.manifest.Layers,
	) {
		t.Errorf("%d layers, want %d", len(got.manifest.Layers), len(want.manifest.Layers))
	}
	b := w.must("FROM scratch\nCOPY a /\nCOPY b /\n", squash)
	if len(b.manifest.Layers) != 1 || b.files["a"] == "" || b.files["b"] == "" {
		t.Errorf("%d layers: %v", len(b.manifest.Layers), b.files)
	}
	_, err := w.build("FROM scratch\nCOPY a /\n", squash, func(r *Request) { r.InlineCache = true })
	if !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("with an inline cache: %v", err)
	}
}
