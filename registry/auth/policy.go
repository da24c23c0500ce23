package auth

import (
	"context"

	"cove/distribution"
	"cove/registry/metadata"
)

// Role is what a user is in a project; a greater role has all rights of a
// smaller one. The numbers are stored.
type Role int

// The roles. NoRole is everyone who is not a member.
const (
	NoRole       Role = 0
	LimitedGuest Role = 10
	Guest        Role = 20
	Developer    Role = 30
	Maintainer   Role = 40
	ProjectAdmin Role = 50
)

// String is the role's name as people type it.
func (r Role) String() string {
	for _, n := range roleNames {
		if n.role == r {
			return n.name
		}
	}
	return "none"
}

var roleNames = [...]struct {
	role Role
	name string
}{
	{LimitedGuest, "limited-guest"},
	{Guest, "guest"},
	{Developer, "developer"},
	{Maintainer, "maintainer"},
	{ProjectAdmin, "project-admin"},
}

// ParseRole is the role of that name.
func ParseRole(name string) (Role, bool) {
	for _, n := range roleNames {
		if n.name == name {
			return n.role, true
		}
	}
	return NoRole, name == "none"
}

// Rule says who has a right in a project.
type Rule struct {
	Right distribution.Action
	// Least is the smallest role that has it.
	Least Role
	// Anyone has it in a public project, signed in or not.
	Anyone bool
	// Creates: who may create projects has it in one that does not exist.
	Creates bool
}

// Policy is the one table of rights. A right that is not here nobody has.
func Policy() []Rule {
	return []Rule{
		{Right: distribution.Pull, Least: LimitedGuest, Anyone: true, Creates: true},
		{Right: distribution.Push, Least: Developer, Creates: true},
		{Right: distribution.Delete, Least: Maintainer},
	}
}

// Caller is who a request comes from. The zero Caller is nobody in particular.
type Caller struct {
	UserID int64
	Name   string // "" is anonymous
	Admin  bool   // a system administrator
	cap    *grant // what the token says; nil for a password
}

// Viewer is the caller as lists are filtered for.
func (c Caller) Viewer() metadata.Viewer {
	return metadata.Viewer{All: c.Admin, UserID: c.UserID}
}

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is the caller that a context carries; anonymous when it has none.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// allows decides one right by the table, from the caller's standing towards
// the project.
func (a *Authorizer) allows(c Caller, right distribution.Action, st metadata.Standing) bool {
	for _, rule := range a.policy {
		if rule.Right != right {
			continue
		}
		switch {
		case c.Admin:
			return true
		case !st.ProjectExists:
			return rule.Creates && a.mayCreate(c)
		case rule.Anyone && st.ProjectPublic:
			return true
		}
		return Role(st.Role) >= rule.Least
	}
	return false
}

// mayCreate says who may create a project, which the first push to it does.
func (a *Authorizer) mayCreate(c Caller) bool {
	return c.Admin || a.everyoneCreates && c.UserID != 0
}
