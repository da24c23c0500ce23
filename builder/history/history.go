// Package history keeps what builds did: of each one a record with how it ended, what
// its steps told, and the documents about what it made. It is small and bounded, in
// builds and in bytes, and nothing else depends on it: a record that cannot be read is
// none, and losing all of it loses no image.
//
// A build has a directory that is called by its id: record.json, log, and a file for
// each document, called by its digest. Whoever writes masks secrets: everything here is
// kept in clear.
package history

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/process"
)

// Status is what became of a build, by buildx's words.
type Status string

// The statuses.
const (
	Running   Status = "Running"
	Completed Status = "Completed"
	Failed    Status = "Error"
	Canceled  Status = "Canceled"
)

// Record is one build.
type Record struct {
	ID     string
	Status Status
	// Started and Ended are when it did; Ended is zero while it runs.
	Started, Ended time.Time
	Name           string
	// Context, Dockerfile and Target are what was asked for, Contexts those with names.
	Context    string            `json:",omitempty"`
	Contexts   map[string]string `json:",omitempty"`
	Dockerfile string            `json:",omitempty"`
	Target     string            `json:",omitempty"`
	Platforms  []string          `json:",omitempty"`
	// BuildArgs and Labels are masked, and known when the build has ended.
	BuildArgs map[string]string `json:",omitempty"`
	Labels    map[string]string `json:",omitempty"`
	NoCache   bool              `json:",omitempty"`
	// Again says that it made again what there was, to compare.
	Again   bool   `json:",omitempty"`
	Network string `json:",omitempty"`

	// Steps are how many there were, Done those that ended, Cached those of them whose
	// result was known.
	Steps, Done, Cached int
	Warnings            int      `json:",omitempty"`
	Failure             *Failure `json:",omitempty"`
	// Images are the targets of the outputs, Tags the names that they were given.
	Images      []ocispec.Descriptor `json:",omitempty"`
	Tags        []string             `json:",omitempty"`
	Materials   []Material           `json:",omitempty"`
	Attachments []Attachment         `json:",omitempty"`

	// Builder is the process.Tag of whoever builds.
	Builder string `json:",omitempty"`
}

// Failure is why a build failed.
type Failure struct {
	Text string
	// Location is in the Dockerfile, Source its text; Tail the last lines of the command.
	Location plan.Location
	Source   []byte   `json:",omitempty"`
	Tail     []string `json:",omitempty"`
}

// Material is something that a build was made of.
type Material struct {
	URI string
	// Digest is that of an image or file, or the hash of a commit.
	Digest string
}

// Attachment is a document about a build: bytes that Store.Open returns.
type Attachment struct {
	Digest digest.Digest
	Size   int64
	// Type is the type of the predicate, as https://slsa.dev/provenance/v1.
	Type     string
	Platform string `json:",omitempty"`
}

// Duration is how long the build took, or has taken until now.
func (r Record) Duration(now time.Time) time.Duration {
	if r.Ended.IsZero() {
		return now.Sub(r.Started)
	}
	return r.Ended.Sub(r.Started)
}

// Limits bound a history. Builds that run are never removed for them.
type Limits struct {
	Builds int
	Bytes  int64
	// Log bounds what is kept of the output of one build's commands.
	Log int64
}

// DefaultLimits are those of a Store whose Limits are zero.
var DefaultLimits = Limits{Builds: 50, Bytes: 64 << 20, Log: 4 << 20}

// Store is a history in a directory, which need not exist. Several processes may have
// one on the same directory.
type Store struct {
	Dir    string
	Now    func() time.Time
	Limits Limits
}

func (s Store) limits() Limits {
	return Limits{
		Builds: cmp.Or(s.Limits.Builds, DefaultLimits.Builds),
		Bytes:  cmp.Or(s.Limits.Bytes, DefaultLimits.Bytes),
		Log:    cmp.Or(s.Limits.Log, DefaultLimits.Log),
	}
}

const (
	recordName = "record.json"
	logName    = "log"
	maxRecord  = 4 << 20
)

// newID is a name of 25 letters and digits, as buildx's builds have.
func newID() string { return strings.ToLower(rand.Text())[:25] }

// validID keeps names that people type inside of the directory.
func validID(id string) bool {
	return len(id) == 25 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// List returns the builds, the latest first.
func (s Store) List() ([]Record, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "history of builds: %w", err)
	}
	var all []Record
	for _, e := range entries {
		if r, err := s.read(e.Name()); err == nil {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// read reads one record; a build whose process was killed has failed.
func (s Store) read(id string) (r Record, err error) {
	if !validID(id) {
		return r, fs.ErrNotExist
	}
	info, err := os.Stat(filepath.Join(s.Dir, id, recordName))
	if err != nil {
		return r, err
	}
	if info.Size() > maxRecord {
		return r, fs.ErrInvalid
	}
	data, err := os.ReadFile(filepath.Join(s.Dir, id, recordName))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	r.ID = id
	if r.Status == Running && process.TagEnded(r.Builder) {
		r.Status, r.Ended = Failed, info.ModTime()
		if log, err := os.Stat(filepath.Join(s.Dir, id, logName)); err == nil {
			r.Ended = log.ModTime()
		}
		r.Failure = &Failure{Text: "the process that built was killed"}
	}
	return r, nil
}

// Find returns the build of a reference: its id, the beginning of it that no other has,
// ^N for the one that is N before the latest, or "" for the latest.
func (s Store) Find(ref string) (Record, error) {
	all, err := s.List()
	if err != nil {
		return Record{}, err
	}
	if len(all) == 0 {
		return Record{}, errdefs.Errorf(errdefs.ErrNotFound, "there is no build in the history")
	}
	if ref == "" {
		return all[0], nil
	}
	if back, ok := strings.CutPrefix(ref, "^"); ok {
		n, err := strconv.Atoi(back)
		if err != nil || n < 0 {
			return Record{}, errdefs.Errorf(errdefs.ErrInvalid,
				"build %q: want ^N, as ^1 for the one before the latest", ref)
		}
		if n >= len(all) {
			return Record{}, errdefs.Errorf(errdefs.ErrNotFound, "build %s: the history has %d", ref, len(all))
		}
		return all[n], nil
	}
	return byPrefix(all, ref)
}

// byPrefix finds the one record whose id begins with ref.
func byPrefix(all []Record, ref string) (Record, error) {
	var found []Record
	for _, r := range all {
		if r.ID == ref {
			return r, nil
		}
		if strings.HasPrefix(r.ID, ref) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return Record{}, errdefs.Errorf(errdefs.ErrNotFound, "no build %q in the history", ref)
	case 1:
		return found[0], nil
	}
	return Record{}, errdefs.Errorf(errdefs.ErrInvalid, "build %q: %d builds begin with that", ref, len(found))
}

// Remove forgets a build. One that runs is errdefs.ErrConflict.
func (s Store) Remove(id string) error {
	r, err := s.Find(id)
	if err != nil {
		return err
	}
	if r.Status == Running {
		return errdefs.Errorf(errdefs.ErrConflict, "build %s is running", r.ID)
	}
	return s.remove(r.ID)
}

// remove has a build gone at once, and its files soon after, or by Sweep.
func (s Store) remove(id string) error {
	half := s.half(id)
	err := os.Rename(filepath.Join(s.Dir, id), half)
	if err == nil {
		err = os.RemoveAll(half)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process removed it
		return errdefs.Errorf(errdefs.ErrUnavailable, "history of builds: %w", err)
	}
	return nil
}

// Attachment returns the bytes of a document. It is errdefs.ErrCorrupt when they are not
// those that were written.
func (s Store) Attachment(id string, a Attachment) ([]byte, error) {
	if !validID(id) || a.Digest.Validate() != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "build %q has no document %s", id, a.Digest)
	}
	data, err := os.ReadFile(filepath.Join(s.Dir, id, a.Digest.Encoded()))
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "build %s: document %s: %w", id, a.Digest, err)
	}
	if digest.FromBytes(data) != a.Digest {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "build %s: document %s has other bytes", id, a.Digest)
	}
	return data, nil
}

// write replaces the record of a build. What a power cut takes of a history is no loss.
func (s Store) write(r Record) error {
	data, err := json.Marshal(r)
	if err == nil {
		err = atomicfile.WriteFile(filepath.Join(s.Dir, r.ID, recordName), data, 0o600, atomicfile.Volatile)
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "history of builds: %w", err)
	}
	return nil
}

// halfPrefix begins the name of a directory that is not a build yet, or is none any more;
// whose work that is, and the build's ID, follow.
const halfPrefix = ".half-"

func (s Store) half(id string) string {
	return filepath.Join(s.Dir, halfPrefix+process.Tag()+"-"+id)
}

// Sweep removes the builds that a kill left half made or half removed. End does, and whoever prunes.
func (s Store) Sweep() error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "history of builds: %w", err)
	}
	var errs []error
	for _, e := range entries {
		tag, half := strings.CutPrefix(e.Name(), halfPrefix)
		if tag, _, _ = strings.Cut(tag, "-"); half && process.TagEnded(tag) {
			errs = append(errs, os.RemoveAll(filepath.Join(s.Dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// trim removes the oldest builds beyond the limits, and what is no build, after the build of an id
// has ended. It reads every record for that, so it goes a little below the number, and looks again
// when that is reached, after a build that has much, and now and then.
func (s Store) trim(ended string) error {
	limits := s.limits()
	names, err := os.ReadDir(s.Dir)
	if err = errors.Join(err, s.Sweep()); err != nil {
		return err
	}
	const often = 8
	much := sizeOf(filepath.Join(s.Dir, ended)) > limits.Bytes/int64(2*limits.Builds)
	if !much && len(names) <= limits.Builds && len(names)%often != 0 {
		return nil
	}
	all, err := s.List()
	if err != nil {
		return err
	}
	if len(all) > limits.Builds {
		limits.Builds -= limits.Builds / often
	}
	var errs []error
	var bytes int64
	known := map[string]bool{}
	for i, r := range all {
		known[r.ID] = true
		bytes += sizeOf(filepath.Join(s.Dir, r.ID))
		if r.Status != Running && i > 0 && (i >= limits.Builds || bytes > limits.Bytes) {
			errs = append(errs, s.remove(r.ID))
		}
	}
	entries, err := os.ReadDir(s.Dir)
	errs = append(errs, err)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !known[e.Name()] && s.Now().Sub(info.ModTime()) > time.Hour {
			errs = append(errs, os.RemoveAll(filepath.Join(s.Dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// sizeOf is how many bytes the files of a directory have.
func sizeOf(dir string) (n int64) {
	entries, _ := os.ReadDir(dir) // one that goes away has none
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}
