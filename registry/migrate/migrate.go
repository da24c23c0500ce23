// Package migrate takes over what the storage of another registry holds: that of CNCF
// Distribution, which docker-registry, Harbor and GitLab build upon.
//
//	blobs/ALG/XX/HEX/data                              bytes
//	repositories/NAME/_manifests/revisions/ALG/HEX/link   a manifest is in the repository
//	repositories/NAME/_manifests/tags/TAG/current/link    what the tag names
//
// It reads the storage, a folder or a bucket, and never changes it. Every content is
// hashed as it comes, and what is here already is left alone, so a run that was cut off
// is begun again.
package migrate

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/reference"
)

// Registry is what takes over.
type Registry interface {
	distribution.Registry
	// Own makes a blob of a repository of bytes that put makes durable in the storage.
	Own(ctx context.Context, repo string, desc ocispec.Descriptor, put func(context.Context) error) error
}

// Config says what comes from where.
type Config struct {
	From Origin
	To   Registry
	// Give brings a blob into the registry's storage without sending its bytes there;
	// nil copies them. What it cannot do is errdefs.ErrUnsupported, and ends the run.
	Give Give
	// Tags are what tags name, in the place of what the storage says; nil asks the storage.
	Tags Tags
	// Problem is told of what cannot be taken over; the rest goes on.
	Problem func(error)
}

// Give is the way of a blob, which has this name in an Origin.
type Give func(ctx context.Context, name string, desc ocispec.Descriptor) error

// Count is what was found, and what of it was not here before.
type Count struct {
	Manifests int   `json:"manifests"`
	Tags      int   `json:"tags"`
	Added     int   `json:"added"` // manifests
	Blobs     int   `json:"blobs"` // that were brought
	Bytes     int64 `json:"bytes"` // of them
	// Problems are what could not be taken over.
	Problems []string `json:"problems,omitempty"`
}

// Repository is what became of one.
type Repository struct {
	Name string `json:"name"`
	Count
}

// Report is what a Run did.
type Report struct {
	From         string       `json:"from"`
	Repositories []Repository `json:"repositories"` // by name
	Total        Count        `json:"total"`        // without its problems, which are the repositories'
}

// layout is where the storage has it.
const layout = "docker/registry/v2"

const (
	// maxManifest is the largest manifest that is read, and maxLink the largest link.
	maxManifest = 4 << 20
	maxLink     = 1 << 10
	// together is how many repositories are worked on at once, copiers how many blobs of
	// one manifest, readers how many tags of one repository.
	together = 4
	copiers  = 4
	readers  = 8
)

// Run takes over what there is; ctx must carry the rights to do so. The report counts
// also what was done before an error.
func Run(ctx context.Context, cfg Config) (Report, error) {
	m := &migration{Config: cfg, report: Report{From: cfg.From.Name()}}
	for _, base := range []string{layout, "."} {
		entries, err := m.From.List(ctx, base)
		if err != nil {
			return m.report, err
		}
		if slices.Contains(entries, "repositories/") {
			m.base = base
			break
		}
	}
	if m.base == "" {
		return m.report, errdefs.Errorf(errdefs.ErrInvalid, "%s holds no %s/repositories: it is no registry's storage",
			m.From.Name(), layout)
	}
	err := m.run(ctx)
	if err == nil {
		m.absent()
	}
	slices.SortFunc(m.report.Repositories, func(a, b Repository) int { return cmp.Compare(a.Name, b.Name) })
	for _, r := range m.report.Repositories {
		t := &m.report.Total
		t.Manifests += r.Manifests
		t.Tags += r.Tags
		t.Added += r.Added
		t.Blobs += r.Blobs
		t.Bytes += r.Bytes
	}
	return m.report, err
}

type migration struct {
	Config
	base  string
	blobs limit.Keyed // of several repositories that need one, the first brings it

	mu     sync.Mutex
	report Report
}

func (m *migration) run(ctx context.Context) error {
	var walked error
	names := func(yield func(string) bool) {
		_, walked = m.walk(ctx, "", yield)
	}
	return errors.Join(limit.Each(ctx, together, names, m.repository), walked)
}

// walk goes through the tree of names below one of them. It says whether to go on.
func (m *migration) walk(ctx context.Context, below string, yield func(string) bool) (bool, error) {
	entries, err := m.From.List(ctx, path.Join(m.base, "repositories", below))
	if err != nil {
		return false, err
	}
	if below != "" && slices.Contains(entries, "_manifests/") && !yield(below) {
		return false, nil
	}
	for _, e := range entries {
		name, folder := strings.CutSuffix(e, "/")
		if !folder || strings.HasPrefix(name, "_") { // no component of a repository's name begins so
			continue
		}
		if on, err := m.walk(ctx, path.Join(below, name), yield); !on || err != nil {
			return on, err
		}
	}
	return true, nil
}

// repository takes over one. Only what ends everything is its error.
func (m *migration) repository(ctx context.Context, name string) error {
	r := newRepository(m, name)
	err := r.run(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report.Repositories = append(m.report.Repositories, Repository{Name: name, Count: r.count})
	return err
}

// problem tells of what a repository has that cannot be taken over.
func (r *repository) problem(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Problems = append(r.count.Problems, err.Error())
	r.Problem(err)
}

// ends says whether it is of no use to go on with other manifests.
func ends(ctx context.Context, err error) bool {
	var full *distribution.QuotaError
	if errors.As(err, &full) { // of one project
		return false
	}
	var stop stopError
	return ctx.Err() != nil || errors.As(err, &stop) || errors.Is(err, errdefs.ErrUnavailable) ||
		errors.Is(err, errdefs.ErrExhausted)
}

// stopError is of a way that no blob can go.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

func invalidName(name string) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "repository %q: that is no repository's name here", name)
}

func validName(name string) bool { return reference.ValidRepository(name) }
