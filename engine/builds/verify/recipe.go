package verify

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/builder/provenance"
	"cove/builder/source"
	"cove/content"
	"cove/distribution/copy"
	"cove/distribution/manifest"
	"cove/engine/builds"
	"cove/errdefs"
	"cove/images/image"
	"cove/images/remote/linked"
	"cove/reference"
)

// kind begins the types of provenance.
const kind = "https://slsa.dev/provenance/"

// Where it is found how an image was made.
const (
	byImage    = "the image's provenance"
	byRegistry = "the provenance that its registry has"
	byHistory  = "the history of builds here"
)

// recipeOf finds out how an image was made: by what is stored with it here, by the
// history of builds, which has more, or by what its registry has.
func recipeOf(ctx context.Context, e builds.Engine, name string, img image.Image) (provenance.Recipe, string, error) {
	for _, way := range []struct {
		by  string
		ask func(context.Context, builds.Engine, string, image.Image) (provenance.Recipe, error)
	}{{byImage, stored}, {byHistory, remembered}, {byRegistry, remote}} {
		r, err := way.ask(ctx, e, name, img)
		if err == nil || !errors.Is(err, errdefs.ErrNotFound) {
			return r, way.by, err
		}
	}
	return provenance.Recipe{}, "", errdefs.Errorf(errdefs.ErrNotFound,
		"image %s says nothing of how it was made: it was built without provenance, and not here lately", name)
}

// none is what a way that does not lead to provenance says.
var none = errdefs.Errorf(errdefs.ErrNotFound, "no provenance")

// stored reads what is stored with the image here.
func stored(ctx context.Context, e builds.Engine, name string, img image.Image) (r provenance.Recipe, err error) {
	store, err := e.Images()
	if err != nil {
		return r, err
	}
	here, err := store.Get(ctx, name)
	if err != nil {
		return r, err
	}
	if !manifest.IsIndex(here.Target.MediaType) {
		return r, none
	}
	blobs, err := e.Content()
	if err != nil {
		return r, err
	}
	body, err := content.ReadBlob(ctx, blobs, here.Target)
	if err != nil {
		return r, err
	}
	return inIndex(ctx, copy.Store{Content: blobs}, body, img.Descriptor.Digest)
}

// inIndex reads what an index has about one of its images.
func inIndex(
	ctx context.Context, from export.Documented, body []byte, of digest.Digest,
) (r provenance.Recipe, err error) {
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		return r, errdefs.Errorf(errdefs.ErrInvalid, "index: %w", err)
	}
	whole, predicate, err := export.Predicate(ctx, from, index, of, kind)
	if err != nil {
		return r, err
	}
	if r, err = provenance.Read(whole, predicate); err == nil {
		distrust(&r)
	}
	return r, err
}

// distrust leaves out of a recipe what an image may not choose, since anybody can write
// into it what he likes: what of this machine's files a build sees.
func distrust(r *provenance.Recipe) {
	r.Stranger = true
	if !source.Elsewhere(r.Context) {
		r.Context = ""
	}
	for name, from := range r.Contexts {
		if !source.Elsewhere(from) && !strings.HasPrefix(from, "docker-image://") {
			delete(r.Contexts, name)
			r.Local = append(r.Local, name)
		}
	}
	slices.Sort(r.Local)
}

// remembered reads what the history of builds has of a build of the image.
func remembered(_ context.Context, e builds.Engine, _ string, img image.Image) (r provenance.Recipe, err error) {
	history := builds.History(e)
	all, err := history.List()
	if err != nil {
		return r, err
	}
	made := func(d ocispec.Descriptor) bool {
		return d.Digest == img.Descriptor.Digest || d.Digest == img.Target.Digest
	}
	for _, rec := range all {
		if rec.Again || !slices.ContainsFunc(rec.Images, made) {
			continue
		}
		for _, doc := range rec.Attachments {
			if !strings.HasPrefix(doc.Type, kind) || doc.Platform != platformOf(img) {
				continue
			}
			text, err := history.Attachment(rec.ID, doc)
			if err != nil {
				return r, err
			}
			if r, err = provenance.Read(doc.Type, text); err == nil && r.Context == "" && filepath.IsAbs(rec.Context) {
				r.Context = rec.Context // a directory of this machine
			}
			return r, err
		}
	}
	return r, none
}

// remote asks the registry that the image came from.
func remote(ctx context.Context, e builds.Engine, name string, img image.Image) (r provenance.Recipe, err error) {
	ref := img.Source
	if ref.Repository == "" {
		if ref, err = reference.Parse(name); err != nil {
			return r, none
		}
	}
	registry, err := e.Registry()
	if err != nil {
		return r, err
	}
	from := &copy.Remote{Repo: linked.Client(registry).Repository(ref.Registry, ref.Repository)}
	m, err := from.Resolve(ctx, ref.Object())
	if err != nil {
		return r, err
	}
	if !manifest.IsIndex(m.Descriptor.MediaType) {
		return r, none
	}
	return inIndex(ctx, from, m.Body, img.Descriptor.Digest)
}
