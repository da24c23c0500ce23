// Package scanners keeps the scanners of others that this registry has images scanned by:
// where they are, how they are signed in to, and which of them a project has chosen.
package scanners

import (
	"context"
	"crypto/x509"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/scan/adapter"
	"cove/registry/seal"
)

// BuiltIn is the name of the registry's own scanner.
const BuiltIn = "built-in"

// Scanner is one of others, without its credential.
type Scanner struct {
	ID   int64
	Name string
	// URL is where it is, without /api/v1.
	URL  string
	Auth adapter.Auth
	// SkipVerify takes a certificate that nobody vouches for; CA has certificates in PEM
	// form to trust beside the system's.
	SkipVerify bool
	CA         string
	// Registry is the address by which it reaches this registry, as
	// https://registry.example.com; "" is the one that everybody uses.
	Registry string
	// Standard has it scan for all projects that choose none.
	Standard bool
	// AgainDays is after how many days an image is scanned again; 0 is never.
	AgainDays int
	By        string
	At        time.Time

	secret string // sealed
}

// Spec is a scanner as somebody asks for it.
type Spec struct {
	Name, URL  string
	Auth       adapter.Auth
	Credential string
	// KeepCredential leaves that of the scanner which is changed, if its address and the
	// way to sign in stay.
	KeepCredential bool
	SkipVerify     bool
	CA, Registry   string
	Standard       bool
	AgainDays      int
}

// Service manages scanners. As they have the registry send requests, and are given what
// it holds, all of it takes the right to manage scans; who has it not gets the errors of
// auth.Judge's Permit.
type Service struct {
	db       *metadata.DB
	judge    auth.Judge
	box      *seal.Box
	outbound outbound.Policy
}

// New manages the scanners of database.
func New(database *metadata.DB, judge auth.Judge, box *seal.Box, allowed outbound.Policy) *Service {
	return &Service{database, judge, box, allowed}
}

func (s *Service) permit(ctx context.Context, q auth.Standings, by auth.Caller) error {
	return s.judge.Permit(ctx, q, by, rights.ManageScans, "")
}

const selectScanners = `SELECT id, name, url, auth, secret, insecure, ca, registry, standard, again_days, created_by,
	created_at FROM scanners `

func scan(row db.Scanner) (s Scanner, err error) {
	var insecure, standard, at int64
	err = row.Scan(&s.ID, &s.Name, &s.URL, &s.Auth, &s.secret, &insecure, &s.CA, &s.Registry, &standard, &s.AgainDays,
		&s.By, &at)
	s.SkipVerify, s.Standard, s.At = insecure != 0, standard != 0, time.UnixMicro(at)
	return s, err
}

// List lists the scanners by name.
func (s *Service) List(ctx context.Context, by auth.Caller) ([]Scanner, error) {
	if err := s.judge.Permit(ctx, s.db, by, rights.ReadScans, ""); err != nil {
		return nil, err
	}
	return All(ctx, s.db.Querier())
}

// All lists them for who need not ask.
func All(ctx context.Context, q db.Querier) ([]Scanner, error) {
	return db.All(ctx, q, scan, selectScanners+"ORDER BY name")
}

// Get is one scanner, or errdefs.ErrNotFound.
func (s *Service) Get(ctx context.Context, by auth.Caller, name string) (Scanner, error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return Scanner{}, err
	}
	return Named(ctx, s.db.Querier(), name)
}

// Named is Get for who need not ask.
func Named(ctx context.Context, q db.Querier, name string) (Scanner, error) {
	found, err := scan(q.Row(ctx, selectScanners+"WHERE name = $1", name))
	return found, db.NotFound(err, "there is no scanner %q", name)
}

// Of is the scanner of a project that chose one by its name, "" being the standard one.
// False is the registry's own.
func Of(ctx context.Context, q db.Querier, choice string) (Scanner, bool, error) {
	switch choice {
	case BuiltIn:
		return Scanner{}, false, nil
	case "":
		all, err := db.All(ctx, q, scan, selectScanners+"WHERE standard = 1")
		if err != nil || len(all) == 0 {
			return Scanner{}, false, err
		}
		return all[0], true, nil
	}
	found, err := Named(ctx, q, choice)
	return found, err == nil, err
}

// Create adds a scanner; one of that name is errdefs.ErrExists.
func (s *Service) Create(ctx context.Context, by auth.Caller, spec Spec) (made Scanner, err error) {
	if made, err = spec.check(); err != nil {
		return made, err
	}
	if made.secret, err = s.box.Seal(spec.Credential, made.sealedFor()); err != nil {
		return made, err
	}
	err = s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		made.ID, made.By, made.At = tx.Tx.NewID(), by.Name, tx.Now()
		if err := yield(ctx, tx, made); err != nil {
			return err
		}
		changed, err := tx.Tx.Exec(ctx, `INSERT INTO scanners (id, name, url, auth, secret, insecure, ca, registry, standard,
			again_days, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (name) DO NOTHING`,
			made.ID, made.Name, made.URL, string(made.Auth), made.secret, db.Number(made.SkipVerify), made.CA,
			made.Registry, db.Number(made.Standard), made.AgainDays, by.Name, db.Micros(tx.Now()))
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrExists, "there is a scanner %q already", made.Name)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scanner.create", Object: made.Name, Detail: made.URL})
	})
	return made, err
}

// yield has the scanner that was the standard one give that to another.
func yield(ctx context.Context, tx *metadata.Tx, to Scanner) error {
	if !to.Standard {
		return nil
	}
	_, err := tx.Tx.Exec(ctx, "UPDATE scanners SET standard = 0 WHERE standard = 1 AND name <> $1", to.Name)
	return db.Unavailable(err)
}

// Set changes a scanner to what spec says, all of it. Conditions are asked about the
// scanner as it is, within the transaction: the error of one is the answer.
func (s *Service) Set(
	ctx context.Context, by auth.Caller, spec Spec, conditions ...func(Scanner) error,
) (to Scanner, err error) {
	if to, err = spec.check(); err != nil {
		return to, err
	}
	err = s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		old, err := Named(ctx, tx.Querier(), to.Name)
		if err != nil {
			return err
		}
		for _, met := range conditions {
			if err := met(old); err != nil {
				return err
			}
		}
		if err := s.keep(&to, spec, old); err != nil {
			return err
		}
		to.ID, to.By, to.At = old.ID, old.By, old.At
		if err := yield(ctx, tx, to); err != nil {
			return err
		}
		_, err = tx.Tx.Exec(ctx, `UPDATE scanners SET url = $2, auth = $3, secret = $4, insecure = $5, ca = $6, registry = $7,
			standard = $8, again_days = $9 WHERE id = $1`, to.ID, to.URL, string(to.Auth), to.secret,
			db.Number(to.SkipVerify), to.CA, to.Registry, db.Number(to.Standard), to.AgainDays)
		if err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scanner.set", Object: to.Name, Detail: to.URL})
	})
	return to, err
}

// keep gives a scanner its credential: the one of spec, or that of the scanner it was.
func (s *Service) keep(to *Scanner, spec Spec, old Scanner) (err error) {
	if !spec.KeepCredential || to.Auth == adapter.NoAuth {
		to.secret, err = s.box.Seal(spec.Credential, to.sealedFor())
		return err
	}
	if old.sealedFor() != to.sealedFor() {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"scanner %q: another address or way to sign in needs its credential given again", to.Name)
	}
	to.secret = old.secret
	return nil
}

// Remove removes a scanner. One that a project chose is errdefs.ErrConflict.
func (s *Service) Remove(ctx context.Context, by auth.Caller, name string) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		found, err := Named(ctx, tx.Querier(), name)
		if err != nil {
			return err
		}
		const some = 5
		users, err := db.All(ctx, tx.Tx, db.ScanString, `SELECT p.name FROM scan_projects s JOIN projects p
			ON p.id = s.project_id WHERE s.scanner = $1 ORDER BY p.name LIMIT $2`, name, some)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return errdefs.Errorf(errdefs.ErrConflict,
				"scanner %q is chosen by the projects %s; have them choose another first", name, strings.Join(users, ", "))
		}
		if _, err := tx.Tx.Exec(ctx, "DELETE FROM scanners WHERE id = $1", found.ID); err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "scanner.remove", Object: name})
	})
}

// Dial opens a scanner; nothing is sent yet. Close what it returns.
func (s *Service) Dial(of Scanner) (*adapter.Client, error) {
	secret, err := s.box.Open(of.secret, of.sealedFor())
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(of.URL)
	if err != nil {
		return nil, err
	}
	return adapter.New(adapter.Config{
		URL: of.URL, Auth: of.Auth, Credential: secret, SkipVerify: of.SkipVerify, CA: of.CA,
		Dial: s.outbound.DialTo(at.Host, nil),
	}), nil
}

// Test asks a scanner what it can.
func (s *Service) Test(ctx context.Context, by auth.Caller, name string) (adapter.Metadata, error) {
	of, err := s.Get(ctx, by, name)
	if err != nil {
		return adapter.Metadata{}, err
	}
	c, err := s.Dial(of)
	if err != nil {
		return adapter.Metadata{}, err
	}
	defer c.Close()
	return c.Metadata(ctx)
}

// sealedFor binds a credential to the scanner and the way to sign in that it is for.
func (s Scanner) sealedFor() string { return "scanner " + string(s.Auth) + " at " + s.URL }

var nameGrammar = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

const (
	longestName = 100
	maxCA       = 256 << 10
	maxURL      = 2048
	maxDays     = 3650
)

func (s Spec) check() (out Scanner, err error) {
	invalid := func(format string, args ...any) (Scanner, error) {
		return Scanner{}, errdefs.Errorf(errdefs.ErrInvalid, "scanner %q: "+format, append([]any{s.Name}, args...)...)
	}
	out = Scanner{
		Name: s.Name, URL: strings.TrimSuffix(strings.TrimSuffix(s.URL, "/"), "/api/v1"), Auth: s.Auth, CA: s.CA,
		SkipVerify: s.SkipVerify, Registry: strings.TrimSuffix(s.Registry, "/"), Standard: s.Standard,
		AgainDays: s.AgainDays,
	}
	switch {
	case len(s.Name) > longestName || !nameGrammar.MatchString(s.Name):
		return invalid("a name is lower-case letters and digits, with single . _ or - between them, %d at most", longestName)
	case s.Name == BuiltIn:
		return invalid("that is the registry's own")
	case !address(out.URL):
		return invalid("its address %q is not as https://HOST[:PORT][/PATH]", s.URL)
	case out.Registry != "" && !address(out.Registry):
		return invalid("the registry's address %q is not as https://HOST[:PORT]", s.Registry)
	case !slices.Contains(adapter.Auths(), s.Auth):
		return invalid("there is no way %q to sign in; use basic, bearer or api-key, or nothing for none", s.Auth)
	case s.Auth == adapter.NoAuth && s.Credential != "":
		return invalid("it has a credential and no way to sign in; use basic, bearer or api-key")
	case s.Auth != adapter.NoAuth && s.Credential == "" && !s.KeepCredential:
		return invalid("to sign in by %s takes a credential", s.Auth)
	case s.Auth == adapter.Basic && s.Credential != "" && !strings.Contains(s.Credential, ":"):
		return invalid("the credential of basic is USER:PASSWORD")
	case strings.ContainsAny(s.Credential, "\r\n"):
		return invalid("its credential has more than one line")
	case len(s.CA) > maxCA || s.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.CA)):
		return invalid("there is no certificate in PEM form among its authorities, or more than %d bytes", maxCA)
	case s.AgainDays < 0 || s.AgainDays > maxDays:
		return invalid("images are scanned again after 1 to %d days, or never, by 0", maxDays)
	}
	return out, nil
}

// address says whether a text is an address of HTTP without a password and without a
// query.
func address(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= maxURL && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == "" && u.Opaque == ""
}
