package access

import (
	"strings"
	"time"

	"cove/registry/accounts"
	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/metadata/people"
)

// Token is a personal access token, without its text.
type Token struct {
	Name         string     `json:"name"`
	Rights       []string   `json:"rights"`
	Repositories string     `json:"repositories"` // a glob of full names
	CreatedAt    time.Time  `json:"createdAt"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
	UsedAt       *time.Time `json:"usedAt,omitempty"`
}

// TokenOf is a token as it is told.
func TokenOf(t people.AccessToken) Token {
	return Token{
		t.Name, strings.Fields(t.Rights), t.Repositories, t.CreatedAt.UTC(),
		rest.Moment(t.ExpiresAt), rest.Moment(t.UsedAt),
	}
}

// NewToken is a token to be made.
type NewToken struct {
	Name         string     `json:"name"`
	Rights       []string   `json:"rights,omitempty"` // as pull, or a right; all if they are left out
	Repositories string     `json:"repositories,omitempty"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
}

// tokens are the operations on one's own tokens, and the same on those of others.
func (s Services) tokens() []rest.Operation {
	own := func(asked *rest.Ask) string { return asked.Caller.Name }
	others := func(asked *rest.Ask) string { return asked.PathValue("user") }
	return append(s.tokensOf(owner{"/me/tokens", "account", "MyToken", auth.SignIn, own}),
		s.tokensOf(owner{"/users/{user}/tokens", "users", "Token", auth.ManageUsers, others})...)
}

// owner says whose tokens operations are about.
type owner struct {
	path, object, noun string
	right              auth.Right
	name               func(*rest.Ask) string
}

func (s Services) tokensOf(o owner) []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: o.path, Right: o.right, Object: o.object,
			ID: "list" + o.noun + "s", Summary: "List the access tokens by name",
			Answer: rest.Page[Token]{},
			Status: 200, Serve: func(asked *rest.Ask) (any, error) { return s.tokenList(asked, o.name(asked)) },
		},
		{
			Method: post, Path: o.path, Right: o.right, Object: o.object,
			ID: "create" + o.noun, Summary: "Make an access token; the answer has its text, which is not shown again",
			Body: NewToken{}, Answer: Secret{},
			Status: 201, Serve: func(asked *rest.Ask) (any, error) { return s.tokenCreate(asked, o.name(asked)) },
		},
		{
			Method: remove, Path: o.path + "/{token}", Right: o.right, Object: o.object,
			ID: "delete" + o.noun, Summary: "End an access token within a second",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				user, token := o.name(asked), asked.PathValue("token")
				return nil, s.Accounts.RemoveToken(asked.Context(), asked.Caller, user, token)
			},
		},
	}
}

func (s Services) tokenList(asked *rest.Ask, user string) (any, error) {
	found, err := s.Accounts.Tokens(asked.Context(), asked.Caller, user)
	if err != nil {
		return nil, err
	}
	var items []Token
	for _, t := range found {
		items = append(items, TokenOf(t))
	}
	return rest.PageTo(asked, items, ""), nil
}

func (s Services) tokenCreate(asked *rest.Ask, user string) (any, error) {
	var n NewToken
	if err := asked.Read(&n); err != nil {
		return nil, err
	}
	spec := accounts.TokenSpec{Name: n.Name, Rights: n.Rights, Repositories: n.Repositories}
	if n.ExpiresAt != nil {
		spec.ExpiresAt = *n.ExpiresAt
	}
	text, err := s.Accounts.CreateToken(asked.Context(), asked.Caller, user, spec)
	return Secret{text}, err
}
