// Package migrate takes over what the storage folder of another registry holds:
// that of CNCF Distribution, which docker-registry, Harbor and GitLab build upon.
//
//	blobs/ALG/XX/HEX/data                              bytes
//	repositories/NAME/_manifests/revisions/ALG/HEX/link   a manifest is in the repository
//	repositories/NAME/_manifests/tags/TAG/current/link    what the tag names
//
// It reads the folder and never changes it. Every content is hashed as it comes, and
// what is here already is left alone, so a run that was cut off is begun again.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/reference"
)

// Done counts what a Run has found, and what of it was not here before.
type Done struct {
	Repositories, Manifests, Tags int
	Added                         int   // manifests
	Blobs                         int   // that were copied
	Bytes                         int64 // of them
}

// layout is where the folder's root has it.
const layout = "docker/registry/v2"

// maxManifest is the largest manifest that is read.
const maxManifest = 4 << 20

// copiers is how many blobs of one manifest are copied at once.
const copiers = 4

// Run copies what the folder holds into a registry, whose rights ctx must carry.
// problem is told of what cannot be taken over; the rest goes on. The folder is the
// one that has docker/registry/v2, or that one itself.
func Run(ctx context.Context, folder string, to distribution.Registry, problem func(error)) (Done, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return Done{}, fmt.Errorf("opening the other registry's storage: %w", err)
	}
	defer root.Close()
	m := &migration{from: root.FS(), to: to, problem: problem}
	for _, base := range []string{layout, "."} {
		if fi, err := fs.Stat(m.from, path.Join(base, "repositories")); err == nil && fi.IsDir() {
			m.base = base
		}
	}
	if m.base == "" {
		return Done{}, errdefs.Errorf(errdefs.ErrInvalid, "%s holds no %s/repositories: it is no registry's storage",
			folder, layout)
	}
	err = m.repositories(ctx)
	m.done.Blobs, m.done.Bytes = int(m.blobs.Load()), m.bytes.Load()
	return m.done, err
}

type migration struct {
	from    fs.FS
	base    string
	to      distribution.Registry
	problem func(error)
	done    Done

	blobs, bytes atomic.Int64
}

// repositories walks the tree of names.
func (m *migration) repositories(ctx context.Context) error {
	top := path.Join(m.base, "repositories")
	return fs.WalkDir(m.from, top, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !e.IsDir() || name == top:
			return nil
		case strings.HasPrefix(e.Name(), "_"): // no component of a repository's name begins so
			return fs.SkipDir
		}
		if _, err := fs.Stat(m.from, path.Join(name, "_manifests")); err != nil {
			return nil //nolint:nilerr // a folder on the way to repositories
		}
		return m.repository(ctx, strings.TrimPrefix(name, top+"/"))
	})
}

// repository takes over one. Only what ends everything is its error.
func (m *migration) repository(ctx context.Context, name string) error {
	if !reference.ValidRepository(name) {
		m.problem(errdefs.Errorf(errdefs.ErrInvalid, "repository %q: that is no repository's name here", name))
		return nil
	}
	r := &repository{migration: m, name: name, tags: map[digest.Digest][]string{}, state: map[digest.Digest]error{}}
	err := r.readTags()
	if err != nil {
		return err
	}
	if r.known, err = r.revisions(); err != nil {
		return err
	}
	m.done.Repositories++
	for _, dgst := range r.known {
		err := r.manifest(ctx, dgst)
		if ctx.Err() != nil || errors.Is(err, errdefs.ErrUnavailable) || errors.Is(err, errdefs.ErrExhausted) {
			return err
		}
	}
	for dgst, tags := range r.tags {
		if !slices.Contains(r.known, dgst) {
			m.problem(errdefs.Errorf(errdefs.ErrNotFound, "repository %s: tags %s name %s, which is not there", name,
				strings.Join(tags, ", "), dgst))
		}
	}
	return nil
}

// repository is one that is being taken over.
type repository struct {
	*migration
	name  string
	known []digest.Digest // of manifests
	tags  map[digest.Digest][]string
	state map[digest.Digest]error // of manifests that were tried
}

func (r *repository) path(elem ...string) string {
	return path.Join(append([]string{r.base, "repositories", r.name, "_manifests"}, elem...)...)
}

func (r *repository) readTags() error {
	entries, err := r.entries(r.path("tags"))
	for _, e := range entries {
		b, err := fs.ReadFile(r.from, r.path("tags", e.Name(), "current", "link"))
		dgst := digest.Digest(strings.TrimSpace(string(b)))
		if err == nil {
			err = dgst.Validate()
		}
		if err != nil || !reference.ValidTag(e.Name()) {
			r.problem(errdefs.Errorf(errdefs.ErrInvalid, "repository %s: tag %q names nothing that can be read: %v",
				r.name, e.Name(), err))
			continue
		}
		r.done.Tags++
		r.tags[dgst] = append(r.tags[dgst], e.Name())
	}
	return err
}

// entries of a folder that need not be there.
func (m *migration) entries(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(m.from, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func (r *repository) revisions() (all []digest.Digest, err error) {
	for _, alg := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		entries, err := r.entries(r.path("revisions", alg.String()))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			dgst := digest.NewDigestFromEncoded(alg, e.Name())
			_, err := fs.Stat(r.from, r.path("revisions", alg.String(), e.Name(), "link"))
			if dgst.Validate() == nil && err == nil { // a deleted one has no link
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
		r.problem(fmt.Errorf("repository %s: manifest %s: %w", r.name, dgst, err))
	}
	return err
}

func (r *repository) take(ctx context.Context, dgst digest.Digest) error {
	r.done.Manifests++
	if here, err := r.here(ctx, dgst); here || err != nil {
		return err
	}
	body, err := r.read(dgst)
	if err != nil {
		return err
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
	_, err = r.to.PutManifest(ctx, r.name, distribution.Manifest{Descriptor: desc, Body: body}, r.tags[dgst]...)
	if err == nil {
		r.done.Added++
	}
	return err
}

// here says whether a run before this one took the manifest over, and its tags.
func (r *repository) here(ctx context.Context, dgst digest.Digest) (bool, error) {
	_, err := r.to.StatManifest(ctx, r.name, dgst)
	for _, tag := range r.tags[dgst] {
		if err == nil {
			var named ocispec.Descriptor
			if named, err = r.to.StatTag(ctx, r.name, tag); err == nil && named.Digest != dgst {
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

// read reads a manifest; its digest is checked by who takes it.
func (m *migration) read(dgst digest.Digest) ([]byte, error) {
	f, err := m.from.Open(m.data(dgst))
	if err != nil {
		return nil, lost(err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(body) > maxManifest {
		err = errdefs.Errorf(errdefs.ErrInvalid, "it is larger than %d bytes", maxManifest)
	}
	return body, err
}

func lost(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errdefs.Errorf(errdefs.ErrNotFound, "its bytes are not in the other registry's storage")
	}
	return err
}

// blob takes over one, unless it is here.
func (r *repository) blob(ctx context.Context, desc ocispec.Descriptor) error {
	_, err := r.to.StatBlob(ctx, r.name, desc.Digest)
	if errors.Is(err, errdefs.ErrNotFound) {
		_, err = r.to.MountBlob(ctx, r.name, "", desc.Digest)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		err = r.upload(ctx, desc.Digest)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	return nil
}

func (r *repository) upload(ctx context.Context, dgst digest.Digest) (err error) {
	f, err := r.from.Open(r.data(dgst))
	if err != nil {
		return lost(err)
	}
	defer f.Close()
	up, err := r.to.StartUpload(ctx, r.name)
	if err != nil {
		return err
	}
	defer up.Close()
	n, err := io.Copy(up, f)
	if err == nil {
		_, err = up.Commit(ctx, dgst)
	}
	if err != nil {
		_ = up.Cancel(context.WithoutCancel(ctx)) // else it expires
		return err
	}
	r.blobs.Add(1)
	r.bytes.Add(n)
	return nil
}
