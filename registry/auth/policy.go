package auth

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// Right is something that a caller may or may not do; see package rights.
type Right = rights.Right

// The rights that routes and services take.
const (
	Pull   = rights.Pull
	Push   = rights.Push
	Delete = rights.Delete
	Read   = rights.Read

	CreateProject = rights.CreateProject
	ReadProject   = rights.ReadProject
	RemoveProject = rights.RemoveProject
	SetVisibility = rights.SetVisibility
	ReadLog       = rights.ReadLog
	ListMembers   = rights.ListMembers
	SetMembers    = rights.SetMembers
	ListRobots    = rights.ListRobots
	CreateRobots  = rights.CreateRobots
	ChangeRobots  = rights.ChangeRobots
	RemoveRobots  = rights.RemoveRobots
	ListProjects  = rights.ListProjects
	ManageUsers   = rights.ManageUsers
	ManageRoles   = rights.ManageRoles
	ReadAudit     = rights.ReadAudit
	ExplainAccess = rights.ExplainAccess
	ManageJobs    = rights.ManageJobs

	ManageRegistries = rights.ManageRegistries
)

// What routes take besides the rights of the policy.
const (
	// Open is for everyone: the answer tells nothing of what the caller may not see.
	Open Right = "nothing"
	// SignIn is for every account.
	SignIn Right = "sign in"
)

// OfAction is the right that an action of the protocol takes.
func OfAction(a distribution.Action) Right {
	switch a {
	case distribution.Pull:
		return Pull
	case distribution.Push:
		return Push
	case distribution.Delete:
		return Delete
	}
	return Right(a)
}

// Caller is who a request comes from. The zero Caller is nobody in particular.
type Caller struct {
	UserID int64
	Name   string // "" is anonymous
	Admin  bool   // a system administrator
	Kind   string // of the account, as metadata/people has them
	// Address is where the request came from, as the throttle counts it; "" of a session.
	Address string
	// Subject is whom another issuer's token names, by which the account signed in.
	Subject string
	until   time.Time  // when that token ends; zero without one
	fresh   bool       // nobody was told yet that it signed in
	others  []Caller   // further accounts that take the same token
	epoch   int64      // of the account
	cap     *grant     // what the registry's token says; nil without one
	limit   *allowance // what a personal access token has of the account's rights; nil without one
}

// allowance is what a personal access token has.
type allowance struct {
	id           int64
	name         string
	rights       rights.Set
	repositories string // a glob of full names
}

// allows says whether the token has a right of an object.
func (l *allowance) allows(right Right, object string) bool {
	if l == nil {
		return true
	}
	if !l.rights[right] {
		return false
	}
	if _, repo := split(object); repo != "" {
		return rights.Match(l.repositories, object)
	}
	return l.repositories == rights.Everywhere || right.Reads()
}

// of is the account as a caller.
func of(u metadata.User) Caller {
	return Caller{UserID: u.ID, Name: u.Name, Admin: u.Admin, Kind: u.Kind, epoch: u.Epoch}
}

// AccessToken is the id of the access token that the caller came with; 0 of none.
func (c Caller) AccessToken() int64 {
	if c.limit == nil {
		return 0
	}
	return c.limit.id
}

// Limited says that the caller came with an access token, which may be less than
// the account.
func (c Caller) Limited() bool { return c.limit != nil }

// Person says that the account is somebody's, and no robot's.
func (c Caller) Person() bool { return c.Kind == "" || c.Kind == people.KindUser }

// Token says that the caller came with a token, which is for images alone.
func (c Caller) Token() bool { return c.cap != nil }

// Viewer is the caller as lists are filtered for.
func (c Caller) Viewer() metadata.Viewer {
	v := metadata.Viewer{All: c.Admin, UserID: c.UserID}
	if c.limit != nil {
		v.Within = rights.Like(c.limit.repositories)
	}
	return v
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

// The rules by which a right is given, as [Verdict] names them.
const (
	ByAdmin    = "administrator" // a system administrator has every right
	ByPublic   = "public"        // everyone may look and pull
	ByCreation = "creation"      // who may create projects may push to one that does not exist
	ByGrant    = "membership"    // a role or rights of the account or of a group
	ByNothing  = "nothing"       // no rule gives it
	ByDisabled = "disabled"      // the account does not sign in
	ByToken    = "token"         // a rule gives it, and the token has not got it
)

// Verdict is a decision and the rule that made it.
type Verdict struct {
	Allowed bool
	Rule    string
	Grant   metadata.Grant // of ByGrant
}

// decide decides a right towards an object: "" is the registry, "team" a project,
// "team/app" a repository in it.
func (j Judge) decide(c Caller, right Right, object string, st metadata.Standing) Verdict {
	v := j.rule(c, right, object, st)
	if v.Allowed && !c.limit.allows(right, object) {
		return Verdict{Rule: ByToken}
	}
	return v
}

func (j Judge) rule(c Caller, right Right, object string, st metadata.Standing) Verdict {
	switch {
	case !rights.Known(right):
		return Verdict{Rule: ByNothing}
	case c.Admin:
		return Verdict{Allowed: true, Rule: ByAdmin}
	}
	for _, g := range st.Grants {
		if gives(g, right, object) {
			return Verdict{Allowed: true, Rule: ByGrant, Grant: g}
		}
	}
	switch {
	case st.ProjectPublic && rights.OfPublic()[right]:
		return Verdict{Allowed: true, Rule: ByPublic}
	case right == CreateProject && st.ProjectExists:
		return j.rule(c, RemoveProject, object, st) // it is refused as one that exists
	case !st.ProjectExists && creates[right] && j.EveryoneCreates && c.UserID != 0 && c.Person():
		return Verdict{Allowed: true, Rule: ByCreation}
	}
	return Verdict{Rule: ByNothing}
}

// creates are the rights that who may create projects has in one that does not
// exist.
var creates = rights.NewSet(Pull, Push, Read, ReadProject, CreateProject)

// gives says whether a grant gives a right of an object. One that is for some
// repositories alone lets its holder look at the project, and no more.
func gives(g metadata.Grant, right Right, object string) bool {
	if !RightsOf(g)[right] {
		return false
	}
	project, repo := split(object)
	switch {
	case g.Repositories == rights.Everywhere:
		return g.ProjectID == 0 || project != ""
	case repo == "":
		return right.Reads() && project != ""
	case g.ProjectID == 0:
		return rights.Match(g.Repositories, object)
	}
	return rights.Match(g.Repositories, repo)
}

// RightsOf is what a grant gives.
func RightsOf(g metadata.Grant) rights.Set {
	if set := rights.OfRole(g.Role); set != nil {
		return set
	}
	return rights.Stored(g.Rights)
}

// RoleAmong is the greatest role that an account has in all of a project, "" if it
// has none.
func RoleAmong(has []metadata.Grant, projectID int64) (role string) {
	order := rights.BuiltIn()
	for _, g := range has {
		if g.ProjectID == projectID && g.Repositories == rights.Everywhere && g.Role != "" &&
			(role == "" || slices.Index(order, g.Role) > slices.Index(order, role)) {
			role = g.Role
		}
	}
	return role
}

// split is the project of an object and the name within it.
func split(object string) (project, repo string) {
	project, repo, _ = strings.Cut(object, "/")
	return project, repo
}

// Standings looks up how a user stands towards a project.
type Standings interface {
	Standing(ctx context.Context, project string, userID int64) (metadata.Standing, error)
}

// Explain decides for an account that has not expired, the zero User being nobody.
func (j Judge) Explain(ctx context.Context, q Standings, u metadata.User, right Right, object string) (Verdict, error) {
	if u.Disabled {
		return Verdict{Rule: ByDisabled}, nil
	}
	c := of(u)
	if _, repo := split(object); repo == "" && (right == Pull || right == Push || right == Delete) && object != "" {
		object += "/" + rights.Everywhere // what is said of a project is meant of its repositories
	}
	st, err := j.stand(ctx, q, c, object)
	return j.decide(c, right, object, st), err
}

// RightNamed is the right that people call so: an action of the protocol, or one by
// its own name.
func RightNamed(verb string) Right { return OfAction(distribution.Action(verb)) }

// Permit is how the services ask: it is nil when the caller has the right, of the
// object if it is one of a project ("team") or of a repository ("team/app"). A
// caller who has not is errdefs.ErrDenied, and one who is nobody, or whose token is
// for images alone, errdefs.ErrUnauthenticated.
func (j Judge) Permit(ctx context.Context, q Standings, by Caller, right Right, object string) error {
	if by.cap != nil {
		return errdefs.Errorf(errdefs.ErrUnauthenticated,
			"a token of the registry is for images alone; sign in with a password")
	}
	st, err := j.stand(ctx, q, by, object)
	if err != nil {
		return err
	}
	v := j.decide(by, right, object, st)
	if v.Allowed {
		return nil
	}
	return refusal(by, right, object, v)
}

// stand looks up what a decision needs to know.
func (j Judge) stand(ctx context.Context, q Standings, by Caller, object string) (metadata.Standing, error) {
	if by.Admin {
		return metadata.Standing{}, nil
	}
	project, _ := split(object)
	return q.Standing(ctx, project, by.UserID)
}

func refusal(by Caller, right Right, object string, v Verdict) error {
	switch {
	case by.Name == "":
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required to %s",
			strings.TrimSpace(rights.Verb(right)+" "+object))
	case v.Rule == ByToken:
		return errdefs.Errorf(errdefs.ErrDenied, "the access token %q of %q may not %s; make one that may",
			by.limit.name, by.Name, strings.TrimSpace(rights.Verb(right)+" "+object))
	case object == "":
		return errdefs.Errorf(errdefs.ErrDenied, "user %q may not %s; ask an administrator of the registry", by.Name,
			rights.Verb(right))
	}
	project, repo := split(object)
	if repo != "" {
		return errdefs.Errorf(errdefs.ErrDenied, "user %q may not %s %s; ask an administrator of the project",
			by.Name, rights.Verb(right), object)
	}
	return errdefs.Errorf(errdefs.ErrDenied, "user %q may not %s project %q; ask an administrator of the project",
		by.Name, rights.Verb(right), project)
}

// Gift is what somebody gives another: rights in a project, or, when that is "", in
// all, in the repositories of a glob.
type Gift struct {
	Rights                rights.Set
	Project, Repositories string
}

// PermitGrant is nil when the caller may give this, because he holds each of the
// rights there: nobody gives what he has not got.
func (j Judge) PermitGrant(ctx context.Context, q Standings, by Caller, gift Gift) error {
	st, err := j.stand(ctx, q, by, gift.Project)
	if err != nil {
		return err
	}
	for _, right := range slices.Sorted(maps.Keys(gift.Rights)) {
		held := by.Admin || slices.ContainsFunc(st.Grants, func(g metadata.Grant) bool {
			covers := g.Repositories == rights.Everywhere ||
				g.Repositories == gift.Repositories && (g.ProjectID == 0) == (gift.Project == "")
			return covers && RightsOf(g)[right]
		})
		if !held || by.limit != nil && (!by.limit.rights[right] || by.limit.repositories != rights.Everywhere) {
			return errdefs.Errorf(errdefs.ErrDenied, "user %q has not got the right %q in %s and cannot give it",
				by.Name, right, cmp.Or(gift.Project, "the registry"))
		}
	}
	return nil
}
