// Package scan finds vulnerabilities in what a registry stores, without a network:
// the packages of each layer are read once and kept (inventory, results), databases
// of vulnerabilities are imported (vulndb), and both are matched whenever either
// changes. A project can have what is too bad kept back (gate).
package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/robots"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/scanners"
	"cove/registry/scan/vulndb"
	"cove/registry/seal"
	"cove/registry/store/change"
)

// The rights that scans take: of a project those that Harbor has, and those of the
// registry as a whole.
const (
	Read     = rights.Right("scan:read")
	Create   = rights.Right("scan:create")
	ReadSBOM = rights.Right("sbom:read")
	MakeSBOM = rights.Right("sbom:create")
	ReadAll  = rights.ReadScans
	Manage   = rights.ManageScans
)

// The kinds of jobs.
const (
	JobScan    = "scan"         // one image
	JobOther   = "scan-other"   // one image, by a scanner of others
	JobMissing = "scan-missing" // all that were not scanned
	JobMatch   = "scan-match"   // all that were, after a new database
)

// Config is what scans need.
type Config struct {
	DB    *metadata.DB // stays the caller's
	Judge auth.Judge
	// Registry has what is scanned; nil beside a server, which is then asked by jobs.
	Registry distribution.Registry
	// Spool is a folder for temporary files, "" is the system's.
	Spool string
	// Box has the credentials of scanners, and Outbound says where these may be. They pull
	// by accounts that Robots makes, from this registry's Address, as https://HOST[:PORT].
	Box      *seal.Box
	Outbound outbound.Policy
	Robots   *robots.Robots
	Address  string
}

// Scans is the service. It is safe for concurrent use.
type Scans struct {
	Gates    *gate.Gates
	Scanners *scanners.Service

	cfg  Config
	book *results.Book
	data *vulndb.DB
}

// New returns the service.
func New(cfg Config) *Scans {
	return &Scans{
		Gates:    gate.New(cfg.DB, cfg.Judge),
		Scanners: scanners.New(cfg.DB, cfg.Judge, cfg.Box, cfg.Outbound),
		cfg:      cfg, book: results.Over(cfg.DB), data: vulndb.Over(cfg.DB),
	}
}

// Spool is the folder for temporary files, "" is the system's.
func (s *Scans) Spool() string { return s.cfg.Spool }

// image finds the manifest of an image in a repository, for a caller who has a
// right there.
func (s *Scans) image(
	ctx context.Context,
	by auth.Caller,
	right auth.Right,
	i results.Image,
) (ocispec.Descriptor, error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, right, i.Repository); err != nil {
		return ocispec.Descriptor{}, err
	}
	return s.cfg.DB.ManifestByDigest(ctx, i.Repository, i.Digest)
}

// Request has a server scan an image, also when it was scanned before, and returns
// the job. Of an index all images are scanned: the job is that of the first.
func (s *Scans) Request(ctx context.Context, by auth.Caller, i results.Image) (job int64, err error) {
	i.Repository = metadata.CanonicalName(i.Repository)
	desc, err := s.image(ctx, by, Create, i)
	if err != nil {
		return 0, err
	}
	of, err := s.images(ctx, i, desc)
	if err != nil {
		return 0, err
	}
	if len(of) == 0 {
		return 0, errdefs.Errorf(
			errdefs.ErrInvalid,
			"%s@%s is no image, so there is nothing to scan",
			i.Repository,
			i.Digest,
		)
	}
	err = s.cfg.DB.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for n, one := range of {
			id, err := add(ctx, tx, by.Name, one)
			if err != nil {
				return err
			}
			if n == 0 {
				job = id
			}
		}
		return audit.Record(
			ctx,
			tx,
			by,
			audit.Change{Action: "scan.request", Object: i.Repository + "@" + i.Digest.String()},
		)
	})
	return job, err
}

// images are those that a manifest is, or lists.
func (s *Scans) images(ctx context.Context, i results.Image, desc ocispec.Descriptor) ([]results.Image, error) {
	if yes, err := results.Scannable(ctx, s.cfg.DB.Querier(), desc); err != nil || yes {
		return []results.Image{i}, err
	}
	return results.ImagesOf(ctx, s.cfg.DB.Querier(), i)
}

// add adds the job of one image, within a write.
func add(ctx context.Context, tx *metadata.Tx, by string, i results.Image) (int64, error) {
	kind := JobScan
	wanted, err := gate.SettingsOf(ctx, tx.Querier(), i.Project())
	if err != nil {
		return 0, err
	}
	_, other, err := scanners.Of(ctx, tx.Querier(), wanted.Scanner)
	switch {
	case err != nil && !errors.Is(err, errdefs.ErrNotFound): // one that has gone is the job's to tell
		return 0, err
	case other:
		kind = JobOther
	}
	id, _, err := jobs.Add(ctx, tx, jobs.New{
		Kind: kind, Subject: i.Digest.String(), Project: i.Project(), By: by, Args: i, Alone: true,
	})
	return id, err
}

// Stored is a change.Teller: it has images scanned that are pushed.
func Stored(ctx context.Context, tx *metadata.Tx, c change.Change) error {
	if c.Deleted {
		return nil
	}
	return Pushed(ctx, tx, results.Image{Repository: c.Repository, Digest: c.Digest}, c.Actor)
}

// Pushed has an image scanned that is pushed, within the transaction of the push, if
// its project wants that and there is something to gain: a database, a gate or an
// SBOM.
func Pushed(ctx context.Context, tx *metadata.Tx, i results.Image, by string) error {
	yes, err := results.Scannable(ctx, tx.Querier(), ocispec.Descriptor{Digest: i.Digest})
	if err != nil || !yes {
		return err
	}
	wanted, err := gate.SettingsOf(ctx, tx.Querier(), i.Project())
	if err != nil || !wanted.OnPush {
		return err
	}
	if wanted.SBOM == "" && wanted.From == advisory.None {
		_, other, err := scanners.Of(ctx, tx.Querier(), wanted.Scanner)
		if err != nil {
			return err
		}
		if some, err := vulndb.Any(ctx, tx.Querier()); err != nil || !some && !other {
			return err
		}
	}
	_, err = results.Of(ctx, tx.Querier(), i.Digest)
	if errors.Is(err, errdefs.ErrNotFound) {
		_, err = add(ctx, tx, by, i)
	}
	return err
}

// RequestAll has a server scan all images that were not scanned yet.
func (s *Scans) RequestAll(ctx context.Context, by auth.Caller) (job int64, err error) {
	err = s.cfg.DB.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.cfg.Judge.Permit(ctx, tx, by, Manage, ""); err != nil {
			return err
		}
		var err error
		job, _, err = jobs.Add(ctx, tx, jobs.New{Kind: JobMissing, Subject: "all", By: by.Name, Alone: true})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scan.all"})
	})
	return job, err
}

// Report is what is known of an image.
type Report struct {
	results.Image
	results.Scan
	// Gated says that the project has a gate, and Held that it keeps the image back.
	Gated, Held bool
	Verdict     gate.Verdict
	// From is the severity from which on the gate keeps images back.
	From advisory.Severity
}

// Report tells what is known of an image. One that was not scanned is
// errdefs.ErrNotFound.
func (s *Scans) Report(ctx context.Context, by auth.Caller, i results.Image) (r Report, err error) {
	i.Repository = metadata.CanonicalName(i.Repository)
	if _, err := s.image(ctx, by, Read, i); err != nil {
		return r, err
	}
	r.Image = i
	r.Verdict, r.Held, r.Gated, err = s.Gates.Judge(ctx, i.Project(), i.Digest)
	r.From = r.Verdict.From
	if err == nil {
		r.Scan, err = results.Of(ctx, s.cfg.DB.Querier(), i.Digest)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		err = errdefs.Suggest(err, errdefs.ScanFirst, i.Repository+"@"+i.Digest.String())
	}
	return r, err
}

// Vulnerabilities are those of an image, the worst first.
func (s *Scans) Vulnerabilities(ctx context.Context, by auth.Caller, i results.Image) ([]results.Found, error) {
	i.Repository = metadata.CanonicalName(i.Repository)
	if _, err := s.image(ctx, by, Read, i); err != nil {
		return nil, err
	}
	return s.book.Vulnerabilities(ctx, i.Digest)
}

// Overview is how the whole registry stands.
type Overview struct {
	results.Totals
	Databases []vulndb.Source
}

// Overview tells how the whole registry stands.
func (s *Scans) Overview(ctx context.Context, by auth.Caller) (o Overview, err error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, ReadAll, ""); err != nil {
		return o, err
	}
	if o.Totals, err = s.book.Total(ctx); err == nil {
		o.Databases, err = vulndb.Sources(ctx, s.cfg.DB.Querier())
	}
	return o, err
}

// Worst lists artifacts of a project, or of all, those with the worst vulnerabilities
// first.
func (s *Scans) Worst(ctx context.Context, by auth.Caller, q results.Query) ([]results.Entry, bool, error) {
	right := Read
	if q.Project == "" {
		right = ReadAll
	}
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, right, q.Project); err != nil {
		return nil, false, err
	}
	if q.Project == "" {
		return s.book.Worst(ctx, q)
	}
	return s.worstOf(ctx, by, q)
}

// worstOf leaves out the repositories of a project that the caller does not see: his role
// may be one in some of them.
func (s *Scans) worstOf(
	ctx context.Context, by auth.Caller, q results.Query,
) (page []results.Entry, more bool, err error) {
	sees := map[string]bool{}
	for n := q.N; ; {
		some, others, err := s.book.Worst(ctx, q)
		if err != nil {
			return nil, false, err
		}
		for _, e := range some {
			may, known := sees[e.Repository]
			if !known {
				if may, err = s.may(ctx, by, Read, e.Repository); err != nil {
					return nil, false, err
				}
				sees[e.Repository] = may
			}
			if !may {
				continue
			}
			if len(page) == n {
				return page, true, nil
			}
			page = append(page, e)
		}
		if !others {
			return page, false, nil
		}
		q.After = some[len(some)-1].Cursor()
	}
}

// About tells what the databases say of a vulnerability, and which artifacts have
// it. One that nobody knows is errdefs.ErrNotFound.
func (s *Scans) About(
	ctx context.Context, by auth.Caller, id string, q results.Query,
) (v advisory.Vulnerability, page []results.Entry, more bool, err error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, ReadAll, ""); err != nil {
		return v, nil, false, err
	}
	if v, err = vulndb.Vulnerability(ctx, s.cfg.DB.Querier(), id); err != nil {
		return v, nil, false, err
	}
	if page, more, err = s.book.Having(ctx, id, q); err == nil && v.ID == "" && len(page) == 0 {
		err = errdefs.Errorf(errdefs.ErrNotFound, "no database knows a vulnerability %q", id)
	}
	return v, page, more, err
}

// Databases lists those that are asked.
func (s *Scans) Databases(ctx context.Context, by auth.Caller) ([]vulndb.Source, error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, ReadAll, ""); err != nil {
		return nil, err
	}
	return vulndb.Sources(ctx, s.cfg.DB.Querier())
}

// Choices are the names of the scanners that a project may choose, the registry's own
// first.
func (s *Scans) Choices(ctx context.Context, by auth.Caller, project string) ([]string, error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, gate.Read, project); err != nil {
		return nil, err
	}
	all, err := scanners.All(ctx, s.cfg.DB.Querier())
	names := []string{scanners.BuiltIn}
	for _, one := range all {
		names = append(names, one.Name)
	}
	return names, err
}

// Import imports a database in the place of the one of its name, and has everything
// matched against it.
func (s *Scans) Import(
	ctx context.Context, by auth.Caller, n vulndb.New, file io.ReaderAt, size int64,
) (vulndb.Source, error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, Manage, ""); err != nil {
		return vulndb.Source{}, err
	}
	n.By = by.Name
	return s.data.Import(ctx, n, file, size, func(ctx context.Context, tx *metadata.Tx, src vulndb.Source) error {
		if err := follow(ctx, tx, by, src.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "scan.db.import", Object: src.Name,
			Detail: fmt.Sprintf("%s, %d advisories", src.Origin, src.Advisories),
		})
	})
}

// follow has all matched, and what was not scanned before scanned, after a change of
// the databases.
func follow(ctx context.Context, tx *metadata.Tx, by auth.Caller, id int64) error {
	_, _, err := jobs.Add(ctx, tx, jobs.New{Kind: JobMatch, Subject: strconv.FormatInt(id, 10), By: by.Name})
	if err == nil {
		_, _, err = jobs.Add(ctx, tx, jobs.New{Kind: JobMissing, Subject: "all", By: by.Name, Alone: true})
	}
	return err
}

// RemoveDatabase has a database asked no more.
func (s *Scans) RemoveDatabase(ctx context.Context, by auth.Caller, name string) error {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, Manage, ""); err != nil {
		return err
	}
	return s.data.Remove(ctx, name, func(ctx context.Context, tx *metadata.Tx) error {
		if err := follow(ctx, tx, by, tx.Tx.NewID()); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scan.db.remove", Object: name})
	})
}

// Packages are those of an image that was scanned.
func (s *Scans) Packages(ctx context.Context, by auth.Caller, i results.Image) (packages.Image, error) {
	i.Repository = metadata.CanonicalName(i.Repository)
	if _, err := s.image(ctx, by, ReadSBOM, i); err != nil {
		return packages.Image{}, err
	}
	layers, err := s.layers(ctx, i)
	if err != nil {
		return packages.Image{}, err
	}
	var all []packages.Layer
	for _, l := range layers {
		said, read, err := s.book.Layer(ctx, l.Digest)
		if err != nil {
			return packages.Image{}, err
		}
		if !read {
			return packages.Image{}, errdefs.Errorf(
				errdefs.ErrNotFound,
				"%s@%s was not read by the registry: have it scanned by its own scanner, or have its project attach SBOMs",
				i.Repository,
				i.Digest,
			)
		}
		all = append(all, said)
	}
	return packages.Stack(all), nil
}

// manifest is what of an image's manifest is read.
type manifest struct {
	Config ocispec.Descriptor   `json:"config"`
	Layers []ocispec.Descriptor `json:"layers"`
}

// layers are those of an image that are file systems.
func (s *Scans) layers(ctx context.Context, i results.Image) ([]ocispec.Descriptor, error) {
	if s.cfg.Registry == nil {
		return nil, errdefs.Errorf(
			errdefs.ErrUnavailable,
			"this is done by a server of the registry, which is not here",
		)
	}
	m, err := s.cfg.Registry.GetManifest(auth.WithCaller(ctx, auth.Operator()), i.Repository, i.Digest)
	if err != nil {
		return nil, err
	}
	var doc manifest
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "manifest %s: %w", i.Digest, err)
	}
	var layers []ocispec.Descriptor
	for _, l := range doc.Layers {
		if isLayer(l.MediaType) {
			layers = append(layers, l)
		}
	}
	return layers, nil
}

// isLayer says that a blob is a layer of files, rather than an attestation or the
// like.
func isLayer(mediaType string) bool {
	switch mediaType {
	case ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		return true
	}
	return false
}
