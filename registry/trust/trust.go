// Package trust has programs sign in with tokens that others gave them: jobs of a CI
// system and service accounts of Kubernetes, without a secret of this registry. A rule
// says which tokens (issuer, audience, claims) and what their holders may (rights in
// repositories). It is an account of its own, named trust$PROJECT+NAME or trust$NAME, as
// which they sign in; it belongs to a project or to the registry, as a robot does, and
// takes the same rights to make and change.
package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/recent"
	"cove/registry/auth/rights"
	"cove/registry/identity/jwt"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
	"cove/registry/outbound"
	"cove/registry/robots"
)

// Prefix begins the name of each rule's account; no user's name has a dollar sign.
const Prefix = "trust$"

// FullName is the name of a rule's account: of one of the project, or, when that is "",
// of the registry.
func FullName(project, name string) string {
	if project == "" {
		return Prefix + name
	}
	return Prefix + project + "+" + name
}

// Condition says which tokens a rule takes.
type Condition struct {
	// Issuer is as tokens have it in iss.
	Issuer string
	// Audience must be among those of the token.
	Audience string
	Claims   jwt.Conditions
	// CA and KeySet say how the issuer's keys are found, see jwt.Source.
	CA, KeySet string
}

func (c Condition) source() jwt.Source { return jwt.Source{Issuer: c.Issuer, CA: c.CA, Set: c.KeySet} }

// Rule is a rule with what its account may.
type Rule struct {
	robots.Robot
	Condition
}

// Spec is a rule to be made, or what one is to be.
type Spec struct {
	robots.Spec
	Condition
}

// Rules manages rules, and takes tokens by them. Who may not do something gets the
// errors of auth.Judge's Permit and PermitGrant.
type Rules struct {
	db     *metadata.DB
	robots *robots.Robots
	judge  auth.Judge
	policy outbound.Policy
	keys   *jwt.Keys
	now    func() time.Time
	known  recent.Answers[string, []taking] // by issuer
}

// Config is what rules need, all of it.
type Config struct {
	DB     *metadata.DB
	Robots *robots.Robots
	Judge  auth.Judge
	// Outbound says where issuers may be.
	Outbound outbound.Policy
	Now      func() time.Time
}

// New returns the rules of a database.
func New(cfg Config) *Rules {
	return &Rules{
		db: cfg.DB, robots: cfg.Robots, judge: cfg.Judge, policy: cfg.Outbound, now: cfg.Now,
		keys: jwt.NewKeys(cfg.Outbound, cfg.Now), known: recent.Answers[string, []taking]{Now: cfg.Now},
	}
}

const (
	maxAudience = 512
	// maxOfProject bounds the rules of a project: each costs work for each token of its
	// issuer, also for those of other projects.
	maxOfProject = 100
)

// check refuses what cannot be, and what would let strangers in.
func (r *Rules) check(s *Spec) (rights.Set, error) {
	set, err := s.Check("trust rule")
	if err != nil {
		return nil, err
	}
	if s.Audience == "" || len(s.Audience) > maxAudience || strings.ContainsFunc(s.Audience, unprintable) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"trust rule %q: give the audience that tokens must be for, as the address of this registry: "+
				"one that was made for somebody else must not do here", s.Name)
	}
	if err := s.source().Check(r.policy); err != nil {
		return nil, err
	}
	if err := s.Claims.Check(); err != nil {
		return nil, err
	}
	return set, s.Claims.Narrow(s.Issuer)
}

func unprintable(c rune) bool { return c <= ' ' }

// right is the one that a change takes.
func right(project string, ofProject auth.Right) auth.Right {
	if project == "" {
		return auth.ManageUsers
	}
	return ofProject
}

// Create makes a rule. Nobody gives it a right that he has not got.
func (r *Rules) Create(ctx context.Context, by auth.Caller, s Spec) (made Rule, err error) {
	if err := r.judge.Permit(ctx, r.db, by, right(s.Project, auth.CreateRobots), s.Project); err != nil {
		return made, err
	}
	set, err := r.check(&s)
	if err != nil {
		return made, err
	}
	made = Rule{Condition: s.Condition, Robot: robots.Robot{Project: s.Project, User: people.User{
		Name: FullName(s.Project, s.Name), Kind: people.KindTrust, Description: s.Description, ExpiresAt: s.ExpiresAt,
	}}}
	err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		grant := robots.Grant{Rights: set, Repositories: s.Repositories}
		if err := r.robots.Add(ctx, tx, by, &made.Robot, grant); err != nil {
			return err
		}
		all, err := tx.Accounts(ctx, people.KindTrust, made.ProjectID, "", maxOfProject+1)
		if err == nil && len(all) > maxOfProject {
			err = errdefs.Errorf(errdefs.ErrConflict, "there are %d trust rules here already; remove some",
				maxOfProject)
		}
		if err != nil {
			return err
		}
		return r.keep(ctx, tx, by, "trust.create", made)
	})
	return made, err
}

// keep writes what a rule asks, and that it was changed.
func (r *Rules) keep(ctx context.Context, tx *metadata.Tx, by auth.Caller, action string, rule Rule) error {
	claims, err := json.Marshal(rule.Claims)
	if err != nil {
		return err
	}
	if err := tx.SetTrustRule(ctx, people.TrustRule{
		User: rule.User, Issuer: rule.Issuer, Audience: rule.Audience, Claims: string(claims),
		CA: rule.CA, KeySet: rule.KeySet,
	}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, by, audit.Change{Action: action, Object: rule.Name, Detail: fmt.Sprintf(
		"%s for %s with %s: %s in %s", rule.Issuer, rule.Audience, claims, strings.Join(rule.Rights(), " "),
		strings.Join(rule.Repositories(), " "))})
}

// Set has a rule be what s says, its name and project apart. What was issued to its
// tokens before ends within a second. If, unless it is nil, is asked about the rule as it
// is, within the transaction: its error is the answer, and nothing is changed.
func (r *Rules) Set(
	ctx context.Context, by auth.Caller, s Spec, disabled bool, unchanged func(Rule) error,
) (Rule, error) {
	if err := r.judge.Permit(ctx, r.db, by, right(s.Project, auth.ChangeRobots), s.Project); err != nil {
		return Rule{}, err
	}
	set, err := r.check(&s)
	if err != nil {
		return Rule{}, err
	}
	var rule Rule
	err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := tx.UserForUpdate(ctx, FullName(s.Project, s.Name))
		if err == nil {
			rule, err = filled(ctx, tx.Queries.Queries, u)
		}
		if err != nil {
			return absent(err, s.Name)
		}
		if unchanged != nil {
			if err := unchanged(rule); err != nil {
				return err
			}
		}
		rule.Condition = s.Condition
		rule.Description, rule.ExpiresAt, rule.Disabled = s.Description, s.ExpiresAt, disabled
		if err := tx.RemoveGrants(ctx, rule.ID); err != nil {
			return err
		}
		grant := robots.Grant{Rights: set, Repositories: s.Repositories}
		if err := r.robots.Give(ctx, tx, by, &rule.Robot, grant); err != nil {
			return err
		}
		if err := tx.SetAccount(ctx, rule.User); err != nil { // ends what was issued
			return err
		}
		return r.keep(ctx, tx, by, "trust.set", rule)
	})
	return rule, err
}

func absent(err error, name string) error {
	if errors.Is(err, errdefs.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrNotFound, "trust rule %q does not exist", name)
	}
	return err
}

// Find is a rule by its full name. One that is not there is errdefs.ErrNotFound, for who
// may look.
func (r *Rules) Find(ctx context.Context, by auth.Caller, full string) (Rule, error) {
	account, err := r.robots.Find(ctx, by, full)
	if err == nil && account.Kind != people.KindTrust {
		err = errdefs.Errorf(errdefs.ErrNotFound, "%q is no trust rule", full)
	}
	if err != nil {
		return Rule{}, absent(err, full)
	}
	return r.with(ctx, account)
}

func (r *Rules) with(ctx context.Context, account robots.Robot) (Rule, error) {
	row, err := r.db.TrustRule(ctx, account.ID)
	if err != nil {
		return Rule{}, err
	}
	c, err := condition(row)
	return Rule{Robot: account, Condition: c}, err
}

// filled is a rule by its account, within a transaction.
func filled(ctx context.Context, q people.Queries, u people.User) (rule Rule, err error) {
	row, err := q.TrustRule(ctx, u.ID)
	if err != nil {
		return rule, err
	}
	if rule.Condition, err = condition(row); err != nil {
		return rule, err
	}
	rule.Robot = robots.Robot{User: u, Project: robots.ProjectOf(u.Name)}
	rule.Grants, err = q.AccountGrants(ctx, u.ID, 0)
	return rule, err
}

func condition(row people.TrustRule) (Condition, error) {
	c := Condition{Issuer: row.Issuer, Audience: row.Audience, CA: row.CA, KeySet: row.KeySet}
	if err := json.Unmarshal([]byte(row.Claims), &c.Claims); err != nil {
		return c, fmt.Errorf("the claims of %s: %w", row.Name, err)
	}
	return c, nil
}

// List lists the rules of a project, or, when that is "", of the registry, by name; more
// says that there are others.
func (r *Rules) List(ctx context.Context, by auth.Caller, q robots.Query) (page []Rule, more bool, err error) {
	q.Kind = people.KindTrust
	accounts, more, err := r.robots.List(ctx, by, q)
	for _, account := range accounts {
		if err != nil {
			break
		}
		var rule Rule
		rule, err = r.with(ctx, account)
		page = append(page, rule)
	}
	return page, more, err
}

// Disable has a rule take no token, or take them again.
func (r *Rules) Disable(ctx context.Context, by auth.Caller, full string, disabled bool) error {
	if _, err := r.Find(ctx, by, full); err != nil {
		return err
	}
	return r.robots.Change(ctx, by, full, robots.Change{Disabled: &disabled})
}

// Remove removes a rule: within a second, its tokens are good for nothing.
func (r *Rules) Remove(ctx context.Context, by auth.Caller, full string) error {
	if _, err := r.Find(ctx, by, full); err != nil {
		return err
	}
	return r.robots.Remove(ctx, by, full)
}
