// Package names keeps what images are called.
//
// The truth is one small file per name, replaced atomically and durably, so
// that any number of processes can share it and any of them may be killed. The
// layout's index.json is a projection of those files, rewritten under the same
// lock, for other tools to read.
package names

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
)

// Record is one name, or an image that lost its last one.
type Record struct {
	// Name is the canonical reference; "" for an image without a name, of
	// which there is one record for each manifest.
	Name string `json:"name,omitempty"`
	// Target is the manifest or index that the name stands for.
	Target ocispec.Descriptor `json:"target"`
	// Image is the digest of the config that Target has on this machine.
	Image digest.Digest `json:"image"`
	// Origin is the digest under which the registry of Name knows the image,
	// set by pull and push.
	Origin digest.Digest `json:"origin,omitempty"`
	// Updated is when the name was last moved.
	Updated time.Time `json:"updated"`
}

const (
	suffix   = ".json"
	lockFile = ".lock"
	// RefName of an index.json entry is what tools call the image.
	containerdName = "io.containerd.image.name"
)

// file is the record's file name. A reference may be longer than a file name
// can be, and holds slashes: its hash is neither.
func (r Record) file() string {
	if r.Name == "" {
		return "untagged-" + r.Target.Digest.Encoded() + suffix
	}
	return file(r.Name)
}

func file(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:]) + suffix
}

// Set is the names of one image store. It is safe for concurrent use, by many
// processes.
type Set struct {
	dir    *os.Root
	layout *os.Root // where index.json goes
}

// Open opens the names in dir, which is made if needed, and projects them into
// the OCI layout at layout.
func Open(dir, layout string) (*Set, error) {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	} else if err == nil {
		err = atomicfile.SyncDir(atomicfile.Host{}, filepath.Dir(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("image names: %w", err)
	}
	d, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("image names: %w", err)
	}
	l, err := os.OpenRoot(layout)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("image names: %w", err), d.Close())
	}
	return &Set{dir: d, layout: l}, nil
}

// Close releases the folders.
func (s *Set) Close() error { return errors.Join(s.dir.Close(), s.layout.Close()) }

// Get returns the record of a canonical name, or errdefs.ErrNotFound.
func (s *Set) Get(name string) (Record, error) { return s.read(file(name), name) }

func (s *Set) read(file, name string) (Record, error) {
	b, err := s.dir.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, errdefs.Errorf(errdefs.ErrNotFound, "image %s: no such name here", name)
	}
	var r Record
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return Record{}, errdefs.Errorf(errdefs.ErrCorrupt, "image name file %s cannot be read: "+
			"pull, build or tag the image that is missing again, or remove the file: %w",
			filepath.Join(s.dir.Name(), file), err)
	}
	return r, nil
}

// All returns every record that can be read, sorted by name. It is a view of one moment:
// without the lock, a folder that is read while a record moves could show neither its
// old file nor its new one.
func (s *Set) All(ctx context.Context) (all []Record, err error) {
	err = s.View(ctx, func(found []Record) error { all = found; return nil })
	return all, err
}

// Whole is All, for who needs to know what nobody names: a record that cannot be read is
// errdefs.ErrCorrupt.
func (s *Set) Whole(ctx context.Context) (all []Record, err error) {
	lock, err := s.lock(ctx, filelock.Shared)
	if err != nil {
		return nil, err
	}
	defer filelock.Release(lock)
	all, broken, err := s.every(ctx)
	return all, errors.Join(err, broken)
}

// View calls look with every record, as All returns them, while none changes.
func (s *Set) View(ctx context.Context, look func([]Record) error) error {
	lock, err := s.lock(ctx, filelock.Shared)
	if err != nil {
		return err
	}
	defer filelock.Release(lock)
	all, err := s.all(ctx)
	if err != nil {
		return err
	}
	return look(all)
}

func (s *Set) all(ctx context.Context) ([]Record, error) {
	all, _, err := s.every(ctx)
	return all, err
}

// every reads all records; broken tells of those that cannot be read.
func (s *Set) every(ctx context.Context) (all []Record, broken, err error) {
	entries, err := fs.ReadDir(s.dir.FS(), ".")
	if err != nil {
		return nil, nil, fmt.Errorf("listing image names: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		r, err := s.read(e.Name(), e.Name())
		switch {
		case errors.Is(err, errdefs.ErrNotFound): // removed meanwhile
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
			return nil, nil, err
		case err != nil:
			broken = errors.Join(broken, err)
		default:
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Record) int {
		return strings.Compare(a.Name+" "+a.Target.Digest.String(), b.Name+" "+b.Target.Digest.String())
	})
	return all, broken, ctx.Err()
}

// Change is a transaction on a Set: while it runs, no other process changes a
// name.
type Change struct {
	s     *Set
	dirty bool
}

// Update runs change alone. What it put and deleted is durable when Update
// returns; when change fails, what it did until then stands.
func (s *Set) Update(ctx context.Context, change func(*Change) error) error {
	lock, err := s.lock(ctx, filelock.Exclusive)
	if err != nil {
		return err
	}
	defer filelock.Release(lock)
	c := &Change{s: s}
	err = change(c)
	if !c.dirty {
		return err
	}
	return errors.Join(err, atomicfile.SyncDir(s.dir, "."), s.project(ctx))
}

func (s *Set) lock(ctx context.Context, kind filelock.Kind) (*os.File, error) {
	f, err := s.dir.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("image names: %w", err)
	}
	if err := filelock.Lock(ctx, f, kind); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Get is Set.Get.
func (c *Change) Get(name string) (Record, error) { return c.s.Get(name) }

// All is Set.All.
func (c *Change) All(ctx context.Context) ([]Record, error) { return c.s.all(ctx) }

// Put writes a record over any of its name.
func (c *Change) Put(r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	c.dirty = true
	if err := atomicfile.Write(c.s.dir, r.file(), b, 0o644, atomicfile.Synced); err != nil {
		return diskError("writing image name "+r.Name, err)
	}
	return nil
}

// Delete removes a record; that it is not there is no error.
func (c *Change) Delete(r Record) error {
	c.dirty = true
	if err := c.s.dir.Remove(r.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing image name %s: %w", r.Name, err)
	}
	return nil
}

// project rewrites index.json. It need not be durable: the next change
// rewrites it, and nothing of cove reads it. The lock is held, so a temporary
// file that is there now was left by a kill.
func (s *Set) project(ctx context.Context) error {
	if err := errors.Join(removeTemps(s.dir), removeTemps(s.layout)); err != nil {
		return err
	}
	all, err := s.all(ctx)
	if err != nil {
		return err
	}
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	index.SchemaVersion = 2
	for _, r := range all {
		desc := r.Target
		desc.Annotations = nil
		if r.Name == "" {
			index.Manifests = append(index.Manifests, desc)
			continue
		}
		// Both what tools and what people call it.
		for _, name := range slices.Compact([]string{r.Name, r.Called()}) {
			desc.Annotations = map[string]string{ocispec.AnnotationRefName: name, containerdName: r.Name}
			index.Manifests = append(index.Manifests, desc)
		}
	}
	b, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	// A name is taken away on a full disk, too, when room is to be made.
	if err := atomicfile.WriteFull(s.layout, ocispec.ImageIndexFile, b, 0o644, atomicfile.Volatile); err != nil {
		return diskError("writing index.json", err)
	}
	return nil
}

func removeTemps(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	errs := []error{err, d.Close()}
	for _, name := range names {
		if atomicfile.IsTemp(name) {
			errs = append(errs, dir.Remove(name))
		}
	}
	return errors.Join(errs...)
}

func diskError(what string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return errdefs.Errorf(errdefs.ErrExhausted, "%s: the disk is full: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
