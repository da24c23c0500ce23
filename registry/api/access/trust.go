package access

import (
	"time"

	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/robots"
	"cove/registry/trust"
)

// TrustRule is a rule that takes tokens of another issuer.
type TrustRule struct {
	Name         string              `json:"name"`              // of its account, as trust$team+ci
	Project      string              `json:"project,omitempty"` // none: the registry's
	Description  string              `json:"description,omitempty"`
	Issuer       string              `json:"issuer"`
	Audience     string              `json:"audience"`
	Claims       map[string][]string `json:"claims"`           // by name, globs of which one must match
	CA           string              `json:"ca,omitempty"`     // PEM, by which the issuer's server is believed
	KeySet       string              `json:"keySet,omitempty"` // the issuer's JSON Web Key Set; none: it is asked
	Rights       []string            `json:"rights"`
	Repositories []string            `json:"repositories"` // globs, of names within the project or of full names
	Disabled     bool                `json:"disabled"`
	CreatedAt    time.Time           `json:"createdAt"`
	ExpiresAt    *time.Time          `json:"expiresAt,omitempty"`
	UsedAt       *time.Time          `json:"usedAt,omitempty"`
}

// Settled implements [rest.Settler].
func (r TrustRule) Settled() any {
	r.UsedAt = nil
	return r
}

// TrustRuleOf is a rule as it is told.
func TrustRuleOf(r trust.Rule) TrustRule {
	return TrustRule{
		r.Name, r.Project, r.Description, r.Issuer, r.Audience, r.Claims, r.CA, r.KeySet,
		append([]string{}, r.Rights()...), append([]string{}, r.Repositories()...), r.Disabled, r.CreatedAt.UTC(),
		rest.Moment(r.ExpiresAt), rest.Moment(r.UsedAt),
	}
}

// TrustChange is what a rule is to be; what is left out is none.
type TrustChange struct {
	Description  string              `json:"description,omitempty"`
	Issuer       string              `json:"issuer"`
	Audience     string              `json:"audience"`
	Claims       map[string][]string `json:"claims"`
	CA           string              `json:"ca,omitempty"`
	KeySet       string              `json:"keySet,omitempty"`
	Rights       []string            `json:"rights"`                 // as pull, push, delete, or a right
	Repositories []string            `json:"repositories,omitempty"` // globs; all if they are left out
	ExpiresAt    *time.Time          `json:"expiresAt,omitempty"`
	Disabled     bool                `json:"disabled,omitempty"`
}

// NewTrustRule is a rule to be made.
type NewTrustRule struct {
	Name         string              `json:"name"` // without trust$ and project
	Description  string              `json:"description,omitempty"`
	Issuer       string              `json:"issuer"`
	Audience     string              `json:"audience"`
	Claims       map[string][]string `json:"claims"`
	CA           string              `json:"ca,omitempty"`
	KeySet       string              `json:"keySet,omitempty"`
	Rights       []string            `json:"rights"`
	Repositories []string            `json:"repositories,omitempty"`
	ExpiresAt    *time.Time          `json:"expiresAt,omitempty"`
}

// Named is the rule of that name which is to be as the change says.
func (c TrustChange) Named(name string) NewTrustRule {
	return NewTrustRule{
		name, c.Description, c.Issuer, c.Audience, c.Claims, c.CA, c.KeySet, c.Rights, c.Repositories, c.ExpiresAt,
	}
}

// Change is the one that leaves a rule as it is.
func (r TrustRule) Change() TrustChange {
	return TrustChange{
		r.Description, r.Issuer, r.Audience, r.Claims, r.CA, r.KeySet, r.Rights, r.Repositories, r.ExpiresAt,
		r.Disabled,
	}
}

// TrustSwitch has a rule take no token, or take them again.
type TrustSwitch struct {
	Disabled bool `json:"disabled"`
}

func (c TrustChange) spec(project, name string) trust.Spec {
	s := trust.Spec{
		Spec: robots.Spec{
			Project: project, Name: name, Description: c.Description, Rights: c.Rights, Repositories: c.Repositories,
		},
		Condition: trust.Condition{
			Issuer: c.Issuer, Audience: c.Audience, Claims: c.Claims, CA: c.CA, KeySet: c.KeySet,
		},
	}
	if c.ExpiresAt != nil {
		s.ExpiresAt = *c.ExpiresAt
	}
	return s
}

// TokenText is a token to be looked at.
type TokenText struct {
	Token string `json:"token"`
}

// TrustFinding says what a rule makes of a token.
type TrustFinding struct {
	Name   string `json:"name"` // of the rule's account
	Taken  bool   `json:"taken"`
	Reason string `json:"reason,omitempty"` // why not
}

// TrustFindingOf is a finding as it is told.
func TrustFindingOf(f trust.Finding) TrustFinding {
	return TrustFinding{f.Rule.Name, f.Taken, f.Reason}
}

// trust are the operations on rules of a project, and the same on those of the
// registry.
func (s Services) trust() []rest.Operation {
	return append(s.trustOf("/projects/{project}/trust", "project", "Trust", [4]auth.Right{
		auth.ListRobots, auth.CreateRobots, auth.ChangeRobots, auth.RemoveRobots,
	}), s.trustOf("/trust", "users", "SystemTrust", [4]auth.Right{
		auth.ManageUsers, auth.ManageUsers, auth.ManageUsers, auth.ManageUsers,
	})...)
}

func (s Services) trustOf(path, object, noun string, takes [4]auth.Right) []rest.Operation {
	one := path + "/{rule}"
	return []rest.Operation{
		{
			Method: get, Path: path, Right: takes[0], Object: object,
			ID: "list" + noun, Summary: "List the rules that take tokens of other issuers, by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[TrustRule]{},
			Status: 200, Serve: s.trustList,
		},
		{
			Method: post, Path: path, Right: takes[1], Object: object,
			ID: "create" + noun, Summary: "Make a rule: tokens of this issuer with these claims have these rights",
			Body: NewTrustRule{}, Answer: TrustRule{},
			Status: 201, Serve: s.trustCreate,
		},
		{
			Method: post, Path: path + "/check", Right: takes[0], Object: object,
			ID: "check" + noun, Summary: "What each rule makes of a token, and why",
			Body: TokenText{}, Answer: rest.Page[TrustFinding]{},
			Status: 200, Serve: s.trustCheck,
		},
		{
			Method: get, Path: one, Right: takes[0], Object: object,
			ID: "get" + noun, Summary: "One rule",
			Answer: TrustRule{},
			Status: 200, ETag: true, Serve: s.trustGet,
		},
		{
			Method: put, Path: one, Right: takes[2], Object: object,
			ID: "set" + noun, Summary: "Have a rule be what is sent; what was issued by it ends within a second",
			Body: TrustChange{}, Answer: TrustRule{},
			Status: 200, ETag: true, Serve: s.trustSet,
		},
		{
			Method: patch, Path: one, Right: takes[2], Object: object,
			ID: "switch" + noun, Summary: "Have a rule take no token, or take them again",
			Body:   TrustSwitch{},
			Status: 204, Serve: s.trustSwitch,
		},
		{
			Method: remove, Path: one, Right: takes[3], Object: object,
			ID: "delete" + noun, Summary: "Remove a rule; its tokens are good for nothing within a second",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.Trust.Remove(asked.Context(), asked.Caller, ruleName(asked))
			},
		},
	}
}

// ruleName is the name of the rule that the path names without trust$ and project.
func ruleName(asked *rest.Ask) string {
	return trust.FullName(asked.PathValue("project"), asked.PathValue("rule"))
}

func (s Services) trustList(asked *rest.Ask) (any, error) {
	found, more, err := s.Trust.List(asked.Context(), asked.Caller, robots.Query{
		Project: asked.PathValue("project"), Last: asked.Query.Get("after"), N: asked.Limit,
	})
	if err != nil {
		return nil, err
	}
	var items []TrustRule
	for _, r := range found {
		items = append(items, TrustRuleOf(r))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(r TrustRule) string { return r.Name })), nil
}

func (s Services) trustCreate(asked *rest.Ask) (any, error) {
	var n NewTrustRule
	if err := asked.Read(&n); err != nil {
		return nil, err
	}
	change := TrustChange{
		n.Description, n.Issuer, n.Audience, n.Claims, n.CA, n.KeySet, n.Rights, n.Repositories, n.ExpiresAt, false,
	}
	made, err := s.Trust.Create(asked.Context(), asked.Caller, change.spec(asked.PathValue("project"), n.Name))
	return TrustRuleOf(made), err
}

func (s Services) trustGet(asked *rest.Ask) (any, error) {
	r, err := s.Trust.Find(asked.Context(), asked.Caller, ruleName(asked))
	return TrustRuleOf(r), err
}

func (s Services) trustSet(asked *rest.Ask) (any, error) {
	var c TrustChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	spec := c.spec(asked.PathValue("project"), asked.PathValue("rule"))
	r, err := s.Trust.Set(asked.Context(), asked.Caller, spec, c.Disabled, func(now trust.Rule) error {
		return asked.Unchanged(TrustRuleOf(now))
	})
	return TrustRuleOf(r), err
}

func (s Services) trustSwitch(asked *rest.Ask) (any, error) {
	var to TrustSwitch
	if err := asked.Read(&to); err != nil {
		return nil, err
	}
	return nil, s.Trust.Disable(asked.Context(), asked.Caller, ruleName(asked), to.Disabled)
}

func (s Services) trustCheck(asked *rest.Ask) (any, error) {
	var t TokenText
	if err := asked.Read(&t); err != nil {
		return nil, err
	}
	found, err := s.Trust.Check(asked.Context(), asked.Caller, asked.PathValue("project"), t.Token)
	if err != nil {
		return nil, err
	}
	var items []TrustFinding
	for _, f := range found {
		items = append(items, TrustFindingOf(f))
	}
	return rest.PageTo(asked, items, ""), nil
}
