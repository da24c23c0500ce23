package distributiontest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
)

// Memory is a registry whose bytes are in a content store and whose meaning is
// in maps: the smallest thing that fulfils the contract. It forgets everything
// with the process.
type Memory struct {
	store content.Store

	mu      sync.Mutex
	repos   map[string]*repo
	uploads map[string]string // id to repository
}

type repo struct {
	blobs     map[digest.Digest]ocispec.Descriptor
	manifests map[digest.Digest]stored
	tags      map[string]digest.Digest
}

type stored struct {
	distribution.Manifest
	subject digest.Digest
	extra   map[string]string
}

// NewMemory returns an empty registry over store.
func NewMemory(store content.Store) *Memory {
	return &Memory{store: store, repos: make(map[string]*repo), uploads: make(map[string]string)}
}

func (m *Memory) repo(name string) *repo {
	r := m.repos[name]
	if r == nil {
		r = &repo{
			blobs: make(map[digest.Digest]ocispec.Descriptor), manifests: make(map[digest.Digest]stored),
			tags: make(map[string]digest.Digest),
		}
		m.repos[name] = r
	}
	return r
}

func unknown(what string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "%s unknown", what)
}

func noRepository(name string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "%s: %w", name, distribution.ErrNoRepository)
}

// StatBlob is distribution.BlobReader's.
func (m *Memory) StatBlob(_ context.Context, name string, dgst digest.Digest) (ocispec.Descriptor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repos[name]
	if r == nil {
		return ocispec.Descriptor{}, noRepository(name)
	}
	if desc, ok := r.blobs[dgst]; ok {
		return desc, nil
	}
	return ocispec.Descriptor{}, unknown("blob " + dgst.String())
}

// OpenBlob is distribution.BlobReader's.
func (m *Memory) OpenBlob(ctx context.Context, name string, dgst digest.Digest) (content.Reader, error) {
	desc, err := m.StatBlob(ctx, name, dgst)
	if err != nil {
		return nil, err
	}
	return m.store.Open(ctx, desc)
}

// StartUpload is distribution.BlobWriter's.
func (m *Memory) StartUpload(ctx context.Context, name string) (distribution.Upload, error) {
	id := rand.Text()
	m.mu.Lock()
	m.uploads[id] = name
	m.mu.Unlock()
	return m.ResumeUpload(ctx, name, id)
}

// ResumeUpload is distribution.BlobWriter's.
func (m *Memory) ResumeUpload(ctx context.Context, name, id string) (distribution.Upload, error) {
	m.mu.Lock()
	in, ok := m.uploads[id]
	m.mu.Unlock()
	if !ok || in != name {
		return nil, unknown("upload")
	}
	w, err := m.store.Begin(ctx, "upload/"+id)
	if err != nil {
		return nil, err
	}
	return &upload{Writer: w, m: m, repo: name, id: id}, nil
}

// MountBlob is distribution.BlobWriter's.
func (m *Memory) MountBlob(_ context.Context, name, from string, dgst digest.Digest) (ocispec.Descriptor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for source, r := range m.repos {
		if desc, ok := r.blobs[dgst]; ok && (from == "" || from == source) {
			m.repo(name).blobs[dgst] = desc
			return desc, nil
		}
	}
	return ocispec.Descriptor{}, unknown("blob " + dgst.String())
}

type upload struct {
	content.Writer
	m        *Memory
	repo, id string
}

func (u *upload) ID() string { return u.id }

func (u *upload) Commit(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: dgst, Size: u.Offset()}
	err := u.Writer.Commit(ctx, ocispec.Descriptor{Digest: dgst})
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	delete(u.m.uploads, u.id)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	u.m.repo(u.repo).blobs[dgst] = desc
	return desc, nil
}

func (u *upload) Cancel(ctx context.Context) error {
	u.m.mu.Lock()
	delete(u.m.uploads, u.id)
	u.m.mu.Unlock()
	if err := u.Close(); err != nil {
		return err
	}
	return u.m.store.Abort(ctx, "upload/"+u.id)
}

// StatManifest is distribution.ManifestReader's.
func (m *Memory) StatManifest(ctx context.Context, name string, dgst digest.Digest) (ocispec.Descriptor, error) {
	got, err := m.GetManifest(ctx, name, dgst)
	return got.Descriptor, err
}

// StatTag is distribution.TagReader's.
func (m *Memory) StatTag(ctx context.Context, name, tag string) (ocispec.Descriptor, error) {
	got, err := m.GetTag(ctx, name, tag)
	return got.Descriptor, err
}

// GetManifest is distribution.ManifestReader's.
func (m *Memory) GetManifest(_ context.Context, name string, dgst digest.Digest) (distribution.Manifest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.manifest(name, dgst)
}

// GetTag is distribution.TagReader's.
func (m *Memory) GetTag(_ context.Context, name, tag string) (distribution.Manifest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.repos[name]; r != nil {
		if dgst, ok := r.tags[tag]; ok {
			return m.manifest(name, dgst)
		}
		return distribution.Manifest{}, unknown("tag " + tag)
	}
	return distribution.Manifest{}, noRepository(name)
}

func (m *Memory) manifest(name string, dgst digest.Digest) (distribution.Manifest, error) {
	r := m.repos[name]
	if r == nil {
		return distribution.Manifest{}, noRepository(name)
	}
	if s, ok := r.manifests[dgst]; ok {
		return s.Manifest, nil
	}
	return distribution.Manifest{}, unknown("manifest " + dgst.String())
}

// PutManifest is distribution.ManifestWriter's.
func (m *Memory) PutManifest(
	ctx context.Context, name string, in distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	doc, err := manifest.Parse(in.Descriptor.MediaType, in.Body)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repo(name)
	if missing := r.missing(doc); missing != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "%w", missing)
	}
	if err := r.asDescribed(doc); err != nil {
		return "", err
	}
	if p, ok := distribution.PreconditionOf(ctx); ok {
		if err := p.Check(r.current(p.Tag, in.Descriptor.Digest)); err != nil {
			return "", err
		}
	}
	s := stored{Manifest: in, extra: doc.Annotations}
	s.Descriptor.ArtifactType = doc.ArtifactType
	if doc.Subject != nil {
		s.subject = doc.Subject.Digest
	}
	r.manifests[in.Descriptor.Digest] = s
	for _, tag := range tags {
		r.tags[tag] = in.Descriptor.Digest
	}
	return s.subject, nil
}

// current is what a tag names, or the manifest dgst without one, if it is there.
func (r *repo) current(tag string, dgst digest.Digest) digest.Digest {
	if tag != "" {
		return r.tags[tag]
	}
	return r.manifests[dgst].Descriptor.Digest
}

func (r *repo) missing(doc *manifest.Manifest) *distribution.MissingError {
	var out distribution.MissingError
	for _, d := range doc.Blobs() {
		if _, ok := r.blobs[d.Digest]; !ok {
			out.Digests = append(out.Digests, d.Digest)
		}
	}
	for _, d := range doc.Manifests {
		if _, ok := r.manifests[d.Digest]; !ok {
			out.Digests = append(out.Digests, d.Digest)
		}
	}
	if out.Digests == nil {
		return nil
	}
	return &out
}

// asDescribed checks that what doc refers to is what it says.
func (r *repo) asDescribed(doc *manifest.Manifest) error {
	for _, d := range doc.Needs() {
		have := r.blobs[d.Digest]
		if d.Child {
			have = r.manifests[d.Digest].Descriptor
		}
		if have.Size != d.Size || d.Child && have.MediaType != d.MediaType {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s has %d bytes and the type %q, the manifest says %d and %q",
				d.Digest, have.Size, have.MediaType, d.Size, d.MediaType)
		}
	}
	for _, d := range doc.Mentions() {
		have, ok := r.blobs[d.Digest]
		if !ok {
			have, ok = r.manifests[d.Digest].Descriptor, r.manifests[d.Digest].Descriptor.Size > 0
		}
		if ok && have.Size != d.Size {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s has %d bytes, the manifest says %d", d.Digest, have.Size, d.Size)
		}
	}
	return nil
}

// DeleteBlob is distribution.Deleter's.
func (m *Memory) DeleteBlob(ctx context.Context, name string, dgst digest.Digest) error {
	if _, err := m.StatBlob(ctx, name, dgst); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.repos[name].blobs, dgst)
	return nil
}

// DeleteManifest is distribution.Deleter's.
func (m *Memory) DeleteManifest(ctx context.Context, name string, dgst digest.Digest) error {
	if _, err := m.StatManifest(ctx, name, dgst); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repos[name]
	delete(r.manifests, dgst)
	for tag, at := range r.tags {
		if at == dgst {
			delete(r.tags, tag)
		}
	}
	return nil
}

// DeleteTag is distribution.Deleter's.
func (m *Memory) DeleteTag(_ context.Context, name, tag string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.repos[name]; r != nil {
		if _, ok := r.tags[tag]; ok {
			delete(r.tags, tag)
			return nil
		}
	}
	return unknown("tag " + tag)
}

// Tags is distribution.Lister's.
func (m *Memory) Tags(_ context.Context, name string, p distribution.Page) ([]string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repos[name]
	if r == nil {
		return nil, false, unknown("repository " + name)
	}
	return page(r.tags, p)
}

// Repositories is distribution.Lister's.
func (m *Memory) Repositories(_ context.Context, p distribution.Page) ([]string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return page(m.repos, p)
}

func page[V any](all map[string]V, p distribution.Page) (names []string, more bool, err error) {
	for name := range all {
		if name > p.Last {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if p.N > 0 && len(names) > p.N {
		return names[:p.N], true, nil
	}
	return names, false, nil
}

// Referrers is distribution.Lister's.
func (m *Memory) Referrers(
	_ context.Context, name string, q distribution.ReferrersQuery,
) (page []ocispec.Descriptor, more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []ocispec.Descriptor
	if r := m.repos[name]; r != nil {
		for _, s := range r.manifests {
			if s.subject == q.Subject && (q.ArtifactType == "" || q.ArtifactType == s.Descriptor.ArtifactType) {
				desc := s.Descriptor
				desc.Annotations = s.extra
				all = append(all, desc)
			}
		}
	}
	slices.SortFunc(all, func(a, b ocispec.Descriptor) int { return compare(a.Digest, b.Digest) })
	size := 0
	for _, desc := range all {
		if desc.Digest.String() <= q.Last {
			continue
		}
		text, err := json.Marshal(desc)
		if err != nil {
			return nil, false, err
		}
		if size += len(text) + 1; len(page) > 0 && (size > distribution.MaxReferrers || len(page) == q.N) {
			return page, true, nil
		}
		page = append(page, desc)
	}
	return page, false, nil
}
