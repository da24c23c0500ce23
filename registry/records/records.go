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
//
// They lie where the bytes do: in a folder, or in a bucket.
package records

import (
	"context"
	// go-digest asks the crypto registry for its algorithms.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/internal/atomicfile"
	"cove/internal/limit"
)

const (
	identityFile = "identity"
	sequenceFile = "sequence"
	names        = "names"
	manifestsDir = "_manifests" // no component of a repository's name begins so
	tagsDir      = "_tags"
)

// Records are all of one registry. They are safe for concurrent use.
type Records struct {
	files  files
	number number

	mu      sync.Mutex
	highest int64 // as the number was told
}

// files are where records lie. Names are paths with slashes, below one place.
type files interface {
	// read is fs.ErrNotExist of a file that is not there.
	read(ctx context.Context, name string) ([]byte, error)
	// list visits the names of the files below a folder, in their order; one that is
	// not there has none.
	list(ctx context.Context, folder string) iter.Seq2[string, error]
	// add writes a file. One that is there stays, and is made as durable.
	add(ctx context.Context, name string, b []byte, keep atomicfile.Keep) error
	// replace writes a file, durably, also where one is.
	replace(ctx context.Context, name string, b []byte) error
	// remove removes files of one folder, if they are there; a name that ends with a slash
	// is a folder, which goes with all that is in it.
	remove(ctx context.Context, keep atomicfile.Keep, names ...string) error
	// sync makes everything durable that was added.
	sync() error
	Close() error
}

// number keeps one that grows with every change.
type number interface {
	load() (int64, error)
	// store may be late, and what it stores may be lost with the process.
	store(n int64) error
	Close() error
}

func open(f files, n number) (*Records, error) {
	highest, err := n.load()
	if err != nil {
		return nil, errors.Join(failed(err), n.Close(), f.Close())
	}
	return &Records{files: f, number: n, highest: highest}, nil
}

// failed says what failed.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("registry records: %w", err)
}

// Close releases everything.
func (r *Records) Close() error { return errors.Join(r.number.Close(), r.files.Close()) }

// Sync makes everything durable that was written, as of records that were added
// with Volatile.
func (r *Records) Sync() error { return failed(r.files.sync()) }

// Identity is the registry's; "" before SetIdentity.
func (r *Records) Identity(ctx context.Context) (string, error) {
	b, err := r.files.read(ctx, identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), failed(err)
}

// SetIdentity replaces it. The caller has seen to it that the records are
// complete and durable.
func (r *Records) SetIdentity(ctx context.Context, id string) error {
	return failed(r.files.replace(ctx, identityFile, []byte(id+"\n")))
}

// Sequence is the newest number that Raise or SetSequence was given.
func (r *Records) Sequence() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.highest
}

// Raise records that the database has committed this number. It waits for
// nothing: a power cut leaves a smaller number, which only makes an older
// database pass for a newer one that it nearly is.
func (r *Records) Raise(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > r.highest && r.number.store(n) == nil { // on a full disk, say, it stays smaller
		r.highest = n
	}
}

// SetSequence replaces the number, also by a smaller one.
func (r *Records) SetSequence(n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.number.store(n); err != nil {
		return failed(err)
	}
	r.highest = n
	return nil
}

// Manifest is a record of a manifest in a repository.
type Manifest struct {
	Repository string        `json:"-"`
	Digest     digest.Digest `json:"-"`
	MediaType  string        `json:"mediaType"`
	By         string        `json:"by,omitempty"`
}

// AddManifest records a manifest; keep is Durable, unless the caller syncs
// later. A record that is there stays.
func (r *Records) AddManifest(ctx context.Context, m Manifest, keep atomicfile.Keep) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return failed(r.files.add(ctx, manifestName(m.Repository, m.Digest), b, keep))
}

// Push records a manifest, and the tags that name it from now on, durably, and beside that
// does what else takes its time: a file system that is asked for all of it at once makes one
// commit of it. Call settle once the database says so, too: it forgets what the tags named
// before.
func (r *Records) Push(
	ctx context.Context, m Manifest, tags []string, beside func() error,
) (settle func(context.Context) error, err error) {
	older := make([][]Tag, len(tags))
	err = limit.AtOnce(beside, func() error { return r.AddManifest(ctx, m, atomicfile.Durable) }, func() (err error) {
		for i, tag := range tags {
			if err == nil {
				older[i], err = r.addTag(ctx, m.Repository, tag, m.Digest, atomicfile.Durable)
			}
		}
		return err
	})
	return func(ctx context.Context) error {
		var errs []error
		for _, before := range older {
			// One that comes back after a power cut is older than what was kept.
			errs = append(errs, r.removeTags(ctx, before, atomicfile.Volatile))
		}
		return errors.Join(errs...)
	}, err
}

// RemoveManifest forgets that a manifest is in a repository, durably, as what was
// deleted is.
func (r *Records) RemoveManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	return failed(r.files.remove(ctx, atomicfile.Durable, manifestName(repo, dgst)))
}

// AddTag records that a tag names a manifest now.
func (r *Records) AddTag(ctx context.Context, repo, tag string, dgst digest.Digest, keep atomicfile.Keep) error {
	_, err := r.addTag(ctx, repo, tag, dgst, keep)
	return err
}

// addTag returns the records of the tag that are older than the one that counts now.
func (r *Records) addTag(
	ctx context.Context, repo, tag string, dgst digest.Digest, keep atomicfile.Keep,
) (older []Tag, err error) {
	before, err := r.tag(ctx, repo, tag)
	if err != nil {
		return nil, err
	}
	next := Tag{Repository: repo, Name: tag, Digest: dgst, number: 1}
	if len(before) > 0 {
		next.number = before[0].number + 1
		if before[0].Digest == dgst {
			next, before = before[0], before[1:] // also one that a killed process had made
		}
	}
	return before, failed(r.files.add(ctx, next.file(), nil, keep))
}

func (r *Records) removeTags(ctx context.Context, all []Tag, keep atomicfile.Keep) error {
	if len(all) == 0 {
		return nil
	}
	files := make([]string, len(all))
	for i, t := range all {
		files[i] = t.file()
	}
	return failed(r.files.remove(ctx, keep, files...))
}

// KeepTag forgets what a tag named, but for the newest record of dgst, which may
// be "": it names nothing.
func (r *Records) KeepTag(ctx context.Context, repo, tag string, dgst digest.Digest) error {
	all, err := r.tag(ctx, repo, tag)
	if err != nil {
		return err
	}
	// One that comes back after a power cut is older than what was kept.
	keep := atomicfile.Durable
	var old []Tag
	for _, t := range all {
		if t.Digest == dgst && keep == atomicfile.Durable {
			keep = atomicfile.Volatile
			continue
		}
		old = append(old, t)
	}
	return r.removeTags(ctx, old, keep)
}

// Tag is a record of what a tag names, or named.
type Tag struct {
	Repository, Name string
	Digest           digest.Digest
	number           int64
}

func tagFolder(repo, tag string) string { return path.Join(names, repo, tagsDir, tag) }

func (t Tag) file() string {
	return path.Join(tagFolder(t.Repository, t.Name),
		fmt.Sprintf("%d.%s.%s", t.number, t.Digest.Algorithm(), t.Digest.Encoded()))
}

func manifestName(repo string, dgst digest.Digest) string {
	return path.Join(names, repo, manifestsDir, dgst.Algorithm().String()+"."+dgst.Encoded())
}

// tag lists the records of a tag, the newest first.
func (r *Records) tag(ctx context.Context, repo, tag string) (all []Tag, err error) {
	for name, err := range r.files.list(ctx, tagFolder(repo, tag)) {
		if err != nil {
			return nil, failed(err)
		}
		if t, ok := parseTag(name); ok {
			all = append(all, t)
		}
	}
	newestFirst(all)
	return all, nil
}

func newestFirst(tags []Tag) {
	slices.SortFunc(tags, func(a, b Tag) int { return int(b.number - a.number) })
}

// parseTag is the reverse of Tag.file.
func parseTag(name string) (t Tag, ok bool) {
	folder, file := path.Split(name)
	kind, tag := path.Split(path.Clean(folder))
	repo, ok := strings.CutSuffix(path.Clean(kind), "/"+tagsDir)
	number, rest, _ := strings.Cut(file, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	dgst, valid := parseDigest(rest)
	t = Tag{Repository: strings.TrimPrefix(repo, names+"/"), Name: tag, Digest: dgst, number: n}
	return t, ok && err == nil && valid
}

// parseManifest is the reverse of manifestName.
func parseManifest(name string) (m Manifest, ok bool) {
	folder, file := path.Split(name)
	repo, ok := strings.CutSuffix(path.Clean(folder), "/"+manifestsDir)
	dgst, valid := parseDigest(file)
	return Manifest{Repository: strings.TrimPrefix(repo, names+"/"), Digest: dgst}, ok && valid
}

func parseDigest(text string) (digest.Digest, bool) {
	alg, hex, ok := strings.Cut(text, ".")
	dgst := digest.NewDigestFromEncoded(digest.Algorithm(alg), hex)
	return dgst, ok && dgst.Validate() == nil
}

// All reads every record: manifests, and for each tag what it named, the newest
// first.
func (r *Records) All(ctx context.Context) (manifests []Manifest, tags [][]Tag, err error) {
	last := ""
	for name, err := range r.files.list(ctx, names) {
		if err != nil {
			return nil, nil, failed(err)
		}
		if m, ok := parseManifest(name); ok {
			manifests = append(manifests, r.manifest(ctx, name, m))
			continue
		}
		t, ok := parseTag(name)
		if !ok {
			continue
		}
		if folder := path.Dir(name); folder != last { // those of one tag follow one another
			tags, last = append(tags, nil), folder
		}
		tags[len(tags)-1] = append(tags[len(tags)-1], t)
	}
	for _, history := range tags {
		newestFirst(history)
	}
	return manifests, tags, nil
}

// manifest reads one record. One that cannot be read has no media type: most
// manifests say it themselves.
func (r *Records) manifest(ctx context.Context, name string, m Manifest) Manifest {
	if b, err := r.files.read(ctx, name); err == nil {
		_ = json.Unmarshal(b, &m)
	}
	return m
}
