// Package endpoint keeps the registries that this one feeds or is fed by: where they
// are, how they are trusted and signed in to, and what their kinds do otherwise than
// the protocol says.
package endpoint

import (
	"context"
	"crypto/x509"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/seal"
)

// Kind says what a registry is beyond the protocol.
type Kind string

// The kinds.
const (
	OCI       Kind = "oci"        // any registry: repositories are those of its catalog
	Harbor    Kind = "harbor"     // repositories and projects are those of its API
	DockerHub Kind = "docker-hub" // repositories are those of its API, one namespace at a time
)

// Kinds lists all of them.
func Kinds() []Kind { return []Kind{OCI, Harbor, DockerHub} }

// Endpoint is one registry, without its secret.
type Endpoint struct {
	ID   int64
	Name string
	Kind Kind
	// Host is HOST[:PORT], or docker.io.
	Host string
	// Plain allows HTTP, and certificates that nobody vouches for.
	Plain bool
	// CA has certificates in PEM form to trust beside the system's.
	CA   string
	User string
	By   string
	At   time.Time

	secret string // sealed
}

// Spec is an endpoint as somebody asks for it.
type Spec struct {
	Name string
	Kind Kind
	// Address is HOST[:PORT], docker.io, or either with https:// or http:// before it.
	Address        string
	Plain          bool
	CA             string
	User, Password string
	// KeepPassword leaves that of the endpoint which is changed, if the user stays.
	KeepPassword bool
}

// Service manages endpoints. As they have the registry send requests, and what it
// holds, all of it takes the right auth.ManageRegistries; who has it not gets the
// errors of auth.Judge's Permit.
type Service struct {
	db    *metadata.DB
	judge auth.Judge
	box   *seal.Box
	// outbound says to which addresses an endpoint may send us.
	outbound outbound.Policy
}

// New manages the endpoints of database.
func New(database *metadata.DB, judge auth.Judge, box *seal.Box, allowed outbound.Policy) *Service {
	return &Service{database, judge, box, allowed}
}

func (s *Service) permit(ctx context.Context, q auth.Standings, by auth.Caller) error {
	return s.judge.Permit(ctx, q, by, auth.ManageRegistries, "")
}

const selectEndpoints = `SELECT id, name, kind, host, plain, ca, user_name, secret, created_by, created_at FROM endpoints `

func scan(s db.Scanner) (e Endpoint, err error) {
	var plain, at int64
	err = s.Scan(&e.ID, &e.Name, &e.Kind, &e.Host, &plain, &e.CA, &e.User, &e.secret, &e.By, &at)
	e.Plain, e.At = plain != 0, time.UnixMicro(at)
	return e, err
}

// List lists the endpoints by name.
func (s *Service) List(ctx context.Context, by auth.Caller) ([]Endpoint, error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return nil, err
	}
	return db.All(ctx, s.db.Querier(), scan, selectEndpoints+"ORDER BY name")
}

// Get is one endpoint, or errdefs.ErrNotFound.
func (s *Service) Get(ctx context.Context, by auth.Caller, name string) (Endpoint, error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return Endpoint{}, err
	}
	return Named(ctx, s.db.Querier(), name)
}

// Named is Get for who has asked for the right already.
func Named(ctx context.Context, q db.Querier, name string) (Endpoint, error) {
	e, err := scan(q.Row(ctx, selectEndpoints+"WHERE name = $1", name))
	return e, db.NotFound(err, "there is no endpoint %q", name)
}

// ByID is one endpoint, or errdefs.ErrNotFound.
func ByID(ctx context.Context, q db.Querier, id int64) (Endpoint, error) {
	e, err := scan(q.Row(ctx, selectEndpoints+"WHERE id = $1", id))
	return e, db.NotFound(err, "there is no endpoint %d", id)
}

// Account is an endpoint with the password of its user, for another service that asks the same
// registry. errdefs.ErrNotFound says that there is none.
func (s *Service) Account(ctx context.Context, by auth.Caller, id int64) (e Endpoint, password string, err error) {
	if err = s.permit(ctx, s.db, by); err == nil {
		e, err = ByID(ctx, s.db.Querier(), id)
	}
	if err == nil {
		password, err = s.box.Open(e.secret, e.sealedFor())
	}
	return e, password, err
}

// Create adds an endpoint; one of that name is errdefs.ErrExists.
func (s *Service) Create(ctx context.Context, by auth.Caller, spec Spec) (e Endpoint, err error) {
	if e, err = spec.check(); err != nil {
		return e, err
	}
	if e.secret, err = s.box.Seal(spec.Password, e.sealedFor()); err != nil {
		return e, err
	}
	err = s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		e.ID, e.By, e.At = tx.Tx.NewID(), by.Name, tx.Now()
		changed, err := tx.Tx.Exec(
			ctx,
			`INSERT INTO endpoints
			(id, name, kind, host, plain, ca, user_name, secret, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
			e.ID,
			e.Name,
			string(e.Kind),
			e.Host,
			db.Number(e.Plain),
			e.CA,
			e.User,
			e.secret,
			by.Name,
			db.Micros(tx.Now()),
		)
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrExists, "there is an endpoint %q already", e.Name)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "endpoint.create", Object: e.Name, Detail: e.Host})
	})
	return e, err
}

// Set changes an endpoint to what spec says, all of it.
func (s *Service) Set(ctx context.Context, by auth.Caller, spec Spec) (e Endpoint, err error) {
	if e, err = spec.check(); err != nil {
		return e, err
	}
	err = s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		old, err := Named(ctx, tx.Querier(), e.Name)
		if err != nil {
			return err
		}
		if err := s.keep(&e, spec, old); err != nil {
			return err
		}
		e.ID, e.By, e.At = old.ID, old.By, old.At
		if _, err := tx.Tx.Exec(ctx, `UPDATE endpoints SET kind = $2, host = $3, plain = $4, ca = $5, user_name = $6,
			secret = $7 WHERE id = $1`, e.ID, string(e.Kind), e.Host, db.Number(e.Plain), e.CA, e.User, e.secret); err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "endpoint.set", Object: e.Name, Detail: e.Host})
	})
	return e, err
}

// keep gives an endpoint its secret: the one of spec, or that of the endpoint that it was.
func (s *Service) keep(e *Endpoint, spec Spec, old Endpoint) (err error) {
	if !spec.KeepPassword {
		e.secret, err = s.box.Seal(spec.Password, e.sealedFor())
		return err
	}
	if old.sealedFor() != e.sealedFor() {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"endpoint %q: another user or host needs its password given again", e.Name)
	}
	e.secret = old.secret
	return nil
}

// Remove removes an endpoint. One that a rule uses is errdefs.ErrConflict.
func (s *Service) Remove(ctx context.Context, by auth.Caller, name string) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		e, err := Named(ctx, tx.Querier(), name)
		if err != nil {
			return err
		}
		users, err := db.All(ctx, tx.Tx, db.ScanString,
			"SELECT name FROM replication_rules WHERE endpoint_id = $1 ORDER BY name LIMIT 5", e.ID)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return errdefs.Errorf(
				errdefs.ErrConflict,
				"endpoint %q is used by the replication rules %s; remove those first",
				name,
				strings.Join(users, ", "),
			)
		}
		if _, err := tx.Tx.Exec(ctx, "DELETE FROM endpoints WHERE id = $1", e.ID); err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "endpoint.remove", Object: name})
	})
}

// sealedFor binds a secret to the account that it is the password of.
func (e Endpoint) sealedFor() string { return "endpoint account " + e.User + " at " + e.Host }

// nameGrammar is that of endpoints and rules.
var nameGrammar = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// CheckName refuses what is no name of an endpoint or a rule.
func CheckName(what, name string) error {
	const longest = 100
	if len(name) > longest || !nameGrammar.MatchString(name) {
		return errdefs.Errorf(
			errdefs.ErrInvalid,
			"%s %q: a name is lower-case letters and digits, with single . _ or - between them, %d at most",
			what,
			name,
			longest,
		)
	}
	return nil
}

const maxCA = 256 << 10

func (s Spec) check() (e Endpoint, err error) {
	if err := CheckName("endpoint", s.Name); err != nil {
		return e, err
	}
	invalid := func(format string, args ...any) (Endpoint, error) {
		return e, errdefs.Errorf(errdefs.ErrInvalid, "endpoint %q: "+format, append([]any{s.Name}, args...)...)
	}
	e = Endpoint{Name: s.Name, Kind: s.Kind, Plain: s.Plain, CA: s.CA, User: s.User}
	host, ok := parseAddress(s.Address)
	if !ok {
		return invalid(
			"its address %q is not docker.io or HOST[:PORT]; repositories are chosen by the rules",
			s.Address,
		)
	}
	if e.Host = host; e.Kind == "" {
		if e.Kind = OCI; host == reference.DefaultRegistry {
			e.Kind = DockerHub
		}
	}
	switch {
	case e.Kind != OCI && e.Kind != Harbor && e.Kind != DockerHub:
		return invalid("there is no kind %q; use oci, harbor or docker-hub", e.Kind)
	case (e.Kind == DockerHub) != (host == reference.DefaultRegistry):
		return invalid("docker.io is of the kind docker-hub, and nothing else is")
	case s.User == "" && s.Password != "":
		return invalid("the password has no user")
	case len(s.CA) > maxCA:
		return invalid("its authorities have more than %d bytes", maxCA)
	case s.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.CA)):
		return invalid("there is no certificate in PEM form among its authorities")
	}
	return e, nil
}

// parseAddress reads [https://]HOST[:PORT].
func parseAddress(text string) (host string, ok bool) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", false
	}
	if name, _, err := net.SplitHostPort(u.Host); err == nil && name == "" {
		return "", false
	}
	switch u.Host {
	case "index.docker.io", "registry-1.docker.io", "hub.docker.com":
		return reference.DefaultRegistry, true
	}
	return u.Host, true
}
