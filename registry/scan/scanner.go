package scan

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/robots"
	"cove/registry/scan/adapter"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/scanners"
)

// scanner finds the vulnerabilities of images and keeps them in the book. Both methods are
// called by jobs, and may be called again for the same image.
type scanner interface {
	// Name is what results say of who scanned; "" is the registry's own.
	Name() string
	// Scan scans an image, and says meanwhile how far it is. An image that is gone is
	// errdefs.ErrNotFound.
	Scan(ctx context.Context, i results.Image, say func(string)) (results.Scan, error)
}

// scannerOf is the scanner that a project has chosen.
func (s *Scans) scannerOf(ctx context.Context, project string) (scanner, error) {
	wanted, err := gate.SettingsOf(ctx, s.cfg.DB.Querier(), project)
	if err != nil {
		return nil, err
	}
	other, is, err := scanners.Of(ctx, s.cfg.DB.Querier(), wanted.Scanner)
	if err != nil || !is {
		return builtIn{s}, err
	}
	return foreign{s, other}, nil
}

// builtIn is the registry's own scanner: it reads each layer once, and asks the databases
// that were imported.
type builtIn struct{ *Scans }

func (b builtIn) Name() string { return "" }

func (b builtIn) Scan(ctx context.Context, i results.Image, say func(string)) (results.Scan, error) {
	all, err := b.read(ctx, i, say)
	if err != nil {
		return results.Scan{}, err
	}
	return b.book.Keep(ctx, i.Digest, packages.Stack(all))
}

// foreign is a scanner of others, which pulls the image by an account that is made for that,
// and for as long as it takes.
type foreign struct {
	*Scans
	of scanners.Scanner
}

func (f foreign) Name() string { return f.of.Name }

func (f foreign) Scan(ctx context.Context, i results.Image, say func(string)) (found results.Scan, err error) {
	desc, err := f.cfg.DB.ManifestByDigest(ctx, i.Repository, i.Digest)
	if err != nil {
		return found, err
	}
	c, err := f.Scanners.Dial(f.of)
	if err != nil {
		return found, err
	}
	defer c.Close()
	can, err := c.Metadata(ctx)
	if err != nil {
		return found, err
	}
	form, err := can.Report(desc.MediaType)
	if err != nil {
		return found, err
	}
	p, err := f.pass(ctx, i)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, f.revoke(context.WithoutCancel(ctx), p)) }()
	id, err := c.Begin(ctx, f.registry(p), artifactOf(i, desc), form)
	if err != nil {
		return found, err
	}
	begun := time.Now()
	report, err := c.Report(ctx, id, form, func(time.Duration) {
		say(fmt.Sprintf("%s is at it for %s", f.of.Name, time.Since(begun).Round(time.Second)))
	})
	if err != nil {
		return found, err
	}
	if of := report.Artifact.Digest; of != "" && of != i.Digest.String() {
		return found, errdefs.Errorf(errdefs.ErrCorrupt, "scanner %s: the report of the scan %q is about another artifact, %.80s",
			f.of.Name, id, of)
	}
	return f.book.KeepTold(ctx, i.Digest, f.of.Name, told(report))
}

func artifactOf(i results.Image, desc ocispec.Descriptor) adapter.Artifact {
	return adapter.Artifact{Repository: i.Repository, Digest: i.Digest.String(), MediaType: desc.MediaType}
}

// registry is where the scanner pulls, and by which account.
func (f foreign) registry(p pass) adapter.Registry {
	at := f.of.Registry
	if at == "" {
		at = f.cfg.Address
	}
	account := base64.StdEncoding.EncodeToString([]byte(p.name + ":" + p.secret))
	return adapter.Registry{URL: at, Authorization: "Basic " + account}
}

func told(r adapter.Report) []results.Told {
	all := make([]results.Told, 0, len(r.Vulnerabilities))
	for _, v := range r.Vulnerabilities {
		if v = v.Clean(); v.ID == "" || v.Package == "" {
			continue // of nothing
		}
		t := results.Told{Package: v.Package, Version: v.Version, Title: v.Title(), Score: v.Score()}
		t.Vulnerability, t.Severity, t.Fixed = v.ID, v.Judged(), v.FixVersion
		all = append(all, t)
	}
	return all
}

// pass is an account by which one image is pulled.
type pass struct{ name, secret string }

// passFor is how long one lasts at most.
const passFor = longest + time.Hour

// pass makes one. Those of servers that were killed meanwhile go.
func (s *Scans) pass(ctx context.Context, i results.Image) (p pass, err error) {
	if err := s.sweepPasses(ctx); err != nil {
		return p, err
	}
	project, within, _ := strings.Cut(i.Repository, "/")
	made, secret, err := s.cfg.Robots.Create(ctx, auth.Operator(), robots.Spec{
		Project: project, Name: passPrefix + strings.ToLower(rand.Text()[:16]), Rights: []string{"pull"},
		Repositories: []string{within}, ExpiresAt: s.cfg.DB.Now().Add(passFor),
		Description: "a scanner pulls " + i.Repository + "@" + i.Digest.String(),
	})
	if err != nil {
		return p, err
	}
	p = pass{made.Name, secret}
	err = s.cfg.DB.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "INSERT INTO scan_passes (user_id, repository, digest) VALUES ($1, $2, $3)",
			made.ID, i.Repository, i.Digest.String())
		return db.Unavailable(err)
	})
	if err != nil {
		return p, errors.Join(err, s.revoke(context.WithoutCancel(ctx), p))
	}
	return p, nil
}

// passPrefix begins the names of these accounts within their project.
const passPrefix = "scan-"

func (s *Scans) revoke(ctx context.Context, p pass) error {
	err := s.cfg.Robots.Remove(ctx, auth.Operator(), p.name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Scans) sweepPasses(ctx context.Context) error {
	names, err := db.All(ctx, s.cfg.DB.Querier(), db.ScanString, `SELECT u.name FROM scan_passes p
		JOIN users u ON u.id = p.user_id WHERE u.expires_at > 0 AND u.expires_at < $1 LIMIT 100`,
		db.Micros(s.cfg.DB.Now()))
	for _, name := range names {
		if err == nil {
			err = s.revoke(ctx, pass{name: name})
		}
	}
	return err
}
