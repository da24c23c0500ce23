package images

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images"
	"cove/internal/platforms"
	"cove/reference"
)

// PullOptions are the choices of Pull.
type PullOptions struct {
	// AllTags pulls every tag of the repository. The name then has none.
	AllTags bool
	// Platform is which image is taken of several, OS/ARCH[/VARIANT]; "" is this
	// machine's.
	Platform string
	// Progress is told of each image when its pull begins and ends, and of its
	// layers between.
	Progress progress.Func
}

// Pulled is one image that Pull brought here.
type Pulled struct {
	// Ref is the whole name that was pulled.
	Ref reference.Reference
	ID  digest.Digest
	// Digest is that of the name at its registry: of an index, or the manifest.
	Digest digest.Digest
	// Newer says that the name stands for something else than before, or is new here.
	Newer bool
}

// Pull brings an image here from its registry, or all of a repository, and names
// them as they are named there. What was pulled before an error stands beside it.
func (is *Images) Pull(ctx context.Context, name string, o PullOptions) (all []Pulled, err error) {
	opts := images.PullOptions{Progress: o.Progress}
	if o.Platform != "" {
		if opts.Platform, err = platforms.Parse(o.Platform); err != nil {
			return nil, err
		}
	}
	refs, err := is.toPull(ctx, name, o.AllTags)
	if err != nil {
		return nil, err
	}
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		o.Progress.Tell(progress.Event{Kind: progress.Begun, Ref: ref})
		pulled, err := store.Pull(ctx, ref.String(), opts)
		o.Progress.Tell(progress.Event{
			Kind: progress.Ended, Ref: ref, Desc: ocispec.Descriptor{Digest: pulled.Digest},
			Newer: pulled.Newer, Err: err,
		})
		if err != nil {
			return all, err
		}
		all = append(all, Pulled{Ref: ref, ID: pulled.Image.ID, Digest: pulled.Digest, Newer: pulled.Newer})
	}
	return all, nil
}

// toPull is what a name stands for: itself, or all tags of its repository.
func (is *Images) toPull(ctx context.Context, name string, all bool) ([]reference.Reference, error) {
	if !all {
		ref, err := reference.Parse(name)
		return []reference.Reference{ref}, err
	}
	ref, err := repository(name)
	if err != nil {
		return nil, err
	}
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	tags, err := store.RemoteTags(ctx, ref)
	if err != nil {
		return nil, err
	}
	refs := make([]reference.Reference, 0, len(tags))
	for _, tag := range tags {
		refs = append(refs, ref.WithTag(tag))
	}
	return refs, nil
}

// repository reads a name that has neither tag nor digest.
func repository(name string) (reference.Reference, error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return ref, err
	}
	if ref.Digest != "" || reference.HasTag(name) {
		return ref, errdefs.Errorf(errdefs.ErrInvalid,
			"%s: all tags are asked for, so the name can have neither a tag nor a digest", name)
	}
	return ref, nil
}

// PushOptions are the choices of Push.
type PushOptions struct {
	// AllTags pushes every name that is here of the repository. The name then has no
	// tag.
	AllTags bool
	// Progress is as PullOptions.Progress.
	Progress progress.Func
}

// Pushed is one image that Push sent: its name, and what that stands for there.
type Pushed struct {
	Ref        reference.Reference
	Descriptor ocispec.Descriptor
}

// Push sends an image to the registry of its name, or all of a repository. What was
// pushed before an error stands beside it.
func (is *Images) Push(ctx context.Context, name string, o PushOptions) (all []Pushed, err error) {
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	refs, err := is.toPush(ctx, name, o.AllTags)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		o.Progress.Tell(progress.Event{Kind: progress.Begun, Ref: ref})
		desc, err := store.Push(ctx, ref.String(), images.PushOptions{Progress: o.Progress})
		o.Progress.Tell(progress.Event{Kind: progress.Ended, Ref: ref, Desc: desc, Err: err})
		if err != nil {
			return all, err
		}
		all = append(all, Pushed{ref, desc})
	}
	return all, nil
}

// toPush is what a name stands for: itself, or all names of its repository here.
func (is *Images) toPush(ctx context.Context, name string, all bool) ([]reference.Reference, error) {
	if !all {
		ref, err := reference.Parse(name)
		return []reference.Reference{ref}, err
	}
	repo, err := repository(name)
	if err != nil {
		return nil, err
	}
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	list, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	var refs []reference.Reference
	for _, img := range list {
		for _, n := range img.Names {
			if n.Name() == repo.Name() && n.Tag != "" {
				refs = append(refs, n)
			}
		}
	}
	if len(refs) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"pushing %s: no image has a name of that repository here; tag one first", repo.FamiliarName())
	}
	slices.SortFunc(refs, func(a, b reference.Reference) int { return strings.Compare(a.Tag, b.Tag) })
	return refs, nil
}
