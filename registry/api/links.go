package api

import (
	"net/url"
	"time"

	"cove/errdefs"
	"cove/registry/api/rest"
	"cove/registry/auth"
)

// NewPasswordLink says how long a link is good.
type NewPasswordLink struct {
	For string `json:"for,omitempty"` // as 24h, which it is if it is left out
}

// PasswordLink is a link by which a user sets a new password. It works once.
type PasswordLink struct {
	Path  string    `json:"path"` // below the registry's address; nothing shows it again
	Until time.Time `json:"until"`
}

// links are the operations on links by which users set a password.
func (a *API) links() []rest.Operation {
	return []rest.Operation{
		{
			Method: post, Path: "/users/{user}/password-link", Right: auth.ManageUsers, Object: "users",
			ID:      "createPasswordLink",
			Summary: "Make a link by which a user sets a new password, once, in place of the one before",
			Body:    NewPasswordLink{},
			Answer:  PasswordLink{},
			Status:  201, Serve: a.passwordLink,
		},
		{
			Method: remove, Path: "/users/{user}/password-link", Right: auth.ManageUsers, Object: "users",
			ID: "deletePasswordLink", Summary: "End the link by which a user sets a new password",
			Status: 204, Serve: a.passwordUnlink,
		},
	}
}

func (a *API) passwordLink(asked *rest.Ask) (any, error) {
	var n NewPasswordLink
	if err := asked.Read(&n); err != nil {
		return nil, err
	}
	var life time.Duration
	if n.For != "" {
		var err error
		if life, err = time.ParseDuration(n.For); err != nil || life <= 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "for: %q is no time; write it as 24h", n.For)
		}
	}
	made, err := a.cfg.Accounts.LinkPassword(asked.Context(), asked.Caller, asked.PathValue("user"), life)
	query := url.Values{"token": {made.Token}}
	return PasswordLink{"/password?" + query.Encode(), made.Until.UTC()}, err
}

func (a *API) passwordUnlink(asked *rest.Ask) (any, error) {
	return nil, a.cfg.Accounts.UnlinkPassword(asked.Context(), asked.Caller, asked.PathValue("user"))
}
