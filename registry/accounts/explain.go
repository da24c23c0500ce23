package accounts

import (
	"context"
	"fmt"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
)

// Explanation says whether somebody may do something, and which rule decides.
type Explanation struct {
	User    string // "" is everyone who is not signed in
	Right   auth.Right
	Object  string // a repository with its project, a project, or "" for the registry
	Allowed bool
	Rule    string // see auth.Verdict
	Grant   metadata.Grant
}

// Why is the rule as a sentence.
func (e Explanation) Why() string {
	switch e.Rule {
	case auth.ByAdmin:
		return fmt.Sprintf("%s is a system administrator, who may do everything", e.User)
	case auth.ByPublic:
		return "the project is public: everyone may look at it and pull from it"
	case auth.ByCreation:
		return "the project does not exist, and every account may create projects"
	case auth.ByGrant:
		return e.byGrant()
	case auth.ByDisabled:
		return fmt.Sprintf("%s is disabled or has expired, and does not sign in", e.User)
	}
	return "no role, group or rule gives it"
}

func (e Explanation) byGrant() string {
	what := "rights of its own"
	if e.Grant.Role != "" {
		what = fmt.Sprintf("the role %s", e.Grant.Role)
	}
	where := "in the project"
	if e.Grant.ProjectID == 0 {
		where = "in all projects"
	}
	if e.Grant.Repositories != rights.Everywhere {
		where += fmt.Sprintf(", in repositories that match %s", e.Grant.Repositories)
	}
	who := e.User
	if e.Grant.Group != "" {
		who = fmt.Sprintf("%s is in the group %s, which", e.User, e.Grant.Group)
	}
	return fmt.Sprintf("%s has %s %s", who, what, where)
}

// Explain says whether the account of a name ("" is nobody) may do something: pull,
// push, delete, or a right by its name. One asks for oneself, and administrators and
// auditors for everybody.
func (a *Accounts) Explain(ctx context.Context, by auth.Caller, user, verb, object string) (e Explanation, err error) {
	if by.Name == "" || by.Name != user || by.Token() {
		if err := a.judge.Permit(ctx, a.db, by, auth.ExplainAccess, ""); err != nil {
			return e, err
		}
	}
	e = Explanation{User: user, Right: auth.RightNamed(verb)}
	if !rights.Known(e.Right) {
		return e, errdefs.Errorf(errdefs.ErrInvalid, "%q is nothing to do: use pull, push, delete, or a right as tag:list", verb)
	}
	if object != "" && !reference.ValidRepository(object) {
		return e, errdefs.Errorf(errdefs.ErrInvalid, "%q is no name of a project or a repository", object)
	}
	e.Object = object
	var u metadata.User
	if user != "" {
		if u, err = a.db.UserByName(ctx, user); err != nil {
			return e, err
		}
		u.Disabled = u.Disabled || u.Expired(a.db.Now())
	}
	v, err := a.judge.Explain(ctx, a.db, u, e.Right, e.Object)
	e.Allowed, e.Rule, e.Grant = v.Allowed, v.Rule, v.Grant
	return e, err
}
