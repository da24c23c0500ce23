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

func (s Services) tokens() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/me/tokens", Right: auth.SignIn, Object: "account",
			ID: "listMyTokens", Summary: "List one's own access tokens by name",
			Answer: rest.Page[Token]{},
			Status: 200, Serve: s.tokenList,
		},
		{
			Method: post, Path: "/me/tokens", Right: auth.SignIn, Object: "account",
			ID: "createMyToken", Summary: "Make an access token; the answer has its text, which is not shown again",
			Body: NewToken{}, Answer: Secret{},
			Status: 201, Serve: s.tokenCreate,
		},
		{
			Method: remove, Path: "/me/tokens/{token}", Right: auth.SignIn, Object: "account",
			ID: "deleteMyToken", Summary: "End an access token within a second",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.Accounts.RemoveToken(
					asked.Context(),
					asked.Caller,
					asked.Caller.Name,
					asked.PathValue("token"),
				)
			},
		},
	}
}

func (s Services) tokenList(asked *rest.Ask) (any, error) {
	found, err := s.Accounts.Tokens(asked.Context(), asked.Caller, asked.Caller.Name)
	if err != nil {
		return nil, err
	}
	var items []Token
	for _, t := range found {
		items = append(items, TokenOf(t))
	}
	return rest.PageTo(asked, items, ""), nil
}

func (s Services) tokenCreate(asked *rest.Ask) (any, error) {
	var n NewToken
	if err := asked.Read(&n); err != nil {
		return nil, err
	}
	spec := accounts.TokenSpec{Name: n.Name, Rights: n.Rights, Repositories: n.Repositories}
	if n.ExpiresAt != nil {
		spec.ExpiresAt = *n.ExpiresAt
	}
	text, err := s.Accounts.CreateToken(asked.Context(), asked.Caller, asked.Caller.Name, spec)
	return Secret{text}, err
}
