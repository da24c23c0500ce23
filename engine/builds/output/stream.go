package output

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/builder/upload"
	"cove/distribution/progress"
	"cove/images"
	"cove/layers"
	"cove/reference"
)

// Push sends an image to the registries of its names: its layers as soon as they are
// finished, and the rest when it has the names here.
type Push struct {
	Images *images.Store
	Refs   []reference.Reference
	// Target is the image, if it does not get the names here.
	Target ocispec.Descriptor
	// Near are names of images that may have some of the layers.
	Near []string

	streams upload.Streams
}

// Begin begins to take layers, until Finish or Stop. Several names at one registry have
// one stream: to the other repositories the layers are mounted from there.
func (p *Push) Begin(ctx context.Context, step func(name string) export.Step) (layer func(layers.Layer)) {
	registries := map[string]bool{}
	for _, ref := range p.Refs {
		if registries[ref.Registry] {
			continue
		}
		registries[ref.Registry] = true
		to := upload.Destination{Name: ref.Registry + "/" + ref.Repository, Then: "the push of the image", Push: func(
			ctx context.Context, desc ocispec.Descriptor, tell progress.Func,
		) error {
			return p.Images.PushBlob(ctx, ref, desc, images.PushOptions{Progress: tell, MountFrom: beside(ref, p.Near)})
		}}
		p.streams = append(p.streams, upload.Begin(ctx, to, step))
	}
	return func(l layers.Layer) {
		p.streams.Layer(l.Blob)
	}
}

// Stop ends what is on its way, and waits for that.
func (p *Push) Stop() {
	p.streams.Stop()
}

// Finish waits for the layers on their way and pushes the image, which is here but for
// layers that b.Rest has, under each name. b.Log is told what is sent; it may be nil.
func (p *Push) Finish(ctx context.Context, b export.Build) error {
	if b.Log == nil {
		b.Log = func(string) {}
	}
	p.streams.Wait()
	near := p.Near
	for _, img := range b.Images {
		near = append(near[:len(near):len(near)], img.Base.Name)
	}
	for _, ref := range p.Refs {
		o := images.PushOptions{
			MountFrom: beside(ref, near), ByDigest: ref.Digest != "", Lacking: b.Rest, Target: p.Target,
		}
		if err := p.push(ctx, ref, o, b.Log); err != nil {
			return err
		}
	}
	return nil
}

// beside are the repositories of other names that are at the registry of ref.
func beside(ref reference.Reference, others []string) (repos []string) {
	for _, name := range others {
		other, err := reference.Parse(name)
		if err == nil && other.Registry == ref.Registry && other.Repository != ref.Repository &&
			!slices.Contains(repos, other.Repository) {
			repos = append(repos, other.Repository)
		}
	}
	return repos
}

func (p *Push) push(ctx context.Context, ref reference.Reference, o images.PushOptions, log func(string)) error {
	log("pushing " + ref.Familiar())
	var mu sync.Mutex
	begun := map[digest.Digest]time.Time{}
	o.Progress = func(e progress.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch e.Kind {
		case progress.Pushing:
			if begun[e.Desc.Digest].IsZero() {
				begun[e.Desc.Digest] = time.Now()
			}
		case progress.Pushed, progress.Mounted:
			log(upload.Line(e.Desc, e, time.Since(begun[e.Desc.Digest])))
		}
	}
	_, err := p.Images.Push(ctx, ref.String(), o)
	return err
}
