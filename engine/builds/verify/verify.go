// Package verify builds an image again, from what it says of how it was made, and
// compares what comes of that with the image.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/provenance"
	"cove/builder/source"
	"cove/content"
	"cove/distribution/progress"
	"cove/engine/builds"
	"cove/errdefs"
	"cove/images"
	"cove/images/compare"
	"cove/images/image"
	"cove/internal/platforms"
)

// Options say what is verified, and how.
type Options struct {
	// Options are what the image does not say of its build, as secrets and a directory,
	// and what is to be other than it says. Platforms is at most the one of the image
	// that is meant.
	builds.Options
	// Image is its name.
	Image string
	// Times compares also when files were modified.
	Times bool
	// Fetched is told of layers of the image that are fetched.
	Fetched progress.Func
}

// Result is what became of it.
type Result struct {
	// Diff is from the image to what was built.
	compare.Diff
	// Exact says that both have the same manifest: they are the same, byte for byte.
	Exact bool `json:"exact"`
	// By says where it was found how the image was made.
	By string `json:"by"`
	// Left is what that leaves out, and may be the reason for a difference.
	Left []string `json:"left,omitempty"`
}

// Verify builds the image again, without the cache, and compares. An image of which
// nothing says how it was made is errdefs.ErrNotFound.
func Verify(ctx context.Context, e builds.Engine, o Options) (r Result, err error) {
	blobs, err := e.Content()
	if err != nil {
		return r, err
	}
	hold, err := blobs.Lease(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, hold.Release()) }()
	img, err := find(ctx, e, o, hold)
	if err != nil {
		return r, err
	}
	recipe, by, err := recipeOf(ctx, e, o.Image, img)
	if err != nil {
		return r, err
	}
	r.By = by
	if r.Left, err = o.complete(recipe, img.Platform()); err != nil {
		return r, err
	}
	made, err := builds.BuildHeld(ctx, e, o.Options)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, made.Lease.Release()) }()
	store, err := e.Images()
	if err != nil {
		return r, err
	}
	again, err := store.Open(ctx, made.Image().Target, img.Platform())
	if err != nil {
		return r, err
	}
	if err := store.Fetch(ctx, img, hold, o.Fetched); err != nil {
		return r, fmt.Errorf("image %s: %w", o.Image, err)
	}
	r.Diff, err = compare.Options{Times: o.Times}.Both(ctx, blobs, img, again)
	r.Exact = r.Before == r.After
	return r, err
}

// find finds the image, here or at its registry.
func find(ctx context.Context, e builds.Engine, o Options, hold content.Lease) (image.Image, error) {
	store, err := e.Images()
	if err != nil {
		return image.Image{}, err
	}
	var platform ocispec.Platform
	if len(o.Platforms) > 0 {
		platform = o.Platforms[0]
	}
	return store.Resolve(ctx, o.Image, images.ResolveOptions{
		PullOptions: images.PullOptions{Platform: platform, Progress: o.Fetched}, Hold: hold,
	})
}

// complete fills the options in by what the image says, where they say nothing, and
// returns what it leaves out.
func (o *Options) complete(r provenance.Recipe, platform ocispec.Platform) (left []string, err error) {
	o.Platforms, o.NoCache, o.Names = []ocispec.Platform{platform}, true, nil
	if o.Lock == nil {
		o.Lock = r.Lock
	}
	if o.Context == "" {
		if o.Context = r.Context; o.Context == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"image %s was built from a directory, and the image says nothing of where that is: give it", o.Image)
		}
		o.Guarded = r.Stranger
	}
	for name := range r.Contexts {
		if _, ok := o.Contexts[name]; !ok && r.Stranger {
			o.Guarded = true
		}
	}
	o.dockerfile(r)
	if o.Network == "" && r.Network == "host" {
		return nil, errdefs.Errorf(errdefs.ErrDenied,
			"image %s was built on the network of the host, which its commands then reach: say so, or choose another", o.Image)
	}
	o.Target, o.Network = cmp.Or(o.Target, r.Target), cmp.Or(o.Network, r.Network)
	o.BuildArgs, o.Labels = over(r.BuildArgs, o.BuildArgs), over(r.Labels, o.Labels)
	o.Contexts = over(r.Contexts, o.Contexts)
	if o.Epoch == nil {
		o.Epoch = r.Epoch
	}
	for _, name := range r.Local {
		if _, ok := o.Contexts[name]; !ok {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"image %s was built with the directory %q as a context of that name: give it", o.Image, name)
		}
	}
	for _, name := range slices.Sorted(slices.Values(r.Hidden)) {
		if _, ok := o.BuildArgs[name]; !ok {
			left = append(left, "the value of the build argument "+name)
		}
	}
	if !r.Complete {
		left = append(left, "build arguments and labels")
	}
	return left, nil
}

// dockerfile chooses that which was given, or else that of the context, or else the text
// that the image has of one that was no file.
func (o *Options) dockerfile(r provenance.Recipe) {
	if o.Dockerfile != "" || r.Dockerfile == "" {
		return
	}
	if r.Dockerfile == source.FromStdin && r.Text != nil {
		o.Dockerfile, o.Stdin = "-", strings.NewReader(string(r.Text))
		return
	}
	o.Dockerfile = r.Dockerfile
}

// over is what was given over what is said.
func over(said, given map[string]string) map[string]string {
	all := maps.Clone(said)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, given)
	return all
}

// platformOf is an image's platform as documents name it.
func platformOf(img image.Image) string { return platforms.Format(img.Platform()) }
