// Package squash makes one layer over an image's base of those that its steps made: the
// difference between the files of the base and those of the image, so that what one step
// made and another removed is in no layer.
package squash

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/builder/plan"
	"cove/content"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/diff"
	"cove/layers/mount"
)

// squashed stands, in the history of an image, for the step that made one layer of
// all.
const squashed plan.ID = plan.None - 1

// Squasher squashes images.
type Squasher struct {
	Content content.Store
	// Open shows the files of a snapshot.
	Open func(ctx context.Context, chain string) (export.Files, error)
	// Keep is told of the layer that is made.
	Keep     func(digest.Digest) error
	Compress compress.Options
}

// Image squashes what an image has over its lowest layers.
func (s Squasher) Image(ctx context.Context, img *export.Image, below int) error {
	made, err := s.difference(ctx, img, below)
	if err == nil {
		err = s.Keep(made.Blob.Digest)
	}
	if err != nil {
		return err
	}
	from, to := chainOf(img.Layers[:below]), chainOf(img.Layers)
	latest := time.Time{}
	for _, h := range img.History {
		if h.Vertex < 0 {
			continue
		}
		if layer, created := img.Made(h.Vertex); layer && created.After(latest) {
			latest = created
		}
	}
	comment := "merge " + string(to) + " to " + string(from)
	if below == 0 {
		comment = "merge " + string(to)
	}
	img.Layers = append(img.Layers[:below:below], made)
	img.History = append(img.History[:len(img.History):len(img.History)],
		plan.History{History: ocispec.History{Comment: comment}, Vertex: squashed})
	img.Made = func(id plan.ID) (bool, time.Time) { return id == squashed, latest }
	return nil
}

// difference packs what an image's files have over those of its base.
func (s Squasher) difference(ctx context.Context, img *export.Image, below int) (_ layers.Layer, err error) {
	after, err := img.Open(ctx)
	if err != nil {
		return layers.Layer{}, err
	}
	defer func() { err = errors.Join(err, after.Close()) }()
	before, err := s.Open(ctx, string(chainOf(img.Layers[:below])))
	if err != nil {
		return layers.Layer{}, err
	}
	defer func() { err = errors.Join(err, before.Close()) }()
	m := mount.Mount{Type: "bind", Source: after.Dir()}
	if below > 0 {
		m.Lower = []string{before.Dir()}
	}
	opt := diff.Options{Compress: s.Compress}
	if img.Epoch != nil {
		opt.SourceDate = *img.Epoch
	}
	made, err := diff.Commit(ctx, s.Content, m, opt)
	return made.Layer, err
}

func chainOf(all []layers.Layer) layers.ChainID {
	ids := make([]layers.DiffID, len(all))
	for i, l := range all {
		ids[i] = l.DiffID
	}
	return layers.Chain(ids...)
}
