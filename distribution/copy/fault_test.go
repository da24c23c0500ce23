package copy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/errdefs"
)

// clientConfig is of clients that wait little.
var clientConfig = client.Config{RetryFor: time.Minute, Sleep: func(ctx context.Context, _ time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}}

// faulty is a source that is as wrong as a test makes it.
type faulty struct {
	copy.Source
	resolve   func(ref string) (distribution.Manifest, error)
	referrers func(subject digest.Digest) []ocispec.Descriptor
	open      func(desc ocispec.Descriptor, r *fault)
	most      atomic.Int64
	// second, if set, keeps what was opened first until there is another.
	second chan struct{}
	once   sync.Once
}

func (f *faulty) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	if f.resolve != nil {
		if m, err := f.resolve(ref); err != nil || m.Body != nil {
			return m, err
		}
	}
	return f.Source.Resolve(ctx, ref)
}

func (f *faulty) Referrers(ctx context.Context, subject digest.Digest) ([]ocispec.Descriptor, error) {
	if f.referrers != nil {
		return f.referrers(subject), nil
	}
	return f.Source.Referrers(ctx, subject)
}

func (f *faulty) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	rd, err := f.Source.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	r := &fault{Reader: rd, size: rd.Size(), until: -1, flip: -1}
	if f.open != nil {
		f.open(desc, r)
	}
	if r.opened != nil {
		for n := r.opened.Add(1); ; {
			if most := r.most.Load(); n <= most || r.most.CompareAndSwap(most, n) {
				break
			}
		}
		if f.second != nil {
			f.await()
		}
	}
	return r, nil
}

// await waits until two are open at once; a minute is for a copy that never does.
func (f *faulty) await() {
	if f.most.Load() > 1 {
		f.once.Do(func() { close(f.second) })
	}
	select {
	case <-f.second:
	case <-time.After(time.Minute):
	}
}

// fault reads a blob as it is not.
type fault struct {
	content.Reader
	size         int64
	until        int64 // where the reading fails; -1 nowhere
	flip         int64 // the byte that is wrong; -1 none
	read         *atomic.Int64
	opened, most *atomic.Int64
}

var errTorn = errors.New("the source is torn out")

func (r *fault) Size() int64 { return r.size }

func (r *fault) Close() error {
	if r.opened != nil {
		r.opened.Add(-1)
	}
	return r.Reader.Close()
}

func (r *fault) ReadAt(p []byte, off int64) (int, error) {
	if r.until >= 0 && off+int64(len(p)) > r.until {
		if off >= r.until {
			return 0, errTorn
		}
		p = p[:r.until-off]
	}
	n, err := r.Reader.ReadAt(p, off)
	if i := r.flip - off; r.flip >= 0 && i >= 0 && i < int64(n) {
		p[i] ^= 1
	}
	if r.read != nil {
		r.read.Add(int64(n))
	}
	return n, err
}

// TestBadSources copies from sources that lie or lack something, to each kind of
// end: the copy fails for what is wrong, and the tag is not moved.
func TestBadSources(t *testing.T) {
	t.Parallel()
	const big = 300_000
	largest := func(change func(r *fault)) func(*shelf, *faulty) {
		return func(_ *shelf, f *faulty) {
			f.open = func(desc ocispec.Descriptor, r *fault) {
				if desc.Size == big {
					change(r)
				}
			}
		}
	}
	answer := func(of func(s *shelf) digest.Digest, m func(s *shelf) distribution.Manifest, err error) func(*shelf, *faulty) {
		return func(s *shelf, f *faulty) {
			f.resolve = func(ref string) (got distribution.Manifest, _ error) {
				if ref == of(s).String() {
					return m(s), err
				}
				return got, nil
			}
		}
	}
	second := func(s *shelf) digest.Digest { return s.images[1].Manifest.Descriptor.Digest }
	sbom := func(s *shelf) digest.Digest { return s.referrers[1].Descriptor.Digest }
	none := func(*shelf) (m distribution.Manifest) { return m }
	for name, tc := range map[string]struct {
		lie  func(s *shelf, f *faulty)
		want error
	}{
		"a byte of a blob":     {largest(func(r *fault) { r.flip = big / 2 }), errdefs.ErrCorrupt},
		"the last byte":        {largest(func(r *fault) { r.flip = big - 1 }), errdefs.ErrCorrupt},
		"a blob that is short": {largest(func(r *fault) { r.size-- }), errdefs.ErrCorrupt},
		"a blob that is long":  {largest(func(r *fault) { r.size++ }), errdefs.ErrCorrupt},
		"a cut":                {largest(func(r *fault) { r.until = big / 2 }), errTorn},
		"no child": {
			answer(second, none, errdefs.Errorf(errdefs.ErrNotFound, "manifest unknown")), errdefs.ErrNotFound,
		},
		"another child": {
			answer(second, func(s *shelf) distribution.Manifest { return s.images[0].Manifest }, nil), errdefs.ErrCorrupt,
		},
		"a referrer that is denied": {
			answer(sbom, none, errdefs.Errorf(errdefs.ErrDenied, "not yours")), errdefs.ErrDenied,
		},
		"a referrer of something else": {func(s *shelf, f *faulty) {
			f.referrers = func(digest.Digest) []ocispec.Descriptor { return []ocispec.Descriptor{s.referrers[1].Descriptor} }
		}, errdefs.ErrCorrupt},
		"a referrer of another size": {func(s *shelf, f *faulty) {
			f.referrers = func(digest.Digest) []ocispec.Descriptor {
				desc := s.referrers[0].Descriptor
				desc.Size++
				return []ocispec.Descriptor{desc}
			}
		}, errdefs.ErrCorrupt},
	} {
		for to, open := range ends {
			t.Run(name+" to "+to, func(t *testing.T) {
				t.Parallel()
				s := stock(t, 100, big)
				f := &faulty{Source: s}
				tc.lie(s, f)
				dst := open(t)
				_, err := copy.Copy(t.Context(), dst, f, tag, copy.Options{Tag: tag, Referrers: true})
				if !errors.Is(err, tc.want) {
					t.Errorf("error %v, want one of %v", err, tc.want)
				}
				absent(t, dst, tag)
				if _, err := copy.Copy(t.Context(), dst, s, tag, copy.Options{Tag: tag, Referrers: true}); err != nil {
					t.Errorf("from an honest source afterwards: %v", err)
				}
				whole(t, dst, tag)
			})
		}
	}
}

// TestReferrerThatIsGone: a list that still has one which was deleted, as those under
// tags do, costs neither the image nor the others. Of a child of the image it does.
func TestReferrerThatIsGone(t *testing.T) {
	t.Parallel()
	for name, open := range ends {
		s, dst := stock(t, 100), open(t)
		gone := s.referrers[1].Descriptor.Digest.String()
		f := &faulty{Source: s, resolve: func(ref string) (m distribution.Manifest, _ error) {
			if ref == gone {
				return m, errdefs.Errorf(errdefs.ErrNotFound, "manifest unknown")
			}
			return m, nil
		}}
		if _, err := copy.Copy(t.Context(), dst, f, tag, copy.Options{Tag: tag, Referrers: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		whole(t, dst, tag)
		absent(t, dst, gone)
		if got, err := dst.Referrers(t.Context(), s.index.Descriptor.Digest); err != nil || len(got) != 1 {
			t.Errorf("%s: the other: %v, %v", name, got, err)
		}
		f.referrers = func(digest.Digest) []ocispec.Descriptor { return []ocispec.Descriptor{s.images[1].Manifest.Descriptor} }
		gone = s.images[1].Manifest.Descriptor.Digest.String() // an image of the index, which is listed as a referrer too
		if _, err := copy.Copy(t.Context(), open(t), f, tag, copy.Options{Referrers: true}); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: without a child: %v", name, err)
		}
	}
}

// TestLoops gives a source whose tags lead in circles, and one that has no end.
func TestLoops(t *testing.T) {
	t.Parallel()
	s := stock(t, 10)
	// What cosign's tag of an image names is the index that lists the image.
	s.put(t, s.index, cosignTag(s.images[0].Manifest.Descriptor.Digest))
	for name, open := range ends {
		dst := open(t)
		image := s.images[0].Manifest.Descriptor.Digest
		if _, err := copy.Copy(t.Context(), dst, s, image.String(), copy.Options{Tag: tag, Referrers: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		whole(t, dst, tag)
		whole(t, dst, cosignTag(image))
	}
	deep := s.index
	for range 20 {
		deep = distributiontest.Index(t, deep.Descriptor)
		s.put(t, deep, "deep")
	}
	dst := ends["local"](t)
	if _, err := copy.Copy(t.Context(), dst, s, "deep", copy.Options{Tag: tag}); !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("an index in an index, twenty times: %v", err)
	}
	absent(t, dst, tag)
}

// TestClaimsContradict refuses two sizes of one blob.
func TestClaimsContradict(t *testing.T) {
	t.Parallel()
	s := stock(t, 10)
	img := s.images[0]
	layer := img.Layers[0]
	layer.Size++
	doc := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: img.Config, Layers: []ocispec.Descriptor{layer}}
	doc.SchemaVersion = 2
	other := distributiontest.NewManifest(t, doc)
	index := distributiontest.Index(t, img.Manifest.Descriptor, other.Descriptor)
	src := copy.Store{Content: distributiontest.Store(t, img.Manifest.Body, other.Body, index.Body)}
	_, err := copy.Copy(t.Context(), s, src, index.Descriptor.Digest.String(), copy.Options{})
	if !errors.Is(err, errdefs.ErrCorrupt) {
		t.Error(err)
	}
}

// cutting breaks the line in the middle of blobs, in one direction, a few times.
type cutting struct {
	http.Handler
	after int64
	up    bool
	left  atomic.Int64
	moved atomic.Int64
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up := r.Method == http.MethodPatch || r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/uploads/")
	down := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256")
	switch {
	case c.up && up:
		r.Body = &cutBody{ReadCloser: r.Body, c: c, left: c.after}
	case !c.up && down:
		w = &cutWriter{ResponseWriter: w, c: c, left: c.after}
	}
	c.Handler.ServeHTTP(w, r)
}

// cut says whether the line is cut now.
func (c *cutting) cut(n int, left *int64) bool {
	c.moved.Add(int64(n))
	*left -= int64(n)
	return *left < 0 && c.left.Add(-1) >= 0
}

type cutBody struct {
	io.ReadCloser
	c    *cutting
	left int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.c.cut(n, &b.left) {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

type cutWriter struct {
	http.ResponseWriter
	c    *cutting
	left int64
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if w.c.cut(len(p), &w.left) {
		panic(http.ErrAbortHandler)
	}
	return w.ResponseWriter.Write(p)
}

// TestCutLines cuts the line to the source or to the target in the middle of a
// blob: it is gone on with there.
func TestCutLines(t *testing.T) {
	t.Parallel()
	const size, cuts, after = 12 << 20, 3, 2 << 20
	img := distributiontest.NewImage(t, 5, size)
	for name, up := range map[string]bool{"source": false, "target": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := memory()
			if !up {
				fill := &copy.Local{Registry: reg, Repo: "team/app"}
				src := copy.Store{Content: distributiontest.StoreOf(t, img)}
				ref := img.Manifest.Descriptor.Digest.String()
				if _, err := copy.Copy(t.Context(), fill, src, ref, copy.Options{Tag: tag}); err != nil {
					t.Fatal(err)
				}
			}
			line := &cutting{Handler: distributiontest.Handler(t, t.Context(), reg), after: after, up: up}
			line.left.Store(cuts)
			remote := serve(t, line, clientConfig)
			var events tally
			remote.Progress = events.tell
			var src, dst end = remote, ends["layout"](t)
			ref := tag
			if up {
				src, dst = copy.Store{Content: distributiontest.StoreOf(t, img)}, remote
				ref = img.Manifest.Descriptor.Digest.String()
			}
			if _, err := copy.Copy(t.Context(), dst, src, ref, copy.Options{Tag: tag, Progress: events.tell}); err != nil {
				t.Fatal(err)
			}
			whole(t, dst, tag)
			if events.kinds[progress.Retrying] < cuts {
				t.Errorf("%v, want a retry for each of %d cuts", events.kinds, cuts)
			}
			line.left.Store(0)
			if moved := line.moved.Load(); moved > 3*size { // the reading of whole included
				t.Errorf("%d bytes moved for a blob of %d", moved, size)
			}
		})
	}
}

// TestGoesOn begins with what a copy left that was killed: the rest alone is read.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	const size = 9 << 20
	img := distributiontest.NewImage(t, 5, size)
	ref := img.Manifest.Descriptor.Digest.String()
	dst := ends["layout"](t)
	src := &faulty{Source: copy.Store{Content: distributiontest.StoreOf(t, img)}}
	var read atomic.Int64
	cut := int64(5 << 20)
	src.open = func(_ ocispec.Descriptor, r *fault) { r.until, r.read = cut, &read }
	if _, err := copy.Copy(t.Context(), dst, src, ref, copy.Options{Tag: tag}); !errors.Is(err, errTorn) {
		t.Fatal(err)
	}
	absent(t, dst, tag)
	read.Store(0)
	cut = -1
	if _, err := copy.Copy(t.Context(), dst, src, ref, copy.Options{Tag: tag}); err != nil {
		t.Fatal(err)
	}
	whole(t, dst, tag)
	if n := read.Load(); n > 5<<20 {
		t.Errorf("%d bytes were read for the rest of a blob of %d", n, size)
	}
}

// TestCanceled stops a copy in the middle of a blob.
func TestCanceled(t *testing.T) {
	t.Parallel()
	for name, open := range ends {
		ctx, cancel := context.WithCancel(t.Context())
		s := stock(t, 100, 300_000)
		f := &faulty{Source: s}
		var once sync.Once
		f.open = func(ocispec.Descriptor, *fault) { once.Do(cancel) }
		dst := open(t)
		if _, err := copy.Copy(ctx, dst, f, tag, copy.Options{Tag: tag}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		absent(t, dst, tag)
	}
}
