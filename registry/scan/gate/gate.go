// Package gate decides by what scans found whether something may be pulled: a project
// says from which severity on nothing is, what becomes of images that are not scanned
// yet, and which vulnerabilities are let through, and until when.
package gate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/recent"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/scan/advisory"
	"cove/registry/scan/results"
	"cove/registry/scan/scanners"
)

// The rights that the settings take: of a project Harbor's over its configuration,
// and of what all projects let through the registry's.
const (
	Read   = rights.Right("configuration:read")
	Change = rights.Right("configuration:update")
	Manage = rights.ManageScans
)

// What becomes of an image that was not scanned.
const (
	Allow = "allow"
	Block = "block"
)

// Settings are what a project wants of scans.
type Settings struct {
	// OnPush has images scanned when they are pushed.
	OnPush bool
	// SBOM is the form of the SBOM that is attached after a scan: "", "spdx" or
	// "cyclonedx".
	SBOM string
	// From is the severity from which on nothing is pulled; advisory.None is no gate.
	From advisory.Severity
	// Unscanned is Allow or Block; "" without a gate.
	Unscanned string
	// Scanner is the name of the one that scans: "" is the standard one of the registry.
	Scanner string
	By      string
	At      time.Time // zero when nobody has set anything
}

// Standard are the settings of a project that has none.
var Standard = Settings{OnPush: true}

// Check refuses settings that leave something open.
func (s Settings) Check() error {
	switch {
	case s.SBOM != "" && s.SBOM != "spdx" && s.SBOM != "cyclonedx":
		return errdefs.Errorf(errdefs.ErrInvalid, "SBOM %q: use spdx or cyclonedx, or nothing for none", s.SBOM)
	case s.From == advisory.None && s.Unscanned != "":
		return errdefs.Errorf(errdefs.ErrInvalid,
			"what becomes of images that are not scanned belongs to a gate: say its severity, too")
	case s.From != advisory.None && s.Unscanned != Allow && s.Unscanned != Block:
		return errdefs.Errorf(errdefs.ErrInvalid,
			"unscanned %q: choose what becomes of images that are not scanned yet: allow or block", s.Unscanned)
	}
	return nil
}

// Exception lets a vulnerability through.
type Exception struct {
	Vulnerability string
	Expires       time.Time // zero is never
	Reason, By    string
	At            time.Time
}

// Expired says whether it has ended.
func (e Exception) Expired(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// maxExceptions bounds those of a project.
const maxExceptions = 5000

// Gates are the settings of all projects. It is safe for concurrent use.
type Gates struct {
	db    *metadata.DB
	judge auth.Judge
	// settings are by project; only those without a gate are remembered.
	settings recent.Answers[string, Settings]
}

// New manages the gates in db.
func New(database *metadata.DB, judge auth.Judge) *Gates {
	return &Gates{db: database, judge: judge, settings: recent.Answers[string, Settings]{Now: time.Now}}
}

// Of are the settings of a project.
func (g *Gates) Of(ctx context.Context, by auth.Caller, project string) (Settings, error) {
	if err := g.judge.Permit(ctx, g.db, by, Read, project); err != nil {
		return Settings{}, err
	}
	if _, err := g.db.Project(ctx, project); err != nil {
		return Settings{}, err
	}
	return SettingsOf(ctx, g.db.Querier(), project)
}

// SettingsOf are the settings of a project, for who need not ask.
func SettingsOf(ctx context.Context, q db.Querier, project string) (s Settings, err error) {
	var onPush, at int64
	err = q.Row(ctx, `SELECT s.on_push, s.sbom, s.severity, s.unscanned, s.scanner, s.changed_by, s.changed_at
		FROM projects p
		JOIN scan_projects s ON s.project_id = p.id WHERE p.name = $1`, project,
	).Scan(&onPush, &s.SBOM, &s.From, &s.Unscanned, &s.Scanner, &s.By, &at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Standard, nil
	case err != nil:
		return Standard, db.Unavailable(err)
	}
	s.OnPush, s.At = onPush != 0, time.UnixMicro(at)
	return s, nil
}

// Set gives a project its settings. Conditions are asked about the settings as they are,
// within the transaction: the error of one is the answer, and nothing is changed.
func (g *Gates) Set(
	ctx context.Context, by auth.Caller, project string, s Settings, conditions ...func(Settings) error,
) error {
	if err := s.Check(); err != nil {
		return err
	}
	defer g.settings.Forget(project)
	return g.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := g.judge.Permit(ctx, tx, by, Change, project); err != nil {
			return err
		}
		p, err := tx.ProjectForUpdate(ctx, project)
		if err != nil {
			return err
		}
		for _, met := range conditions {
			now, err := SettingsOf(ctx, tx.Querier(), project)
			if err == nil {
				err = met(now)
			}
			if err != nil {
				return err
			}
		}
		if _, _, err := scanners.Of(ctx, tx.Querier(), s.Scanner); errors.Is(err, errdefs.ErrNotFound) {
			return errdefs.Errorf(errdefs.ErrInvalid, "there is no scanner %q; add it, or choose %s", s.Scanner,
				scanners.BuiltIn)
		} else if err != nil {
			return err
		}
		_, err = tx.Tx.Exec(ctx, `INSERT INTO scan_projects
			(project_id, on_push, sbom, severity, unscanned, scanner, changed_by, changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (project_id) DO UPDATE SET on_push = excluded.on_push, sbom = excluded.sbom,
			severity = excluded.severity, unscanned = excluded.unscanned, scanner = excluded.scanner,
			changed_by = excluded.changed_by,
			changed_at = excluded.changed_at`,
			p.ID, db.Number(s.OnPush), s.SBOM, int64(s.From), s.Unscanned, s.Scanner, by.Name, db.Micros(tx.Now()))
		if err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scan.settings", Object: project, Detail: s.String()})
	})
}

func (s Settings) String() string {
	words := []string{"scan on push: " + map[bool]string{true: "yes", false: "no"}[s.OnPush]}
	if s.SBOM != "" {
		words = append(words, "SBOM: "+s.SBOM)
	}
	if s.Scanner != "" {
		words = append(words, "scanner: "+s.Scanner)
	}
	if s.From != advisory.None {
		words = append(
			words,
			fmt.Sprintf("no pull from %s on, unscanned: %s", strings.ToLower(s.From.String()), s.Unscanned),
		)
	}
	return strings.Join(words, ", ")
}

// permit asks for the right to look at or change what a project, "" is all, lets
// through.
func (g *Gates) permit(
	ctx context.Context,
	q auth.Standings,
	by auth.Caller,
	right auth.Right,
	project string,
) error {
	if project == "" {
		if right == Read {
			return nil // everyone who reads a refusal may know it
		}
		right = Manage
	}
	return g.judge.Permit(ctx, q, by, right, project)
}

// Exceptions lists what a project lets through, or, when that is "", all projects;
// also those that have expired.
func (g *Gates) Exceptions(ctx context.Context, by auth.Caller, project string) ([]Exception, error) {
	if err := g.permit(ctx, g.db, by, Read, project); err != nil {
		return nil, err
	}
	id, err := projectID(ctx, g.db.Queries, project)
	if err != nil {
		return nil, err
	}
	return exceptions(ctx, g.db.Querier(), id)
}

func projectID(ctx context.Context, q metadata.Queries, project string) (int64, error) {
	if project == "" {
		return 0, nil
	}
	p, err := q.Project(ctx, project)
	return p.ID, err
}

func exceptions(ctx context.Context, q db.Querier, projectID int64) ([]Exception, error) {
	return db.All(ctx, q, func(row db.Scanner) (e Exception, err error) {
		var expires, at int64
		err = row.Scan(&e.Vulnerability, &expires, &e.Reason, &e.By, &at)
		if e.At = time.UnixMicro(at); expires != 0 {
			e.Expires = time.UnixMicro(expires)
		}
		return e, err
	}, `SELECT vulnerability, expires_at, reason, created_by, created_at FROM scan_allowed
		WHERE project_id = $1 ORDER BY vulnerability`, projectID)
}

// Except lets a vulnerability through, in the place of what was said of it before.
func (g *Gates) Except(ctx context.Context, by auth.Caller, project string, e Exception) error {
	const longest = 500
	e.Vulnerability = strings.TrimSpace(e.Vulnerability)
	switch {
	case e.Vulnerability == "" || len(e.Vulnerability) > 128 || strings.ContainsFunc(e.Vulnerability, odd):
		return errdefs.Errorf(errdefs.ErrInvalid, "vulnerability %q: use a name as CVE-2024-1234", e.Vulnerability)
	case len(e.Reason) > longest:
		return errdefs.Errorf(errdefs.ErrInvalid, "the reason has more than %d bytes", longest)
	case e.Expired(g.db.Now()):
		return errdefs.Errorf(errdefs.ErrInvalid, "the exception would end before it begins: %v is past", e.Expires)
	}
	return g.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := g.permit(ctx, tx, by, Change, project); err != nil {
			return err
		}
		id, err := projectID(ctx, tx.Queries, project)
		if err != nil {
			return err
		}
		there, err := exceptions(ctx, tx.Querier(), id)
		if err != nil {
			return err
		}
		if len(there) >= maxExceptions {
			return errdefs.Errorf(errdefs.ErrConflict, "%d vulnerabilities are let through already; remove one first",
				maxExceptions)
		}
		expires := int64(0)
		if !e.Expires.IsZero() {
			expires = db.Micros(e.Expires)
		}
		_, err = tx.Tx.Exec(ctx, `INSERT INTO scan_allowed
			(project_id, vulnerability, expires_at, reason, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (project_id, vulnerability) DO UPDATE SET expires_at = excluded.expires_at,
			reason = excluded.reason, created_by = excluded.created_by, created_at = excluded.created_at`,
			id, e.Vulnerability, expires, e.Reason, by.Name, db.Micros(tx.Now()))
		if err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scan.allow", Object: project, Detail: e.Vulnerability})
	})
}

// odd are characters that no name of a vulnerability has.
func odd(r rune) bool { return r <= ' ' || r > '~' }

// Insist lets a vulnerability through no longer.
func (g *Gates) Insist(ctx context.Context, by auth.Caller, project, vulnerability string) error {
	return g.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := g.permit(ctx, tx, by, Change, project); err != nil {
			return err
		}
		id, err := projectID(ctx, tx.Queries, project)
		if err != nil {
			return err
		}
		changed, err := tx.Tx.Exec(ctx, "DELETE FROM scan_allowed WHERE project_id = $1 AND vulnerability = $2", id,
			vulnerability)
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "%s is not let through", vulnerability)
		}
		return audit.Record(
			ctx,
			tx,
			by,
			audit.Change{Action: "scan.disallow", Object: project, Detail: vulnerability},
		)
	})
}

// MayPull refuses, with errdefs.ErrDenied and why, the pull of an image that the gate
// of its project keeps back. Of an index each image is asked when it is pulled. That a
// project has no gate is believed for recent.Fresh.
func (g *Gates) MayPull(ctx context.Context, repo string, desc ocispec.Descriptor) error {
	project := metadata.ProjectOf(metadata.CanonicalName(repo))
	s, err := g.settings.Get(project,
		func() (Settings, error) { return SettingsOf(ctx, g.db.Querier(), project) },
		func(s Settings) bool { return s.From == advisory.None })
	if err != nil || s.From == advisory.None {
		return err
	}
	if image, err := results.Scannable(ctx, g.db.Querier(), desc); err != nil || !image {
		return err
	}
	v, err := g.judged(ctx, project, s, desc.Digest)
	if err != nil {
		return err
	}
	return v.refusal(repo, desc.Digest, project, s)
}

// Verdict is what a gate says of an image.
type Verdict struct {
	Unscanned bool   // it was not scanned
	Failed    string // why the scan failed, if it did
	Held      []results.Found
	Let       int // vulnerabilities that exceptions let through
	From      advisory.Severity
}

// Judge says what the gate of a project says of an image; false of a project without
// one.
func (g *Gates) Judge(
	ctx context.Context,
	project string,
	dgst digest.Digest,
) (v Verdict, held, gated bool, err error) {
	s, err := SettingsOf(ctx, g.db.Querier(), project)
	if err != nil || s.From == advisory.None {
		return v, false, false, err
	}
	v, err = g.judged(ctx, project, s, dgst)
	v.From = s.From
	return v, v.keeps(s), true, err
}

func (v Verdict) keeps(s Settings) bool {
	return v.Unscanned && s.Unscanned == Block || len(v.Held) > 0
}

func (g *Gates) judged(ctx context.Context, project string, s Settings, dgst digest.Digest) (v Verdict, err error) {
	q := g.db.Querier()
	scan, err := results.Of(ctx, q, dgst)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return Verdict{Unscanned: true}, nil
	case err != nil:
		return v, err
	case scan.State == results.Failed:
		return Verdict{Unscanned: true, Failed: scan.Note}, nil
	case scan.Summary.Worst() < s.From:
		return v, nil
	}
	through, err := g.through(ctx, project)
	if err != nil {
		return v, err
	}
	all, err := results.Over(g.db).Vulnerabilities(ctx, dgst)
	for _, f := range all {
		switch {
		case f.Severity < s.From:
		case through[f.Vulnerability]:
			v.Let++
		default:
			v.Held = append(v.Held, f)
		}
	}
	return v, err
}

// through is what the project, or all projects, let through now.
func (g *Gates) through(ctx context.Context, project string) (map[string]bool, error) {
	id, err := projectID(ctx, g.db.Queries, project)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, of := range []int64{0, id} {
		all, err := exceptions(ctx, g.db.Querier(), of)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if !e.Expired(g.db.Now()) {
				names[e.Vulnerability] = true
			}
		}
	}
	return names, nil
}

func (v Verdict) refusal(repo string, dgst digest.Digest, project string, s Settings) error {
	switch {
	case !v.keeps(s):
		return nil
	case v.Failed != "":
		return errdefs.Errorf(
			errdefs.ErrDenied,
			"%s@%s is not pulled: it could not be scanned (%s), and project %q lets nothing be pulled that is not scanned; "+
				"have it scanned again, or ask an administrator of the project",
			repo,
			dgst,
			v.Failed,
			project,
		)
	case v.Unscanned:
		return errdefs.Errorf(
			errdefs.ErrDenied,
			"%s@%s is not pulled: it was not scanned for vulnerabilities yet, and project %q lets nothing be pulled that is not; "+
				"try again when it is, or have it scanned now",
			repo,
			dgst,
			project,
		)
	}
	var names []string
	for _, f := range v.Held {
		if !slices.Contains(names, f.Vulnerability) {
			names = append(names, f.Vulnerability)
		}
	}
	const some = 5
	list := strings.Join(names[:min(len(names), some)], ", ")
	if len(names) > some {
		list += fmt.Sprintf(" and %d more", len(names)-some)
	}
	return errdefs.Errorf(
		errdefs.ErrDenied,
		"%s@%s is not pulled: it has %s, and project %q lets nothing be pulled with vulnerabilities of severity %s or worse; "+
			"pull a version that mends them, or have an administrator of the project let them through",
		repo,
		dgst,
		list,
		project,
		strings.ToLower(s.From.String()),
	)
}
