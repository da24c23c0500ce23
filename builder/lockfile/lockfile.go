// Package lockfile writes down what the names in a build stood for when it was built:
// the digests of base images, the commits of repositories, the digests of what URLs
// gave. A later build that is given it uses the same, whatever the names stand for then.
//
// Only what can move is in it: an image that is named by its digest, a whole commit and
// a URL with a checksum say by themselves what they are.
package lockfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
	"cove/reference"
)

// version is that of the file's format.
const version = 1

// Kind is what an entry is about.
type Kind string

// The kinds.
const (
	Image Kind = "image"
	Git   Kind = "git"
	URL   Kind = "url"
)

// Entry is what one name stood for.
type Entry struct {
	Kind Kind `json:"type"`
	// Name is a canonical reference, a repository with its reference behind "#", or a
	// URL; neither holds a password.
	Name string `json:"name"`
	// Platform is that of an image: each has its own.
	Platform string `json:"platform,omitempty"`
	// Digest is that of a manifest or a file; Commit the whole hash of one.
	Digest digest.Digest `json:"digest,omitempty"`
	Commit string        `json:"commit,omitempty"`
}

// key is what an entry is found by.
type key struct {
	kind           Kind
	name, platform string
}

func (e Entry) key() key { return key{e.Kind, e.Name, e.Platform} }

// file is the file's shape.
type file struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// Lock is what names stand for. It is safe for concurrent use; nil knows nothing and
// remembers nothing.
type Lock struct {
	// Sealed refuses every name that is not in it.
	Sealed bool
	// Renew finds out anew what names stand for, and remembers that instead.
	Renew bool

	mu      sync.Mutex
	entries map[key]Entry
	found   map[key]Entry
	changed bool
}

// maxFile is how large a file may be, in bytes.
const maxFile = 16 << 20

// Parse reads a lock file. A text that is none is errdefs.ErrInvalid.
func Parse(text []byte) (*Lock, error) {
	if len(text) > maxFile {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a lock file is at most %d MiB", maxFile>>20)
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "it is no lock file: %w", err)
	}
	if f.Version != version {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"it is a lock file of version %d, and only %d is known", f.Version, version)
	}
	l := &Lock{}
	for _, e := range f.Entries {
		if err := e.check(); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s %q: %w", e.Kind, e.Name, err)
		}
		l.Add(e)
	}
	l.changed = false
	return l, nil
}

func (e Entry) check() error {
	switch e.Kind {
	case Image, URL:
		_, err := reference.ParseDigest(string(e.Digest))
		return err
	case Git:
		if !plan.IsCommit(e.Commit) {
			return errdefs.Errorf(errdefs.ErrInvalid, "%q is not the whole hash of a commit", e.Commit)
		}
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "an entry is of type image, git or url")
}

// Add puts an entry in.
func (l *Lock) Add(e Entry) {
	if l.entries == nil {
		l.entries = map[key]Entry{}
	}
	l.entries[e.key()] = e
	l.changed = true
}

// Text is the lock as a file: sorted, so that versions of it can be compared.
func (l *Lock) Text() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := file{Version: version, Entries: []Entry{}}
	for _, e := range l.entries {
		f.Entries = append(f.Entries, e)
	}
	slices.SortFunc(f.Entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Platform, b.Platform))
	})
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(f)
	return out.Bytes(), err
}

// Changed says that there is something in it that was not in the file.
func (l *Lock) Changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Commit is the commit that a repository was found to be at in this build, Sum the digest
// of what a URL gave; "" where neither was asked for.
func (l *Lock) Commit(repo *plan.Git) string { return l.of(gitKey(repo)).Commit }

// Sum is described at Commit.
func (l *Lock) Sum(url string) digest.Digest { return l.of(urlKey(url)).Digest }

func (l *Lock) of(k key) Entry {
	if l == nil {
		return Entry{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found[k]
}

// ask returns what a name stands for by the lock; the zero Entry leaves it open. A
// sealed lock that has no such name is errdefs.ErrDenied.
func (l *Lock) ask(k key) (Entry, error) {
	if l == nil {
		return Entry{}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[k]
	if !ok && l.Sealed {
		what := k.name
		if k.platform != "" {
			what += " for " + k.platform
		}
		return e, errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
			"the %s %s is not in the lock file, and this build is locked to it", k.kind, what), errdefs.LockAnew, "")
	}
	if l.Renew && !l.Sealed {
		return Entry{}, nil
	}
	return e, nil
}

// note remembers what a name stood for.
func (l *Lock) note(e Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil {
		l.found = map[key]Entry{}
	}
	l.found[e.key()] = e
	if l.entries[e.key()] != e {
		l.Add(e)
	}
}

func gitKey(repo *plan.Git) key {
	return key{kind: Git, name: plan.ShowURL(repo.Remote) + "#" + cmp.Or(repo.Ref, "HEAD")}
}

func urlKey(url string) key { return key{kind: URL, name: plan.ShowURL(url)} }

// OfGit is the entry of a repository, OfURL of a URL.
func OfGit(repo *plan.Git, commit string) Entry {
	return Entry{Kind: Git, Name: gitKey(repo).name, Commit: commit}
}

// OfURL is described at OfGit.
func OfURL(url string, sum digest.Digest) Entry {
	return Entry{Kind: URL, Name: urlKey(url).name, Digest: sum}
}

// fixed says whether a repository names its commit itself.
func fixed(repo *plan.Git) bool { return plan.IsCommit(repo.Ref) || plan.IsCommit(repo.Commit) }

// AskGit is the commit that a repository is to be taken at; "" is what its reference says.
func (l *Lock) AskGit(repo *plan.Git) (commit string, err error) {
	if fixed(repo) {
		return "", nil
	}
	e, err := l.ask(gitKey(repo))
	return e.Commit, err
}

// NoteGit remembers at which commit a repository was taken.
func (l *Lock) NoteGit(repo *plan.Git, commit string) {
	if !fixed(repo) {
		l.note(OfGit(repo, commit))
	}
}

// AskURL is the digest that the bytes of a URL must have; "" is any.
func (l *Lock) AskURL(url string) (digest.Digest, error) {
	e, err := l.ask(urlKey(url))
	return e.Digest, err
}

// NoteURL remembers what a URL gave.
func (l *Lock) NoteURL(url string, sum digest.Digest) {
	l.note(OfURL(url, sum))
}

// Resolve finds an image by resolve: at the digest that the lock has for its name, which
// it keeps, or else by its name, and then remembers the digest.
func (l *Lock) Resolve(
	name string, p ocispec.Platform, resolve func(name string) (plan.Base, error),
) (plan.Base, error) {
	ref, k, whole := pinning(name, p)
	if l == nil || whole {
		return resolve(name)
	}
	known, err := l.ask(k)
	if err != nil {
		return plan.Base{}, err
	}
	if known.Digest == "" {
		base, err := resolve(name)
		if err == nil {
			l.note(Entry{Kind: Image, Name: k.name, Platform: k.platform, Digest: base.Manifest.Digest})
		}
		return base, err
	}
	ref.Digest = known.Digest
	base, err := resolve(ref.String())
	if err != nil {
		return base, err
	}
	l.note(known)
	base.Name = k.name
	return base, nil
}

// pinning is the reference of a name, and the key under which the lock has it. A name
// that has a digest is whole already, and so is what is no name: an OCI layout is files
// of this machine, as the context is.
func pinning(name string, p ocispec.Platform) (ref reference.Reference, k key, whole bool) {
	ref, err := reference.Parse(name)
	k = key{kind: Image, name: ref.String(), platform: platforms.Format(p)}
	return ref, k, err != nil || ref.Digest != ""
}
