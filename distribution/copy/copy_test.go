package copy_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"
	"cove/distribution/manifest"
	"cove/distribution/progress"
	"cove/errdefs"
)

func parse(t *testing.T, m distribution.Manifest) *manifest.Manifest {
	t.Helper()
	doc, err := manifest.Parse(m.Descriptor.MediaType, m.Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// tally notes how blobs ended.
type tally struct {
	mu    sync.Mutex
	last  map[digest.Digest]progress.Kind
	kinds map[progress.Kind]int
}

func (c *tally) tell(e progress.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last, c.kinds = map[digest.Digest]progress.Kind{}, map[progress.Kind]int{}
	}
	c.last[e.Desc.Digest] = e.Kind
	c.kinds[e.Kind]++
}

// TestEveryPair copies an index with all that belongs to it from each kind of end
// to each, and again, when no byte of a blob may move.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	for from, openFrom := range ends {
		for to, openTo := range ends {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				origin, src, dst := stock(t, 3000, 0, 300_000), openFrom(t), openTo(t)
				opts := copy.Options{Tag: tag, Referrers: true}
				if _, err := copy.Copy(t.Context(), src, origin, tag, opts); err != nil {
					t.Fatal(err)
				}
				desc, err := copy.Copy(t.Context(), dst, src, tag, opts)
				if err != nil || desc.Digest != origin.index.Descriptor.Digest {
					t.Fatalf("%+v, %v", desc, err)
				}
				if n := whole(t, dst, tag); n != 12 {
					t.Errorf("%d blobs and manifests, want 12", n)
				}
				for _, m := range origin.referrers {
					whole(t, dst, m.Descriptor.Digest.String())
					subject := parse(t, m).Subject.Digest
					descs, err := dst.Referrers(t.Context(), subject)
					if err != nil || len(descs) != 1 || descs[0].Digest != m.Descriptor.Digest {
						t.Errorf("referrers of %s: %v, %v", subject, descs, err)
					}
				}
				if m, err := dst.Resolve(t.Context(), cosignTag(desc.Digest)); err != nil ||
					m.Descriptor.Digest != origin.cosign.Descriptor.Digest {
					t.Errorf("the tag of cosign: %v", err)
				}
				var again tally
				opts.Progress = again.tell
				if _, err := copy.Copy(t.Context(), dst, src, tag, opts); err != nil {
					t.Fatal(err)
				}
				if again.kinds[progress.Pushing] > 0 || again.kinds[progress.AlreadyExists] != 12 {
					t.Errorf("the second time: %v", again.kinds)
				}
			})
		}
	}
}

// TestByDigestAndAlone copies what a digest names, without tag and referrers.
func TestByDigestAndAlone(t *testing.T) {
	t.Parallel()
	for name, open := range ends {
		origin, dst := stock(t, 10), open(t)
		want := origin.images[1].Manifest.Descriptor.Digest
		if _, err := copy.Copy(t.Context(), dst, origin, want.String(), copy.Options{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole(t, dst, want.String())
		if descs, err := dst.Referrers(t.Context(), origin.images[0].Manifest.Descriptor.Digest); err != nil || len(descs) != 0 {
			t.Errorf("%s: referrers that were not asked for: %v, %v", name, descs, err)
		}
		absent(t, dst, tag)
		absent(t, dst, origin.index.Descriptor.Digest.String())
	}
}

func absent(t *testing.T, e end, ref string) {
	t.Helper()
	if m, err := e.Resolve(t.Context(), ref); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("%s is there: %s, %v", ref, m.Descriptor.Digest, err)
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	linux := func(archs ...string) (ps []ocispec.Platform) {
		for _, a := range archs {
			ps = append(ps, ocispec.Platform{OS: "linux", Architecture: a})
		}
		return ps
	}
	origin := stock(t, 10)
	for name, open := range ends {
		dst := open(t)
		desc, err := copy.Copy(t.Context(), dst, origin, tag, copy.Options{Tag: "arm", Platforms: linux("arm64")})
		if err != nil || desc.Digest != origin.images[1].Manifest.Descriptor.Digest {
			t.Errorf("%s: one platform: %v, %v", name, desc.Digest, err)
		}
		absent(t, dst, origin.images[0].Manifest.Descriptor.Digest.String())
		whole(t, dst, "arm")
	}
	dst := ends["local"](t)
	desc, err := copy.Copy(t.Context(), dst, origin, tag, copy.Options{Tag: "both", Platforms: linux("arm64", "amd64")})
	if err != nil {
		t.Fatal(err)
	}
	m, err := dst.Resolve(t.Context(), "both")
	if err != nil {
		t.Fatal(err)
	}
	if doc := parse(t, m); desc.Digest != m.Descriptor.Digest || len(doc.Manifests) != 3 ||
		doc.Manifests[2].Digest != origin.attestation.Descriptor.Digest {
		t.Errorf("two platforms: %s", m.Body)
	}
	one := origin.images[0].Manifest.Descriptor.Digest.String()
	for ref, want := range map[string]error{tag: errdefs.ErrNotFound, one: errdefs.ErrNotFound} {
		_, err := copy.Copy(t.Context(), dst, origin, ref, copy.Options{Tag: "none", Platforms: linux("s390x")})
		if !errors.Is(err, want) {
			t.Errorf("a platform that %s is not for: %v", ref, err)
		}
	}
	if _, err := copy.Copy(t.Context(), dst, origin, one, copy.Options{Platforms: linux("amd64")}); err != nil {
		t.Errorf("an image alone, of the platform asked for: %v", err)
	}
}

// TestMounts copies within a registry, where no byte may be read.
func TestMounts(t *testing.T) {
	t.Parallel()
	reg := memory()
	h := distributiontest.Handler(t, t.Context(), reg)
	remote := serve(t, h, clientConfig)
	client := distributiontest.NewClient(t, clientConfig)
	host := distributiontest.Listen(t, h)
	for name, pair := range map[string][2]end{
		"local": {&copy.Local{Registry: reg, Repo: "a"}, &copy.Local{Registry: reg, Repo: "b"}},
		"remote": {
			&copy.Remote{Repo: client.Repository(host, "c")}, &copy.Remote{Repo: client.Repository(host, "d")},
		},
	} {
		if _, err := copy.Copy(t.Context(), pair[0], stock(t, 10, 20), tag, copy.Options{Tag: tag}); err != nil {
			t.Fatal(err)
		}
		var events tally
		desc, err := copy.Copy(t.Context(), pair[1], pair[0], tag, copy.Options{Tag: tag, Progress: events.tell})
		if err != nil {
			t.Fatal(err)
		}
		if events.kinds[progress.Mounted] != 7 || events.kinds[progress.Pushing] > 0 {
			t.Errorf("%s: %v, want that all is mounted", name, events.kinds)
		}
		whole(t, pair[1], desc.Digest.String())
	}
	if _, ok := remote.Neighbour(&copy.Remote{Repo: client.Repository(host, "c")}); ok {
		t.Error("two registries are taken for one")
	}
}

// TestParallel copies a manifest of a thousand layers: never are more blobs open
// than were allowed.
func TestParallel(t *testing.T) {
	t.Parallel()
	sizes := make([]int, 1000)
	for i := range sizes {
		sizes[i] = i % 7 * 100
	}
	img := distributiontest.NewImage(t, 1, sizes...)
	for name, open := range ends {
		if name == "layout" {
			continue // a thousand times fsync says nothing more
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened atomic.Int64
			src := &faulty{Source: copy.Store{Content: distributiontest.StoreOf(t, img)}, second: make(chan struct{})}
			src.open = func(_ ocispec.Descriptor, r *fault) { r.opened = &opened; r.most = &src.most }
			dst := open(t)
			_, err := copy.Copy(t.Context(), dst, src, img.Manifest.Descriptor.Digest.String(), copy.Options{Tag: tag, Parallel: 3})
			if err != nil {
				t.Fatal(err)
			}
			if most := src.most.Load(); most < 2 || most > 3 || opened.Load() != 0 {
				t.Errorf("%d blobs were open at once, want 3 at most; %d still are", most, opened.Load())
			}
			if n := whole(t, dst, tag); n < 850 {
				t.Errorf("%d blobs", n)
			}
		})
	}
}
