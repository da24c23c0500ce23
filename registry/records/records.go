// Package records keeps, beside a registry's bytes, what they mean, so that a
// database that is lost can be made again and a wrong one is noticed.
//
//	identity                          the registry's, also in its database
//	sequence                          the newest number that the database has committed
//	names/REPOSITORY/_manifests/ALG.HEX   a manifest is in the repository: its media type
//	names/REPOSITORY/_tags/TAG/N.ALG.HEX  the tag names a manifest; the greatest N counts
//
// Every record is a small file of its own that never changes: it is durable
// before the transaction that it tells of, and goes after the one that undoes
// it. So a record may tell of a push that nobody acknowledged, and there is one
// for every push that somebody did. Records of one tag, or of one manifest in
// a repository, are written by one caller at a time: it holds the lock of it.
package records

import (
	// go-digest asks the crypto registry for its algorithms.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cove/internal/atomicfile"
)

const (
	identityFile = "identity"
	sequenceFile = "sequence"
	names        = "names"
	manifestsDir = "_manifests" // no component of a repository's name begins so
	tagsDir      = "_tags"
)

// Dir is the folder of the records. It is safe for concurrent use.
type Dir struct {
	root folder

	mu       sync.Mutex
	sequence *os.File
	highest  int64 // as written
}

// Options tune a Dir; the zero value is right for use.
type Options struct {
	// Fault, when set, is asked before every step that changes the disk. An
	// error it returns becomes the failure of that step.
	Fault func(Step) error
}

// Step names a system call of a record.
type Step string

// The steps, in the order of a record's life.
const (
	StepMkdir   Step = "mkdir"   // the folder of a repository or a tag
	StepCreate  Step = "create"  // a file, which a rename follows if it is not empty
	StepRename  Step = "rename"  // the record appears
	StepSyncDir Step = "syncdir" // its name is durable, or that it is gone
	StepRemove  Step = "remove"  // it goes
)

// folder is a root whose steps may be made to fail.
type folder struct {
	*os.Root
	opts Options
}

func (f folder) fault(step Step) error {
	if f.opts.Fault == nil {
		return nil
	}
	return f.opts.Fault(step)
}

func (f folder) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	step := StepCreate
	if flag == os.O_RDONLY {
		step = StepSyncDir // nothing else is opened so
	}
	if err := f.fault(step); err != nil {
		return nil, err
	}
	return f.Root.OpenFile(name, flag, perm)
}

func (f folder) Rename(from, to string) error {
	if err := f.fault(StepRename); err != nil {
		return err
	}
	return f.Root.Rename(from, to)
}

func (f folder) Remove(name string) error {
	if err := f.fault(StepRemove); err != nil {
		return err
	}
	return f.Root.Remove(name)
}

func (f folder) Mkdir(name string, perm fs.FileMode) error {
	if err := f.fault(StepMkdir); err != nil {
		return err
	}
	return f.Root.Mkdir(name, perm)
}

// Open opens the folder, which must be there, and makes what is in it. Close it.
func Open(name string, opts Options) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("registry records: %w", err)
	}
	d := &Dir{root: folder{root, opts}}
	if d.sequence, err = root.OpenFile(sequenceFile, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("registry records: %w", err), root.Close())
	}
	b := make([]byte, sequenceLength)
	if n, _ := d.sequence.ReadAt(b, 0); n == sequenceLength { // anything else is no number: 0
		d.highest, _ = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	}
	return d, nil
}

// Close releases the folder.
func (d *Dir) Close() error {
	return errors.Join(d.sequence.Sync(), d.sequence.Close(), d.root.Close())
}

// Sync makes everything durable that was written, as of records that were added
// with Volatile.
func (d *Dir) Sync() error {
	if err := unix.Syncfs(int(d.sequence.Fd())); err != nil {
		return fmt.Errorf("registry records: %w", err)
	}
	return nil
}

// Identity is the registry's; "" before SetIdentity.
func (d *Dir) Identity() (string, error) {
	b, err := d.root.ReadFile(identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// SetIdentity replaces it. The caller has seen to it that the records are
// complete and durable.
func (d *Dir) SetIdentity(id string) error {
	return atomicfile.Write(d.root, identityFile, []byte(id+"\n"), 0o600, atomicfile.Durable)
}

// sequenceLength is that of the file: a number and a line break.
const sequenceLength = 20

// Sequence is the newest number that Raise or SetSequence was given.
func (d *Dir) Sequence() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.highest
}

// Raise records that the database has committed this number. It waits for no
// fsync: a power cut leaves a smaller number, which only makes an older
// database pass for a newer one that it nearly is.
func (d *Dir) Raise(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n > d.highest {
		_ = d.write(n) // on a full disk, say: the number stays smaller
	}
}

// SetSequence replaces the number, also by a smaller one.
func (d *Dir) SetSequence(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.write(n)
}

func (d *Dir) write(n int64) error {
	if _, err := d.sequence.WriteAt(fmt.Appendf(nil, "%*d\n", sequenceLength-1, n), 0); err != nil {
		return fmt.Errorf("registry records: %w", err)
	}
	d.highest = n
	return nil
}

// Manifest is a record of a manifest in a repository.
type Manifest struct {
	Repository string        `json:"-"`
	Digest     digest.Digest `json:"-"`
	MediaType  string        `json:"mediaType"`
	By         string        `json:"by,omitempty"`
}

// AddManifest records a manifest; keep is Durable, unless the caller syncs the
// file system later. A record that is there stays.
func (d *Dir) AddManifest(m Manifest, keep atomicfile.Keep) error {
	name := manifestName(m.Repository, m.Digest)
	if _, err := d.root.Lstat(name); err == nil {
		return d.sync(name, keep)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return d.inFolder(name, keep, func() error { return atomicfile.Write(d.root, name, b, 0o600, keep) })
}

// RemoveManifest forgets that a manifest is in a repository.
func (d *Dir) RemoveManifest(repo string, dgst digest.Digest) error {
	return d.remove(manifestName(repo, dgst))
}

// AddTag records that a tag names a manifest now.
func (d *Dir) AddTag(repo, tag string, dgst digest.Digest, keep atomicfile.Keep) error {
	before, err := d.tag(repo, tag)
	if err != nil {
		return err
	}
	if len(before) > 0 && before[0].Digest == dgst {
		return d.sync(before[0].file(), keep)
	}
	next := Tag{Repository: repo, Name: tag, Digest: dgst, number: 1}
	if len(before) > 0 {
		next.number = before[0].number + 1
	}
	return d.inFolder(next.file(), keep, func() error {
		f, err := d.root.OpenFile(next.file(), os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return d.sync(next.file(), keep)
	})
}

// sync makes a name durable, also one that a killed process had made.
func (d *Dir) sync(name string, keep atomicfile.Keep) error {
	if keep != atomicfile.Durable {
		return nil
	}
	return atomicfile.SyncDir(d.root, path.Dir(name))
}

// KeepTag forgets what a tag named, but for the newest record of dgst, which may
// be "": it names nothing.
func (d *Dir) KeepTag(repo, tag string, dgst digest.Digest) error {
	all, err := d.tag(repo, tag)
	if err != nil {
		return err
	}
	kept := false
	for _, t := range all {
		if t.Digest == dgst && !kept {
			kept = true
			continue
		}
		if err := d.root.Remove(t.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("registry records: %w", err)
		}
	}
	if kept || len(all) == 0 {
		return nil // one that comes back after a power cut is older than what was kept
	}
	return d.remove(path.Join(names, repo, tagsDir, tag))
}

// remove forgets durably, as what was deleted is.
func (d *Dir) remove(name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = atomicfile.SyncDir(d.root, path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("registry records: %w", err)
	}
	return nil
}

// Tag is a record of what a tag names, or named.
type Tag struct {
	Repository, Name string
	Digest           digest.Digest
	number           int64
}

func (t Tag) file() string {
	return path.Join(names, t.Repository, tagsDir, t.Name,
		fmt.Sprintf("%d.%s.%s", t.number, t.Digest.Algorithm(), t.Digest.Encoded()))
}

func manifestName(repo string, dgst digest.Digest) string {
	return path.Join(names, repo, manifestsDir, dgst.Algorithm().String()+"."+dgst.Encoded())
}

// tag lists the records of a tag, the newest first.
func (d *Dir) tag(repo, tag string) (all []Tag, err error) {
	entries, err := fs.ReadDir(d.root.FS(), path.Join(names, repo, tagsDir, tag))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("registry records: %w", err)
	}
	for _, e := range entries {
		number, rest, _ := strings.Cut(e.Name(), ".")
		n, err := strconv.ParseInt(number, 10, 64)
		if dgst, ok := parseDigest(rest); ok && err == nil {
			all = append(all, Tag{Repository: repo, Name: tag, Digest: dgst, number: n})
		}
	}
	slices.SortFunc(all, func(a, b Tag) int { return int(b.number - a.number) })
	return all, nil
}

func parseDigest(text string) (digest.Digest, bool) {
	alg, hex, ok := strings.Cut(text, ".")
	dgst := digest.NewDigestFromEncoded(digest.Algorithm(alg), hex)
	return dgst, ok && dgst.Validate() == nil
}

// inFolder calls write, and makes the folder of name when it is missing. With
// Durable the names of the folders survive a power cut, as that of the file.
func (d *Dir) inFolder(name string, keep atomicfile.Keep, write func() error) error {
	err := write()
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeFolder(path.Dir(name), keep); err == nil {
			err = write()
		}
	}
	if err != nil {
		return fmt.Errorf("registry records: %w", err)
	}
	return nil
}

func (d *Dir) makeFolder(name string, keep atomicfile.Keep) error {
	err := d.root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeFolder(path.Dir(name), keep); err == nil {
			err = d.root.Mkdir(name, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(name, keep)
}

// All reads every record: manifests, and for each tag what it named, the newest
// first.
func (d *Dir) All() (manifests []Manifest, tags [][]Tag, err error) {
	err = fs.WalkDir(d.root.FS(), names, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == names {
			return nil
		}
		if err != nil {
			return err
		}
		repo, kind := path.Split(path.Dir(name))
		repo = strings.TrimPrefix(strings.TrimSuffix(repo, "/"), names+"/")
		switch {
		case kind == manifestsDir && !atomicfile.IsTemp(name):
			if dgst, ok := parseDigest(e.Name()); ok {
				manifests = append(manifests, d.manifest(repo, dgst))
			}
		case kind == tagsDir && e.IsDir():
			all, err := d.tag(repo, e.Name())
			if err != nil {
				return err
			}
			if len(all) > 0 {
				tags = append(tags, all)
			}
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("registry records: %w", err)
	}
	return manifests, tags, err
}

// manifest reads one record. One that cannot be read has no media type: most
// manifests say it themselves.
func (d *Dir) manifest(repo string, dgst digest.Digest) Manifest {
	m := Manifest{Repository: repo, Digest: dgst}
	if b, err := d.root.ReadFile(manifestName(repo, dgst)); err == nil {
		_ = json.Unmarshal(b, &m)
	}
	return m
}
