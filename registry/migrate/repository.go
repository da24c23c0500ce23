package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/reference"
)

// repository is one that is being taken over.
type repository struct {
	*migration
	name  string
	known []digest.Digest // of manifests
	tags  map[digest.Digest][]string
	state map[digest.Digest]error // of manifests that were tried

	counting sync.Mutex // blobs and tags come several at once
	count    Count
}

func newRepository(m *migration, name string) *repository {
	return &repository{
		migration: m, name: name, tags: map[digest.Digest][]string{}, state: map[digest.Digest]error{},
	}
}

func (r *repository) run(ctx context.Context) (err error) {
	if !validName(r.name) {
		r.problem(invalidName(r.name))
		return nil
	}
	if err := r.readTags(ctx); err != nil {
		return err
	}
	if r.known, err = r.revisions(ctx); err != nil {
		return err
	}
	for _, dgst := range r.known {
		if err := r.manifest(ctx, dgst); ends(ctx, err) {
			return err
		}
	}
	for dgst, tags := range r.tags {
		if !slices.Contains(r.known, dgst) {
			r.problem(errdefs.Errorf(errdefs.ErrNotFound, "repository %s: tags %s name %s, which is not there", r.name,
				strings.Join(tags, ", "), dgst))
		}
	}
	return nil
}

func (r *repository) path(elem ...string) string {
	return path.Join(append([]string{r.base, "repositories", r.name, "_manifests"}, elem...)...)
}

func (r *repository) readTags(ctx context.Context) error {
	if r.Tags != nil {
		r.given()
		return nil
	}
	entries, err := r.From.List(ctx, r.path("tags"))
	if err != nil {
		return err
	}
	err = limit.Each(ctx, readers, slices.Values(entries), r.readTag)
	for _, tags := range r.tags {
		slices.Sort(tags)
	}
	return err
}

func (r *repository) readTag(ctx context.Context, entry string) error {
	tag := strings.TrimSuffix(entry, "/")
	b, err := r.From.Read(ctx, r.path("tags", tag, "current", "link"), maxLink)
	if errors.Is(err, errdefs.ErrUnavailable) {
		return err
	}
	dgst := digest.Digest(strings.TrimSpace(string(b)))
	if err == nil {
		err = dgst.Validate()
	}
	if err == nil && !reference.ValidTag(tag) {
		err = errors.New("that is no tag's name here")
	}
	if err != nil {
		r.problem(errdefs.Errorf(errdefs.ErrInvalid, "repository %s: tag %q names nothing that can be read: %w",
			r.name, tag, err))
		return nil
	}
	r.counting.Lock()
	defer r.counting.Unlock()
	r.count.Tags++
	r.tags[dgst] = append(r.tags[dgst], tag)
	return nil
}

func (r *repository) revisions(ctx context.Context) (all []digest.Digest, err error) {
	for _, alg := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		// A deleted one has no link.
		names, err := r.From.Marked(ctx, r.path("revisions", alg.String()), "link")
		if err != nil {
			return nil, err
		}
		for _, hex := range names {
			if dgst := digest.NewDigestFromEncoded(alg, hex); dgst.Validate() == nil {
				all = append(all, dgst)
			}
		}
	}
	return all, nil
}

// manifest takes over one, after what it needs; what is wrong with it is told once.
func (r *repository) manifest(ctx context.Context, dgst digest.Digest) error {
	if err, tried := r.state[dgst]; tried {
		return err
	}
	r.state[dgst] = errdefs.Errorf(errdefs.ErrInvalid, "it needs itself")
	err := r.take(ctx, dgst)
	if r.state[dgst] = err; err != nil && ctx.Err() == nil {
		err = fmt.Errorf("repository %s: manifest %s: %w", r.name, dgst, err)
		r.problem(err)
	}
	return err
}

func (r *repository) take(ctx context.Context, dgst digest.Digest) error {
	r.count.Manifests++
	if here, err := r.here(ctx, dgst); here || err != nil {
		return err
	}
	body, err := r.From.Read(ctx, r.data(dgst), maxManifest)
	if err != nil {
		return lost(err)
	}
	doc, err := manifest.Parse("", body)
	if err != nil {
		return err
	}
	for _, child := range doc.Manifests {
		if manifest.IsManifest(child.MediaType) && slices.Contains(r.known, child.Digest) {
			if err := r.manifest(ctx, child.Digest); err != nil {
				return fmt.Errorf("its part %s: %w", child.Digest, err)
			}
		}
	}
	var blobs []ocispec.Descriptor
	for _, need := range doc.Needs() {
		if !need.Child {
			blobs = append(blobs, need.Descriptor)
		}
	}
	if err := limit.Each(ctx, copiers, slices.Values(blobs), r.blob); err != nil {
		return err
	}
	desc := ocispec.Descriptor{
		MediaType: doc.MediaType, Digest: dgst, Size: int64(len(body)), ArtifactType: doc.ArtifactType,
	}
	_, err = r.To.PutManifest(ctx, r.name, distribution.Manifest{Descriptor: desc, Body: body}, r.tags[dgst]...)
	if err == nil {
		r.count.Added++
	}
	return err
}

// here says whether a run before this one took the manifest over, and its tags.
func (r *repository) here(ctx context.Context, dgst digest.Digest) (bool, error) {
	_, err := r.To.StatManifest(ctx, r.name, dgst)
	for _, tag := range r.tags[dgst] {
		if err == nil {
			var named ocispec.Descriptor
			if named, err = r.To.StatTag(ctx, r.name, tag); err == nil && named.Digest != dgst {
				return false, nil
			}
		}
	}
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt) {
		return false, nil
	}
	return err == nil, err
}

// data is where the bytes of a digest are.
func (m *migration) data(dgst digest.Digest) string {
	hex := dgst.Encoded()
	return path.Join(m.base, "blobs", dgst.Algorithm().String(), hex[:2], hex, "data")
}

func lost(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrNotFound, "its bytes are not in the other registry's storage")
	}
	return err
}

// blob takes over one, unless it is here.
func (r *repository) blob(ctx context.Context, desc ocispec.Descriptor) error {
	unlock, err := r.blobs.Lock(ctx, desc.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	_, err = r.To.StatBlob(ctx, r.name, desc.Digest)
	if errors.Is(err, errdefs.ErrNotFound) {
		_, err = r.To.MountBlob(ctx, r.name, "", desc.Digest)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		err = r.bring(ctx, desc)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	return nil
}

func (r *repository) bring(ctx context.Context, desc ocispec.Descriptor) (err error) {
	n := desc.Size
	if r.Give == nil {
		n, err = r.upload(ctx, desc.Digest)
	} else {
		err = r.give(ctx, desc)
	}
	if err != nil {
		return lost(err)
	}
	r.counting.Lock()
	defer r.counting.Unlock()
	r.count.Blobs++
	r.count.Bytes += n
	return nil
}

// give has the storage get the bytes where they are.
func (r *repository) give(ctx context.Context, desc ocispec.Descriptor) error {
	if desc.Size == 0 && desc.Digest != desc.Digest.Algorithm().FromBytes(nil) {
		return errdefs.Errorf(errdefs.ErrInvalid, "its size is 0 in a manifest, and its digest is of something")
	}
	return r.To.Own(ctx, r.name, desc, func(ctx context.Context) error {
		err := r.Give(ctx, r.data(desc.Digest), desc)
		if errors.Is(err, errdefs.ErrUnsupported) {
			return stopError{err}
		}
		return err
	})
}

func (r *repository) upload(ctx context.Context, dgst digest.Digest) (n int64, err error) {
	f, err := r.From.Open(ctx, r.data(dgst))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	up, err := r.To.StartUpload(ctx, r.name)
	if err != nil {
		return 0, err
	}
	defer up.Close()
	if n, err = io.Copy(up, f); err == nil {
		_, err = up.Commit(ctx, dgst)
	}
	if err != nil {
		_ = up.Cancel(context.WithoutCancel(ctx)) // else it expires
	}
	return n, err
}
