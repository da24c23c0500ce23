package access

import (
	"cove/registry/accounts"
	"cove/registry/api/rest"
	"cove/registry/auth"
)

// Explanation says whether somebody may do something, and which rule decides.
type Explanation struct {
	User         string `json:"user"` // "" is everyone who is not signed in
	Right        string `json:"right"`
	Object       string `json:"object"`
	Allowed      bool   `json:"allowed"`
	Rule         string `json:"rule"`
	Why          string `json:"why"`
	Role         string `json:"role,omitempty"`         // of a membership
	Group        string `json:"group,omitempty"`        // by which it is had
	Repositories string `json:"repositories,omitempty"` // of a membership
}

// ExplanationOf is an explanation as it is told.
func ExplanationOf(e accounts.Explanation) Explanation {
	return Explanation{
		e.User, string(e.Right), e.Object, e.Allowed, e.Rule, e.Why(),
		e.Grant.Role, e.Grant.Group, e.Grant.Repositories,
	}
}

func (s Services) explain() []rest.Operation {
	return []rest.Operation{{
		Method: get, Path: "/access", Right: auth.SignIn, Object: "account",
		ID: "explainAccess", Summary: "Whether somebody may do something, and which rule decides",
		Query: []rest.Parameter{
			{
				Name:  "user",
				About: "oneself if it is left out; administrators and auditors ask for others",
				Kind:  rest.KindText,
			},
			{Name: "verb", About: "pull, push, delete, or a right as tag:list", Kind: rest.KindText},
			{Name: "object", About: "a repository with its project, or a project", Kind: rest.KindText},
		},
		Answer: Explanation{},
		Status: 200, Serve: func(asked *rest.Ask) (any, error) {
			user := asked.Caller.Name
			if asked.Query.Has("user") {
				user = asked.Query.Get("user")
			}
			e, err := s.Accounts.Explain(
				asked.Context(),
				asked.Caller,
				user,
				asked.Query.Get("verb"),
				asked.Query.Get("object"),
			)
			return ExplanationOf(e), err
		},
	}}
}
