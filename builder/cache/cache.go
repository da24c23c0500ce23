// Package cache remembers what build steps made.
//
// It is a keyed store of small records, one file each: a lookup is one open,
// never a scan. A file beside it has a byte for each time it was used again.
// Several processes share one directory without locks, because a record is
// written whole (temp, rename) and means the same whoever wrote it.
// It is derived: losing a record costs time. Records say what a layer is; the
// bytes are in the content store and the snapshots, which a garbage collector
// keeps by asking Roots.
package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/layers"
)

// Record is what one step made.
type Record struct {
	// DiffID is the layer's, "" for a step that changed no file.
	DiffID layers.DiffID `json:"diffID,omitempty"`
	// Chain names the snapshot of the whole result.
	Chain layers.ChainID `json:"chain,omitempty"`
	// Blob is the packed layer; its digest is "" while no image needed it.
	Blob ocispec.Descriptor `json:"blob,omitzero"`
	// Read is which file of this machine the blob was when it was last read, see Intact.
	Read string `json:"read,omitempty"`
	// Created is when the step was executed. An image that is built again from
	// records has the times, and so the id, of the first.
	Created time.Time `json:"created,omitzero"`
	// Step is the instruction, for people.
	Step string `json:"step,omitempty"`
	// Took is how long the step ran.
	Took time.Duration `json:"took,omitempty"`
}

// Store keeps records in a directory. It is safe for concurrent use.
type Store struct {
	dir string
	now func() time.Time
}

// touchAfter is how old a record's use may be before a new one is noted.
const touchAfter = time.Minute

// Open opens the store in dir, which is made when it is first written to.
func Open(dir string, now func() time.Time) *Store { return &Store{dir: dir, now: now} }

func (s *Store) path(key digest.Digest) string {
	hex := key.Encoded()
	return filepath.Join(s.dir, hex[:2], hex+".json")
}

// Get returns the record of a key and notes that it was used. A key that is
// not known, or whose record cannot be read, is errdefs.ErrNotFound.
func (s *Store) Get(_ context.Context, key digest.Digest) (Record, error) {
	if err := key.Validate(); err != nil {
		return Record{}, errdefs.Errorf(errdefs.ErrInvalid, "build cache: key: %w", err)
	}
	r, used, err := read(s.path(key))
	if err != nil {
		return Record{}, err
	}
	if now := s.now(); now.Sub(used) > touchAfter {
		_ = os.Chtimes(s.path(key), now, now) // the worst is to be forgotten early
	}
	s.count(key)
	return r, nil
}

// count notes one more use. Appending needs no lock, and a use that is not noted, as on
// a full disk, is no loss.
func (s *Store) count(key digest.Digest) {
	f, err := os.OpenFile(s.uses(key), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write([]byte{'.'})
	_ = f.Close()
}

func (s *Store) uses(key digest.Digest) string {
	return strings.TrimSuffix(s.path(key), ".json") + ".uses"
}

func read(path string) (Record, time.Time, error) {
	var r Record
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return r, time.Time{}, errdefs.Errorf(errdefs.ErrNotFound, "build cache: no record")
		}
		return r, time.Time{}, fmt.Errorf("build cache: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil {
		err = json.NewDecoder(f).Decode(&r)
	}
	if err != nil {
		return Record{}, time.Time{}, errdefs.Errorf(errdefs.ErrNotFound, "build cache: record %s: %w",
			filepath.Base(path), err)
	}
	return r, st.ModTime(), nil
}

// Put writes the record of a key over any that is there.
func (s *Store) Put(_ context.Context, key digest.Digest, r Record) error {
	if err := key.Validate(); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "build cache: key: %w", err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("build cache: %w", err)
	}
	path := s.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("build cache: %w", err)
	}
	// A record that a power cut takes costs one step, which is done again.
	if err := atomicfile.WriteFile(path, data, 0o600, atomicfile.Volatile); err != nil {
		return fmt.Errorf("build cache: %w", err)
	}
	now := s.now()
	if err := os.Chtimes(path, now, now); err != nil && !errors.Is(err, fs.ErrNotExist) { // pruned meanwhile
		return fmt.Errorf("build cache: %w", err)
	}
	return nil
}

// Entry is a record with its key and last use.
type Entry struct {
	Key digest.Digest
	Record
	Used time.Time
	// Uses is how often it was used, by the step that made it and those after.
	Uses int
}

// All visits every record. Ones that come or go meanwhile may be missed.
func (s *Store) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			hex, ok := strings.CutSuffix(d.Name(), ".json")
			if d.IsDir() || !ok {
				return nil
			}
			r, used, err := read(path)
			if errors.Is(err, errdefs.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			e := Entry{Key: digest.NewDigestFromEncoded(digest.SHA256, hex), Record: r, Used: used, Uses: 1}
			if again, err := os.Stat(s.uses(e.Key)); err == nil {
				e.Uses += int(again.Size())
			}
			if !yield(e, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Entry{}, fmt.Errorf("build cache: %w", err))
		}
	}
}

// SnapshotRef is the ref under which a lease or a root names a snapshot.
func SnapshotRef(key string) string { return "snapshot/" + key }

// Roots visits what the records need kept: digests of blobs, and snapshots as
// "snapshot/CHAINID".
func (s *Store) Roots(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range s.All(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			if e.Blob.Digest != "" && !yield(e.Blob.Digest.String(), nil) {
				return
			}
			if e.Chain != "" && !yield(SnapshotRef(string(e.Chain)), nil) {
				return
			}
		}
	}
}

// Size is that of all blobs that records have, in bytes.
func (s *Store) Size(ctx context.Context) (bytes int64, err error) {
	counted := map[digest.Digest]bool{}
	for e, err := range s.All(ctx) {
		if err != nil {
			return 0, err
		}
		if !counted[e.Blob.Digest] {
			bytes += e.Blob.Size
			counted[e.Blob.Digest] = true
		}
	}
	return bytes, nil
}

// Keep says what Prune leaves.
type Keep struct {
	// Age is how long ago a record may have been used last; 0 is no limit.
	Age time.Duration
	// Bytes is how large the blobs of all records may be; 0 is no limit.
	Bytes int64
	// Nothing removes every record.
	Nothing bool
}

// Prune removes the records that were not used for longest. What they referred
// to goes with the next garbage collection. It returns how many records went
// and the size of their blobs.
func (s *Store) Prune(ctx context.Context, keep Keep) (records int, bytes int64, err error) {
	var all []Entry
	for e, err := range s.All(ctx) {
		if err != nil {
			return 0, 0, err
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return b.Used.Compare(a.Used) })
	var total int64
	counted := map[digest.Digest]bool{}
	for _, e := range all {
		if !counted[e.Blob.Digest] {
			total += e.Blob.Size
			counted[e.Blob.Digest] = true
		}
		old := keep.Age > 0 && s.now().Sub(e.Used) > keep.Age
		if !keep.Nothing && !old && (keep.Bytes == 0 || total <= keep.Bytes) {
			continue
		}
		if err := os.Remove(s.path(e.Key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return records, bytes, fmt.Errorf("build cache: %w", err)
		}
		_ = os.Remove(s.uses(e.Key)) // says nothing without its record
		records++
		bytes += e.Blob.Size
	}
	return records, bytes, nil
}
