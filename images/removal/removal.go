// Package removal decides what removing a name or an id takes away, and refuses what
// something still needs.
package removal

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/images/names"
	"cove/reference"
)

// Options are the choices of Remove.
type Options struct {
	// Force removes an image that has names in several repositories, and the
	// last name of one that is in use.
	Force bool
	// Unnamed refuses an image that has a name by now.
	Unnamed bool
	// UsedBy tells what uses images. It is asked while no name can change. Only
	// what is in use may lose its name, and only by Force; its content stays, as
	// that of an image without a name.
	UsedBy func(ctx context.Context) (map[digest.Digest]User, error)
	// KeepContent leaves blobs and snapshots for a later Collect.
	KeepContent bool
}

// User is what uses an image.
type User struct {
	Name string // as "container 4f5e (db)"
	// Running says that it runs: then nothing removes the image by its id.
	Running bool
}

// Removed is what a Remove took away, in the order in which docker prints it.
type Removed struct {
	Untagged []string
	Deleted  []string
	Freed    int64
	Image    digest.Digest // that it was of
}

func ofImage(all []names.Record, id digest.Digest) (of []names.Record) {
	for _, r := range all {
		if r.Image == id {
			of = append(of, r)
		}
	}
	return of
}

// Decision is what becomes of a name, or an id, that is to go.
type Decision struct {
	Record  names.Record   // what was found for it
	Records []names.Record // those that go
	// Used says that something uses the image, Last that no name is left of it.
	Used, Last bool

	name   string
	all    []names.Record // of the image
	opts   Options
	byName bool
	user   User
}

// Decide finds the records that go with a name or an id of all, and refuses in docker's
// words.
func Decide(ctx context.Context, all []names.Record, name string, opts Options) (Decision, error) {
	rec, err := names.Find(all, name)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{name: name, Record: rec, all: ofImage(all, rec.Image), opts: opts}
	d.choose()
	if opts.UsedBy != nil {
		users, err := opts.UsedBy(ctx)
		if err != nil {
			return d, err
		}
		d.user, d.Used = users[rec.Image]
	}
	d.Last = len(d.Records) == len(d.all)
	return d, d.check()
}

// choose finds the records that go: itself when it is a name, all of the image
// when it is an id.
func (d *Decision) choose() {
	if ref, err := reference.Parse(d.name); err == nil && d.Record.Is(ref) {
		d.byName, d.Records = true, []names.Record{d.Record}
		return
	}
	d.Records = d.all
}

// check refuses in docker's words.
func (d *Decision) check() error {
	id := d.Record.Image.Encoded()[:12]
	repos := map[string]bool{}
	for _, v := range d.Records {
		if ref, err := reference.Parse(v.Name); err == nil {
			repos[ref.Name()] = true
		}
	}
	forceable := func(format string, args ...any) error {
		err := errdefs.Errorf(errdefs.ErrConflict, "conflict: unable to "+format, args...)
		return errdefs.Suggest(err, errdefs.Force, d.name)
	}
	switch {
	case d.opts.Unnamed && len(repos) > 0:
		return errdefs.Errorf(errdefs.ErrConflict, "image %s has a name by now", id)
	case len(repos) > 1 && !d.opts.Force:
		return forceable("delete %s (must be forced) - image is referenced in multiple repositories (%d)", id,
			len(repos))
	case !d.Used || !d.Last:
		return nil
	case d.byName && !d.opts.Force:
		return forceable("remove repository reference %q (must force) - %s is using its referenced image %s",
			d.name, d.user.Name, id)
	case d.byName:
		return nil
	case d.user.Running:
		return errdefs.Errorf(errdefs.ErrConflict,
			"conflict: unable to delete %s (cannot be forced) - image is being used by running %s; stop that first",
			id, d.user.Name)
	case len(repos) == 0:
		return errdefs.Errorf(errdefs.ErrConflict,
			"conflict: unable to delete %s (cannot be forced) - image is being used by stopped %s; remove that first",
			id, d.user.Name)
	case !d.opts.Force:
		return forceable("delete %s (must be forced) - image is being used by stopped %s", id, d.user.Name)
	}
	return nil
}

// Untagged are the lines that docker prints of a record that went.
func Untagged(r names.Record) []string {
	if r.Name == "" {
		return nil
	}
	lines := []string{r.Called()}
	if ref, err := reference.Parse(r.Name); err == nil && r.Origin != "" && ref.Digest == "" {
		lines = append(lines, ref.WithDigest(r.Origin).Familiar())
	}
	return lines
}
