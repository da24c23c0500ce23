package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/plural"
	"cove/inventory"
	"cove/inventory/packages"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/scanners"
)

// tries is how often a scan is begun before it has failed.
const tries = 3

// longest is how long a scan of one image may take.
const longest = 2 * time.Hour

// atOthers is how many images of a server scanners of others scan at once, ofProject how many
// of these are of one project. They take their time elsewhere, and one that does not answer
// keeps no image from the registry's own, nor from the scanners of other projects.
const (
	atOthers  = 4
	ofProject = 2
)

// Kinds are what a server does of scans apart from requests. One image is read at a
// time: who pushes and pulls goes before.
func (s *Scans) Kinds() []jobs.Kind {
	return []jobs.Kind{
		{Name: JobScan, Tries: tries, Longest: longest, Run: s.runScan},
		{Name: JobOther, Tries: tries, Limit: atOthers, OfProject: ofProject, Longest: longest, Run: s.runScan},
		{Name: JobMissing, Tries: tries, Run: s.runMissing},
		{Name: JobMatch, Tries: tries, Run: func(ctx context.Context, w *jobs.Work) (string, error) {
			changes, err := s.book.Rescan(ctx, w.Say)
			return changes.String(), err
		}},
	}
}

// Schedules are those that every registry has.
func Schedules() []jobs.Schedule {
	return []jobs.Schedule{{Kind: JobMissing, Subject: "all", Cron: "20 1 * * *"}}
}

func (s *Scans) runScan(ctx context.Context, w *jobs.Work) (string, error) {
	var i results.Image
	if err := w.Read(&i); err != nil {
		return "", err
	}
	by, err := s.scannerOf(ctx, i.Project())
	if err != nil {
		return "", err
	}
	found, err := s.scan(ctx, by, i, w.Say)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return "it is not there any more", nil
	case err == nil:
		return found.String(), nil
	case ctx.Err() == nil && (w.Attempts >= tries || errors.Is(err, errdefs.ErrCorrupt) ||
		errors.Is(err, errdefs.ErrUnsupported)):
		return "", jobs.Final(errors.Join(err, s.book.Fail(ctx, i.Digest, by.Name(), err.Error())))
	}
	return "", err
}

// scan scans an image, and attaches the bill that its project wants.
func (s *Scans) scan(ctx context.Context, by scanner, i results.Image, say func(string)) (results.Scan, error) {
	found, err := by.Scan(ctx, i, say)
	if err != nil {
		return found, err
	}
	wanted, err := gate.SettingsOf(ctx, s.cfg.DB.Querier(), i.Project())
	if err != nil || wanted.SBOM == "" {
		return found, err
	}
	// A bill is made of what the registry read itself, whoever looked for vulnerabilities.
	if _, err := s.read(ctx, i, say); err != nil {
		return found, err
	}
	_, err = s.Attach(ctx, auth.Operator(), i, wanted.SBOM)
	return found, err
}

// read reads what of an image was not read before.
func (s *Scans) read(ctx context.Context, i results.Image, say func(string)) ([]packages.Layer, error) {
	layers, err := s.layers(ctx, i)
	if err != nil {
		return nil, err
	}
	var all []packages.Layer
	for n, l := range layers {
		say(fmt.Sprintf("layer %d of %d", n+1, len(layers)))
		said, err := s.layer(ctx, i.Repository, l.Digest)
		if err != nil {
			return nil, err
		}
		all = append(all, said)
	}
	return all, nil
}

// layer is what a layer says, by what is kept or by reading it.
func (s *Scans) layer(ctx context.Context, repo string, dgst digest.Digest) (packages.Layer, error) {
	said, read, err := s.book.Layer(ctx, dgst)
	if err != nil || read {
		return said, err
	}
	blob, err := s.cfg.Registry.OpenBlob(auth.WithCaller(ctx, auth.Operator()), repo, dgst)
	if errors.Is(err, errdefs.ErrNotFound) {
		return said, errdefs.Errorf(errdefs.ErrCorrupt, "layer %s is not stored here", dgst)
	}
	if err != nil {
		return said, fmt.Errorf("layer %s: %w", dgst, err)
	}
	defer blob.Close()
	if said, err = inventory.Read(ctx, blob, s.cfg.Spool); err != nil {
		return said, fmt.Errorf("layer %s: %w", dgst, err)
	}
	return said, s.book.KeepLayer(ctx, dgst, said)
}

// runMissing scans the images that were not scanned, one after the other, and those that
// another scanner scanned too long ago.
func (s *Scans) runMissing(ctx context.Context, w *jobs.Work) (string, error) {
	var t tally
	if err := s.book.Mend(ctx); err != nil {
		return "", err
	}
	if err := s.each(ctx, w, &t, func(last string, n int) ([]results.Image, error) {
		return s.book.Waiting(ctx, last, n)
	}); err != nil {
		return "", err
	}
	others, err := scanners.All(ctx, s.cfg.DB.Querier())
	if err != nil {
		return "", err
	}
	for _, of := range others {
		if of.AgainDays == 0 {
			continue
		}
		before := s.cfg.DB.Now().AddDate(0, 0, -of.AgainDays)
		if err := s.each(ctx, w, &t, func(last string, n int) ([]results.Image, error) {
			return s.book.Aged(ctx, of.Name, before, last, n)
		}); err != nil {
			return "", err
		}
	}
	return t.String(), nil
}

// tally counts what became of images.
type tally struct{ scanned, failed int }

func (t tally) String() string {
	note := plural.Sprintf("%d images scanned", t.scanned)
	if t.failed > 0 {
		note += fmt.Sprintf(", %d failed", t.failed)
	}
	return note
}

// each scans images of pages, which are those after a digest.
func (s *Scans) each(
	ctx context.Context, w *jobs.Work, t *tally, pageOf func(last string, n int) ([]results.Image, error),
) error {
	const page = 100
	for last := ""; ; {
		images, err := pageOf(last, page)
		if err != nil || len(images) == 0 {
			return err
		}
		for _, i := range images {
			last = i.Digest.String()
			by, err := s.scannerOf(ctx, i.Project())
			if err != nil {
				return err
			}
			_, err = s.scan(ctx, by, i, func(string) {})
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err == nil:
				t.scanned++
			case errors.Is(err, errdefs.ErrNotFound):
			default:
				t.failed++
				if err := s.book.Fail(ctx, i.Digest, by.Name(), err.Error()); err != nil {
					return err
				}
			}
			w.Say(t.String())
		}
	}
}
