package auth

import (
	"context"
	"strings"

	"cove/distribution"
	"cove/errdefs"
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

// Roles lists the roles that a member can have, the smallest first.
func Roles() []Role {
	roles := make([]Role, len(roleNames))
	for i, n := range roleNames {
		roles[i] = n.role
	}
	return roles
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

// Right is something that a caller may or may not do: an action of the protocol
// in a repository, or one of administration.
type Right string

// The rights. Those from CreateProject on are asked for by the services; all but
// ManageUsers and ReadAudit are towards a project.
const (
	Pull   = Right(distribution.Pull)
	Push   = Right(distribution.Push)
	Delete = Right(distribution.Delete)

	CreateProject Right = "create"
	RemoveProject Right = "remove"
	SetVisibility Right = "show or hide"
	SetMembers    Right = "choose the members of"
	ListProjects  Right = "list all projects"
	ManageUsers   Right = "manage users"
	ReadAudit     Right = "read the audit log"
)

// What routes take besides the rights of the policy.
const (
	// Open is for everyone: the answer tells nothing of what the caller may not see.
	Open Right = "nothing"
	// SignIn is for every account.
	SignIn Right = "sign in"
)

// Rule says who has a right.
type Rule struct {
	Right Right
	// Least is the smallest role in the project that has it; NoRole is that
	// nobody has it but system administrators, who have every right.
	Least Role
	// Anyone has it in a public project, signed in or not.
	Anyone bool
	// Creates: who may create projects has it in one that does not exist.
	Creates bool
}

// Policy is the one table of rights. A right that is not here nobody has.
func Policy() []Rule {
	return []Rule{
		{Right: Pull, Least: LimitedGuest, Anyone: true, Creates: true},
		{Right: Push, Least: Developer, Creates: true},
		{Right: Delete, Least: Maintainer},

		{Right: CreateProject, Least: ProjectAdmin, Creates: true}, // one that exists is refused as such
		{Right: RemoveProject, Least: ProjectAdmin},
		{Right: SetVisibility, Least: ProjectAdmin},
		{Right: SetMembers, Least: ProjectAdmin},
		{Right: ListProjects},
		{Right: ManageUsers},
		{Right: ReadAudit},
	}
}

// Caller is who a request comes from. The zero Caller is nobody in particular.
type Caller struct {
	UserID int64
	Name   string // "" is anonymous
	Admin  bool   // a system administrator
	cap    *grant // what the token says; nil for a password
}

// Token says that the caller came with a token, which is for images alone.
func (c Caller) Token() bool { return c.cap != nil }

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

// Operator is the caller of what is done on the registry's own machine, by
// whoever may write to its root. No account has such a name.
func Operator() Caller { return Caller{Name: "(Operator)", Admin: true} }

// Judge decides by the policy.
type Judge struct {
	// EveryoneCreates lets every account create projects.
	EveryoneCreates bool
}

// allows decides one right by the table, from the caller's standing towards
// the project.
func (j Judge) allows(c Caller, right Right, st metadata.Standing) bool {
	for _, rule := range Policy() {
		if rule.Right != right {
			continue
		}
		switch {
		case c.Admin:
			return true
		case !st.ProjectExists:
			return rule.Creates && j.EveryoneCreates && c.UserID != 0
		case rule.Anyone && st.ProjectPublic:
			return true
		}
		return rule.Least != NoRole && Role(st.Role) >= rule.Least
	}
	return false
}

// Standings looks up how a user stands towards a project.
type Standings interface {
	Standing(ctx context.Context, project string, userID int64) (metadata.Standing, error)
}

// Permit is how the services ask: it is nil when the caller has the right, in
// the project if it is one towards a project. A caller who has not is
// errdefs.ErrDenied, and one who is nobody, or whose token is for images alone,
// errdefs.ErrUnauthenticated.
func (j Judge) Permit(ctx context.Context, q Standings, by Caller, right Right, project string) error {
	if by.cap != nil {
		return errdefs.Errorf(errdefs.ErrUnauthenticated,
			"a token of the registry is for images alone; sign in with a password")
	}
	var st metadata.Standing
	if project != "" && !by.Admin {
		var err error
		if st, err = q.Standing(ctx, project, by.UserID); err != nil {
			return err
		}
	}
	if j.allows(by, right, st) {
		return nil
	}
	if by.Name == "" {
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required to %s",
			strings.TrimSpace(string(right)+" "+project))
	}
	if project == "" {
		return errdefs.Errorf(errdefs.ErrDenied, "user %q may not %s; ask an administrator of the registry", by.Name,
			right)
	}
	return errdefs.Errorf(errdefs.ErrDenied, "user %q may not %s project %q; ask an administrator of the project",
		by.Name, right, project)
}
