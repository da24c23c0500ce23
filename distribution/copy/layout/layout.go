// Package layout is a directory in the OCI image layout as an end of a copy.
//
// Blobs are kept by content/fsstore, tags are entries of index.json whose
// annotation org.opencontainers.image.ref.name says so, as the image
// specification has it ("image-layout", index.json). Referrers are entries
// without a tag. Layouts of other tools are read as they are, and what they wrote
// into index.json stays.
package layout

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/fsstore"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
	"cove/reference"
)

// maxIndex bounds an index.json that is read.
const maxIndex = 32 << 20

// Dir is a layout: a copy.Source and copy.Target. It is safe for concurrent use;
// several processes may write to one directory.
type Dir struct {
	copy.Store // of the blobs

	path  string
	root  *os.Root
	store *fsstore.Store

	made     []string // folders that Create made and Close takes away
	occupied string   // the file that keeps others from that

	mu       sync.Mutex
	subjects map[digest.Digest][]ocispec.Descriptor // of what index.json lists; nil before the first question
}

var (
	_ copy.Source = (*Dir)(nil)
	_ copy.Target = (*Dir)(nil)
)

// Open opens the layout at path to be read. It is errdefs.ErrNotFound when there is
// no layout, and changes nothing.
func Open(path string) (*Dir, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%s: there is no such directory", path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if _, err := root.Stat(ocispec.ImageLayoutFile); err != nil {
		root.Close()
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%s: is no OCI layout: it has no file %s", path,
			ocispec.ImageLayoutFile)
	}
	return open(path, root)
}

// Create opens the layout at path to be written to, and makes it where there is
// nothing or an empty directory. Anything else is errdefs.ErrConflict.
func Create(path string) (*Dir, error) {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case len(entries) > 0 && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == ocispec.ImageLayoutFile
	}):
		return nil, errdefs.Errorf(errdefs.ErrConflict, "%s: is neither empty nor an OCI layout", path)
	}
	made := missing(path)
	store, err := fsstore.Open(path, fsstore.Options{}) // makes it, too
	if err != nil {
		return nil, err
	}
	store.Close()
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	// Other tools make only what they use.
	if err := root.MkdirAll("blobs/sha256", 0o755); err != nil {
		root.Close()
		return nil, err
	}
	d, err := open(path, root)
	if err == nil {
		d.made = made
		if err = d.occupy(); err != nil {
			err = errors.Join(err, d.Close())
		}
	}
	return d, err
}

// writes and leases are folders of fsstore that the image layout does not know.
const (
	writes = "ingest"
	leases = "leases"
)

// missing are those that are not there yet. One that is there may be in use.
func missing(path string) (dirs []string) {
	for _, dir := range []string{writes, leases} {
		if _, err := os.Stat(filepath.Join(path, dir)); errors.Is(err, fs.ErrNotExist) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// occupy puts a file in the folder of writes, so that nobody who closes the layout
// takes the folder away.
func (d *Dir) occupy() error {
	for {
		if err := d.root.Mkdir(writes, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		name := writes + "/open-" + rand.Text()
		f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			d.occupied = name
			return f.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) { // taken away in between
			return err
		}
	}
}

func open(path string, root *os.Root) (*Dir, error) {
	store, err := fsstore.Open(path, fsstore.Options{})
	if err != nil {
		root.Close()
		return nil, err
	}
	return &Dir{Store: copy.Store{Content: store}, path: path, root: root, store: store}, nil
}

// Close leaves a layout that Create made as the specification has it, unless others
// have it open or writes that were cut wait to be gone on with.
func (d *Dir) Close() error {
	if d.occupied != "" {
		_ = d.root.Remove(d.occupied)
	}
	for _, dir := range d.made {
		_ = d.root.Remove(dir) // fails while something is in it, which is meant
	}
	return errors.Join(d.store.Close(), d.root.Close())
}

// Tags lists the tags, sorted.
func (d *Dir) Tags() ([]string, error) {
	index, err := d.index()
	if err != nil {
		return nil, err
	}
	tags := map[string]bool{}
	for _, desc := range index.Manifests {
		if tag := tagOf(desc); tag != "" {
			tags[tag] = true
		}
	}
	return slices.Sorted(maps.Keys(tags)), nil
}

func tagOf(desc ocispec.Descriptor) string { return desc.Annotations[ocispec.AnnotationRefName] }

func (d *Dir) index() (index ocispec.Index, err error) {
	f, err := d.root.Open(ocispec.ImageIndexFile)
	if err != nil {
		return index, fmt.Errorf("%s: %w", d.path, err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err != nil {
		return index, fmt.Errorf("%s: %w", d.path, err)
	}
	if len(body) > maxIndex {
		return index, errdefs.Errorf(errdefs.ErrExhausted, "%s: %s has more than %d bytes", d.path,
			ocispec.ImageIndexFile, maxIndex)
	}
	if err := json.Unmarshal(body, &index); err != nil {
		return index, errdefs.Errorf(errdefs.ErrInvalid, "%s: %s: %w", d.path, ocispec.ImageIndexFile, err)
	}
	return index, nil
}

// Resolve is copy.Source's. A ref of "" is the one image of a layout that has only
// one.
func (d *Dir) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	if dgst, err := reference.ParseDigest(ref); err == nil {
		return d.read(ctx, ocispec.Descriptor{Digest: dgst})
	}
	index, err := d.index()
	if err != nil {
		return distribution.Manifest{}, err
	}
	if ref == "" {
		return d.only(ctx, index)
	}
	for _, desc := range index.Manifests {
		if tagOf(desc) == ref {
			return d.read(ctx, desc)
		}
	}
	return distribution.Manifest{}, errdefs.Errorf(errdefs.ErrNotFound, "%s: has no tag %s%s", d.path, ref,
		offer(index))
}

// only is the manifest of a layout that has one alone; what refers to another
// does not count.
func (d *Dir) only(ctx context.Context, index ocispec.Index) (distribution.Manifest, error) {
	var found []distribution.Manifest
	seen := map[digest.Digest]bool{}
	for _, desc := range index.Manifests {
		if seen[desc.Digest] || !manifest.IsManifest(desc.MediaType) || belongs(tagOf(desc)) {
			continue
		}
		seen[desc.Digest] = true
		m, doc, err := d.parsed(ctx, desc)
		if err != nil {
			return distribution.Manifest{}, err
		}
		if doc.Subject == nil {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return distribution.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: holds %d images; say which by its tag%s",
		d.path, len(found), offer(index))
}

// offer names the first tags there are.
func offer(index ocispec.Index) string {
	const most = 10
	var tags []string
	for _, desc := range index.Manifests {
		if tag := tagOf(desc); tag != "" && !slices.Contains(tags, tag) && len(tags) <= most {
			tags = append(tags, tag)
		}
	}
	switch {
	case len(tags) == 0:
		return ""
	case len(tags) > most:
		tags[most] = "…"
	}
	return "; it has " + strings.Join(tags, ", ")
}

func (d *Dir) read(ctx context.Context, desc ocispec.Descriptor) (distribution.Manifest, error) {
	m, err := d.Store.Resolve(ctx, desc.Digest.String())
	m.Descriptor.MediaType = desc.MediaType
	if err != nil {
		err = fmt.Errorf("%s: %w", d.path, err)
	}
	return m, err
}

func (d *Dir) parsed(ctx context.Context, desc ocispec.Descriptor) (distribution.Manifest, *manifest.Manifest, error) {
	m, err := d.read(ctx, desc)
	if err != nil {
		return m, nil, err
	}
	doc, err := manifest.Parse(desc.MediaType, m.Body)
	if err != nil {
		return m, nil, fmt.Errorf("%s: manifest %s: %w", d.path, desc.Digest, err)
	}
	m.Descriptor.MediaType = doc.MediaType
	return m, doc, nil
}

// Referrers is copy.Source's. They are looked for among the entries of index.json,
// and in the list that some tools keep under a tag made of the digest.
func (d *Dir) Referrers(ctx context.Context, subject digest.Digest) ([]ocispec.Descriptor, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.subjects == nil {
		if err := d.readSubjects(ctx); err != nil {
			return nil, err
		}
	}
	return d.subjects[subject], nil
}

// readSubjects finds which entries have which subject.
func (d *Dir) readSubjects(ctx context.Context) error {
	index, err := d.index()
	if err != nil {
		return err
	}
	subjects := map[digest.Digest][]ocispec.Descriptor{}
	seen := map[digest.Digest]bool{}
	entries := index.Manifests
	for i := 0; i < len(entries); i++ { // it grows
		desc := entries[i]
		if seen[desc.Digest] || !manifest.IsManifest(desc.MediaType) {
			continue
		}
		seen[desc.Digest] = true
		m, doc, err := d.parsed(ctx, desc)
		if err != nil {
			return err
		}
		if doc.Subject != nil {
			subjects[doc.Subject.Digest] = append(subjects[doc.Subject.Digest], m.Descriptor)
		}
		if isList(tagOf(desc)) {
			entries = append(entries, doc.Manifests...)
		}
	}
	d.subjects = subjects
	return nil
}

// belongs says that a tag is made of a digest, by the specification or by cosign:
// what has it belongs to the image of that digest.
func belongs(tag string) bool {
	name, _, _ := strings.Cut(tag, ".")
	return isList(name)
}

// isList says that a tag is one of the specification's "Referrers Tag Schema".
func isList(tag string) bool {
	_, err := reference.ParseDigest(strings.Replace(tag, "-", ":", 1))
	return err == nil
}

// PushManifest is copy.Target's. Whatever has a tag or a subject is entered in
// index.json, whose bytes are durable when this returns.
func (d *Dir) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	doc, err := manifest.Parse(m.Descriptor.MediaType, m.Body)
	if err == nil {
		err = d.Store.PushManifest(ctx, m, "")
	}
	if err != nil || tag == "" && doc.Subject == nil {
		return err
	}
	desc := m.Descriptor
	if doc.Subject != nil {
		desc.ArtifactType, desc.Annotations = doc.ArtifactType, maps.Clone(doc.Annotations)
		delete(desc.Annotations, ocispec.AnnotationRefName)
	}
	return d.enter(ctx, desc, tag)
}

// enter puts an entry in index.json, in place of any with its tag.
func (d *Dir) enter(ctx context.Context, desc ocispec.Descriptor, tag string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subjects = nil
	lock, err := d.root.OpenFile(ocispec.ImageLayoutFile, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := filelock.Lock(ctx, lock, filelock.Exclusive); err != nil {
		return errors.Join(err, lock.Close())
	}
	defer filelock.Release(lock)
	index, err := d.index()
	if err != nil {
		return err
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(old ocispec.Descriptor) bool {
		return tagOf(old) == tag && (tag != "" || old.Digest == desc.Digest)
	})
	if tag != "" {
		desc.Annotations = maps.Clone(desc.Annotations)
		if desc.Annotations == nil {
			desc.Annotations = map[string]string{}
		}
		desc.Annotations[ocispec.AnnotationRefName] = tag
	}
	index.Manifests = append(index.Manifests, desc)
	body, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.root, ocispec.ImageIndexFile, append(body, '\n'), 0o644, atomicfile.Durable)
}
