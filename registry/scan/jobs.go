package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/inventory"
	"cove/inventory/packages"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
)

// tries is how often a scan is begun before it has failed.
const tries = 3

// Kinds are what a server does of scans apart from requests. One image is read at a
// time: who pushes and pulls goes before.
func (s *Scans) Kinds() []jobs.Kind {
	return []jobs.Kind{
		{Name: JobScan, Tries: tries, Longest: 2 * time.Hour, Run: s.runScan},
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
	found, err := s.scan(ctx, i, w.Say)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return "it is not there any more", nil
	case err == nil:
		return found.String(), nil
	case ctx.Err() == nil && (w.Attempts >= tries || errors.Is(err, errdefs.ErrCorrupt)):
		return "", jobs.Final(errors.Join(err, s.book.Fail(ctx, i.Digest, err.Error())))
	}
	return "", err
}

// scan reads what of an image was not read before, and keeps what is known then.
func (s *Scans) scan(ctx context.Context, i results.Image, say func(string)) (results.Scan, error) {
	layers, err := s.layers(ctx, i)
	if err != nil {
		return results.Scan{}, err
	}
	var all []packages.Layer
	for n, l := range layers {
		say(fmt.Sprintf("layer %d of %d", n+1, len(layers)))
		said, err := s.layer(ctx, i.Repository, l.Digest)
		if err != nil {
			return results.Scan{}, err
		}
		all = append(all, said)
	}
	found, err := s.book.Keep(ctx, i.Digest, packages.Stack(all))
	if err != nil {
		return found, err
	}
	wanted, err := gate.SettingsOf(ctx, s.cfg.DB.Querier(), i.Project())
	if err == nil && wanted.SBOM != "" {
		_, err = s.Attach(ctx, auth.Operator(), i, wanted.SBOM)
	}
	return found, err
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

// runMissing scans the images that were not scanned, one after the other.
func (s *Scans) runMissing(ctx context.Context, w *jobs.Work) (string, error) {
	const page = 100
	scanned, failed := 0, 0
	for last := ""; ; {
		images, err := s.book.Waiting(ctx, last, page)
		if err != nil || len(images) == 0 {
			note := fmt.Sprintf("%d images scanned", scanned)
			if failed > 0 {
				note += fmt.Sprintf(", %d failed", failed)
			}
			return note, err
		}
		for _, i := range images {
			last = i.Digest.String()
			_, err := s.scan(ctx, i, func(string) {})
			switch {
			case ctx.Err() != nil:
				return "", ctx.Err()
			case err == nil:
				scanned++
			case errors.Is(err, errdefs.ErrNotFound):
			default:
				failed++
				if err := s.book.Fail(ctx, i.Digest, err.Error()); err != nil {
					return "", err
				}
			}
			w.Say(fmt.Sprintf("%d images scanned", scanned))
		}
	}
}
