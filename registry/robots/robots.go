// Package robots manages the accounts of programs. A robot belongs to a project, or
// to the registry as a whole, has a secret that is shown once, and may do what its
// grants say; its name is Harbor's, robot$PROJECT+NAME or robot$NAME. As in package
// accounts, whoever calls says who is asking, package auth is asked whether that one
// may, and each change is in the audit log.
package robots

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// Prefix begins the name of each robot; no user's name has a dollar sign.
const Prefix = "robot$"

// Robots manages robots. It works beside a running server. Who may not do something
// gets the errors of auth.Judge's Permit and PermitGrant.
type Robots struct {
	called string // what names begin with for who signs in and reads them; "" is Prefix
	db     *metadata.DB
	hasher *passhash.Hasher
	judge  auth.Judge
}

// New manages the robots of db, which stays the caller's.
func New(db *metadata.DB, hasher *passhash.Hasher, judge auth.Judge) *Robots {
	return &Robots{db: db, hasher: hasher, judge: judge}
}

// Called has the names of robots begin otherwise for who reads them and signs in with them.
// What is stored, and what the audit log says, has Prefix, so that the beginning can change.
func (r *Robots) Called(prefix string) *Robots {
	r.called = prefix
	return r
}

// Beginning is what the names of robots begin with.
func (r *Robots) Beginning() string { return cmp.Or(r.called, Prefix) }

// stored is the name of a robot by the one that people read; other names stay as they are.
func (r *Robots) stored(name string) string {
	if rest, ok := strings.CutPrefix(name, r.called); ok && r.called != "" {
		return Prefix + rest
	}
	return name
}

// Account is the account that somebody names to sign in: the robot of the name, or who is
// stored under it. One that is not there is errdefs.ErrNotFound.
func (r *Robots) Account(ctx context.Context, name string) (people.User, error) {
	if stored := r.stored(name); stored != name {
		u, err := r.db.UserByName(ctx, stored)
		if !errors.Is(err, errdefs.ErrNotFound) {
			return u, err
		}
	}
	return r.db.UserByName(ctx, name)
}

// Robot is an account of a program.
type Robot struct {
	people.User
	Project string // "": the registry's
	Grants  []people.Membership
	called  string // what its name begins with for people; "" is Prefix
}

// Called is the name to sign in with.
func (r Robot) Called() string {
	if rest, ok := strings.CutPrefix(r.Name, Prefix); ok && r.called != "" {
		return r.called + rest
	}
	return r.Name
}

// Short is the name without prefix and project.
func (r Robot) Short() string {
	_, name := ParseName(r.Name)
	return name
}

// Rights are what the robot may, somewhere.
func (r Robot) Rights() []string {
	all := rights.Set{}
	for _, g := range r.Grants {
		for right := range auth.RightsOf(g.Grant) {
			all[right] = true
		}
	}
	return strings.Fields(all.String())
}

// Repositories are the globs of where.
func (r Robot) Repositories() (globs []string) {
	for _, g := range r.Grants {
		globs = append(globs, g.Repositories)
	}
	return globs
}

// FullName is the name of an account: that of a robot of the project, or, when that
// is "", of the registry.
func FullName(project, name string) string {
	if project == "" {
		return Prefix + name
	}
	return Prefix + project + "+" + name
}

// ParseName is FullName's inverse, also for the names of rules that trust others' tokens.
func ParseName(full string) (project, name string) {
	if _, after, ok := strings.Cut(full, "$"); ok { // robot$, or what rules begin with
		full = after
	}
	if project, name, ok := strings.Cut(full, "+"); ok {
		return project, name
	}
	return "", full
}

// ProjectOf is the project of an account by its full name; "" is the registry.
func ProjectOf(full string) string {
	project, _ := ParseName(full)
	return project
}

// Spec is a robot to be made.
type Spec struct {
	Project, Name, Description string
	// Rights are as rights.Parse has them.
	Rights []string
	// Repositories are globs: of names within the project, or, for a robot of the
	// registry, of full names; none is all of them.
	Repositories []string
	// ExpiresAt is when it ends; zero is never.
	ExpiresAt time.Time
}

var robotName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

// Check returns the rights of what is to be made; noun is what refusals call it. All
// repositories are spelled out. What cannot be is errdefs.ErrInvalid.
func (s *Spec) Check(noun string) (rights.Set, error) {
	if !robotName.MatchString(s.Name) {
		return nil, errdefs.Errorf(
			errdefs.ErrInvalid,
			"%s %q: a name is up to 63 lower-case letters, digits and . _ -, beginning and ending with a letter or digit",
			noun,
			s.Name,
		)
	}
	set, err := rights.Parse(s.Rights...)
	if err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s %q: say what it may, as pull or push", noun, s.Name)
	}
	for right := range set {
		if s.Project != "" && right.System() {
			delete(set, right) // as those of "all", which a project does not have
		}
	}
	if len(s.Repositories) == 0 {
		s.Repositories = []string{rights.Everywhere}
	}
	for _, glob := range s.Repositories {
		if err := rights.CheckGlob(glob); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// right is the one that a change takes: towards the project, or, for robots of the
// registry, that of who manages users.
func right(project string, ofProject auth.Right) auth.Right {
	if project == "" {
		return auth.ManageUsers
	}
	return ofProject
}

// Secret makes up a robot's secret; it has 130 bits.
func Secret() string { return "cove_robot_" + rand.Text() }

// Create makes a robot and returns its secret, which nothing shows again. Nobody
// gives a robot a right that he has not got.
func (r *Robots) Create(ctx context.Context, by auth.Caller, s Spec) (made Robot, secret string, err error) {
	set, err := s.Check("robot")
	if err != nil {
		return made, "", err
	}
	if err := r.judge.Permit(ctx, r.db, by, right(s.Project, auth.CreateRobots), s.Project); err != nil {
		return made, "", err
	}
	secret = Secret()
	hash, err := r.hasher.Hash(ctx, secret)
	if err != nil {
		return made, "", err
	}
	made = Robot{Project: s.Project, called: r.called, User: people.User{
		Name: FullName(s.Project, s.Name), PasswordHash: hash, Kind: people.KindRobot,
		Description: s.Description, ExpiresAt: s.ExpiresAt,
	}}
	err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.Add(ctx, tx, by, &made, Grant{set, s.Repositories}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "robot.create", Object: made.Name, Detail: Grant{set, s.Repositories}.String(),
		})
	})
	return made, secret, err
}

// Grant is what an account is to have, and where.
type Grant struct {
	Rights       rights.Set
	Repositories []string
}

func (g Grant) String() string { return g.Rights.String() + " in " + strings.Join(g.Repositories, " ") }

// Add makes the account with its grants, which the caller must hold; who may make one
// is asked before.
func (r *Robots) Add(ctx context.Context, tx *metadata.Tx, by auth.Caller, made *Robot, g Grant) (err error) {
	if made.Project != "" {
		of, err := tx.ProjectForUpdate(ctx, made.Project)
		if err != nil {
			return err
		}
		made.ProjectID = of.ID
	}
	if made.User, err = tx.AddAccount(ctx, made.User); err != nil {
		return err
	}
	return r.Give(ctx, tx, by, made, g)
}

// Give gives an account grants, which the caller must hold, besides those that it has.
func (r *Robots) Give(ctx context.Context, tx *metadata.Tx, by auth.Caller, made *Robot, g Grant) error {
	made.Grants = nil
	for _, glob := range g.Repositories {
		gift := auth.Gift{Rights: g.Rights, Project: made.Project, Repositories: glob}
		if err := r.judge.PermitGrant(ctx, tx, by, gift); err != nil {
			return err
		}
		m := people.Membership{
			Grant:  people.Grant{ProjectID: made.ProjectID, Rights: g.Rights.String(), Repositories: glob},
			UserID: made.ID, Matching: rights.Like(glob),
		}
		if err := tx.SetMembership(ctx, m); err != nil {
			return err
		}
		made.Grants = append(made.Grants, m)
	}
	return nil
}

// Find is a robot or a rule by its full name. One that is not there is
// errdefs.ErrNotFound, for who may look.
func (r *Robots) Find(ctx context.Context, by auth.Caller, full string) (Robot, error) {
	project, _ := ParseName(full)
	if err := r.judge.Permit(ctx, r.db, by, right(project, auth.ListRobots), project); err != nil {
		return Robot{}, err
	}
	u, err := r.db.UserByName(ctx, full)
	if err == nil && u.Kind == people.KindUser {
		err = errdefs.Errorf(errdefs.ErrNotFound, "robot %q does not exist", full)
	}
	if err != nil {
		return Robot{}, err
	}
	return r.filled(ctx, u)
}

func (r *Robots) filled(ctx context.Context, u people.User) (Robot, error) {
	grants, err := r.db.AccountGrants(ctx, u.ID, 0)
	project, _ := ParseName(u.Name)
	return Robot{User: u, Project: project, Grants: grants, called: r.called}, err
}

// Query asks for the robots, or accounts of another kind, of a project, or, when that
// is "", of the registry, after Last, at most N.
type Query struct {
	Kind, Project, Last string
	N                   int
}

// List lists what q asks for, by name; more says that there are others.
func (r *Robots) List(ctx context.Context, by auth.Caller, q Query) (page []Robot, more bool, err error) {
	if err := r.judge.Permit(ctx, r.db, by, right(q.Project, auth.ListRobots), q.Project); err != nil {
		return nil, false, err
	}
	var id int64
	if q.Project != "" {
		of, err := r.db.Project(ctx, q.Project)
		if err != nil {
			return nil, false, err
		}
		id = of.ID
	}
	found, err := r.db.Accounts(ctx, cmp.Or(q.Kind, people.KindRobot), id, r.stored(q.Last), q.N+1)
	if err != nil {
		return nil, false, err
	}
	if more = len(found) > q.N; more {
		found = found[:q.N]
	}
	for _, u := range found {
		one, err := r.filled(ctx, u)
		if err != nil {
			return nil, false, err
		}
		page = append(page, one)
	}
	return page, more, nil
}

// Rotate gives a robot another secret, and returns it. The one before, and all that
// was issued for it, ends within a second.
func (r *Robots) Rotate(ctx context.Context, by auth.Caller, full string) (secret string, err error) {
	secret = Secret()
	return secret, r.setSecret(ctx, by, full, secret)
}

// longestSecret bounds one that somebody has chosen.
const longestSecret = 128

// Choose is Rotate to a secret that the caller has chosen: 8 to 128 characters with a capital
// letter, a small one and a digit.
func (r *Robots) Choose(ctx context.Context, by auth.Caller, full, secret string) error {
	if len(secret) < 8 || len(secret) > longestSecret || !strings.ContainsFunc(secret, unicode.IsUpper) ||
		!strings.ContainsFunc(secret, unicode.IsLower) || !strings.ContainsFunc(secret, unicode.IsDigit) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"a secret has 8 to %d characters, and a capital letter, a small one and a digit among them", longestSecret)
	}
	if auth.IsAccessToken(secret) {
		return errdefs.Errorf(errdefs.ErrInvalid, "this would be taken for an access token of a user")
	}
	return r.setSecret(ctx, by, full, secret)
}

func (r *Robots) setSecret(ctx context.Context, by auth.Caller, full, secret string) error {
	hash, err := r.hasher.Hash(ctx, secret)
	if err != nil {
		return err
	}
	return r.change(ctx, by, auth.ChangeRobots, full, func(ctx context.Context, tx *metadata.Tx, u people.User) error {
		if u.Kind != people.KindRobot {
			return errdefs.Errorf(errdefs.ErrInvalid, "%q has no secret", full)
		}
		if err := r.mayHold(ctx, tx, by, u); err != nil {
			return err
		}
		if err := tx.SetPassword(ctx, full, hash); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "robot.rotate", Object: full})
	})
}

// mayHold is nil when the caller has all that the account has: to hold its secret is
// to have its rights.
func (r *Robots) mayHold(ctx context.Context, tx *metadata.Tx, by auth.Caller, u people.User) error {
	grants, err := tx.AccountGrants(ctx, u.ID, 0)
	if err != nil {
		return err
	}
	project, _ := ParseName(u.Name)
	for _, g := range grants {
		gift := auth.Gift{Rights: auth.RightsOf(g.Grant), Project: project, Repositories: g.Repositories}
		if err := r.judge.PermitGrant(ctx, tx, by, gift); err != nil {
			return err
		}
	}
	return nil
}

// Change is what of a robot is to be changed; nil stays as it is.
type Change struct {
	Disabled    *bool
	ExpiresAt   *time.Time // zero is never
	Description *string
	// Grant, unless it is nil, is what it may from now on, in the place of what it has.
	// Nobody gives it what he has not got.
	Grant *Grant
	// If, unless it is nil, is asked about the robot as it is, within the transaction:
	// its error is the answer, and nothing is changed.
	If func(Robot) error
}

// Change changes a robot or a rule. What was issued to it before ends within a
// second.
func (r *Robots) Change(ctx context.Context, by auth.Caller, full string, c Change) error {
	return r.change(
		ctx,
		by,
		auth.ChangeRobots,
		full,
		func(ctx context.Context, tx *metadata.Tx, u people.User) error {
			if c.If != nil {
				if err := c.check(ctx, tx, u); err != nil {
					return err
				}
			}
			if c.Disabled != nil {
				u.Disabled = *c.Disabled
			}
			if c.ExpiresAt != nil {
				u.ExpiresAt = *c.ExpiresAt
			}
			if c.Description != nil {
				u.Description = *c.Description
			}
			if err := tx.SetAccount(ctx, u); err != nil {
				return err
			}
			detail := fmt.Sprintf("disabled=%t expires=%s", u.Disabled, expiry(u))
			if c.Grant != nil {
				if err := r.regrant(ctx, tx, by, u, *c.Grant); err != nil {
					return err
				}
				detail += " rights=" + c.Grant.String()
			}
			return audit.Record(ctx, tx, by, audit.Change{Action: u.Kind + ".change", Object: full, Detail: detail})
		},
	)
}

// regrant has an account have a grant in the place of what it has.
func (r *Robots) regrant(ctx context.Context, tx *metadata.Tx, by auth.Caller, u people.User, g Grant) error {
	project, _ := ParseName(u.Name)
	robot := Robot{User: u, Project: project}
	if err := tx.RemoveGrants(ctx, u.ID); err != nil {
		return err
	}
	return r.Give(ctx, tx, by, &robot, g)
}

// check asks If.
func (c Change) check(ctx context.Context, tx *metadata.Tx, u people.User) error {
	project, _ := ParseName(u.Name)
	grants, err := tx.AccountGrants(ctx, u.ID, 0)
	if err != nil {
		return err
	}
	return c.If(Robot{User: u, Project: project, Grants: grants})
}

func expiry(u people.User) string {
	if u.ExpiresAt.IsZero() {
		return "never"
	}
	return u.ExpiresAt.UTC().Format(time.RFC3339)
}

// Remove ends a robot or a rule, and all that was issued to it.
func (r *Robots) Remove(ctx context.Context, by auth.Caller, full string) error {
	return r.change(
		ctx,
		by,
		auth.RemoveRobots,
		full,
		func(ctx context.Context, tx *metadata.Tx, u people.User) error {
			if err := tx.RemoveUser(ctx, full); err != nil {
				return err
			}
			return audit.Record(ctx, tx, by, audit.Change{Action: u.Kind + ".remove", Object: full})
		},
	)
}

// change is an update of a robot or a rule by who has the right.
func (r *Robots) change(ctx context.Context, by auth.Caller, of auth.Right, full string,
	do func(ctx context.Context, tx *metadata.Tx, u people.User) error,
) error {
	project, _ := ParseName(full)
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, right(project, of), project); err != nil {
			return err
		}
		u, err := tx.UserForUpdate(ctx, full)
		if err == nil && u.Kind == people.KindUser {
			err = errdefs.Errorf(errdefs.ErrNotFound, "robot %q does not exist", full)
		}
		if err != nil {
			return err
		}
		return do(ctx, tx, u)
	})
}
