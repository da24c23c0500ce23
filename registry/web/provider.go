package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"cove/errdefs"
	"cove/registry/identity"
	"cove/registry/identity/oidc"
	"cove/registry/metadata"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// Provider signs people in elsewhere; *oidc.Provider is one.
type Provider interface {
	Title() string
	Begin(ctx context.Context, callback, next string) (oidc.Attempt, string, error)
	Finish(ctx context.Context, callback string, a oidc.Attempt, got oidc.Answer) (identity.Person, oidc.Claims, error)
}

// providerPath is where a sign-in by the provider begins, and callbackPath where
// the provider sends the browser back: the redirect URI to register there.
const (
	providerPath = "/sign-in/oidc"
	callbackPath = "/sign-in/oidc/callback"
	testPath     = "/sign-in/oidc/test"
)

// providerBegin sends the browser to the provider.
func (p *Pages) providerBegin(a *page.Ask) error {
	if p.cfg.Provider == nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "no provider is configured for signing in")
	}
	attempt, to, err := p.cfg.Provider.Begin(a.Context(), p.Base(a)+callbackPath, page.Local(a.FormValue("next")))
	if err != nil {
		return p.providerFailed(a, err)
	}
	attempt.Test = a.FormValue("test") != ""
	text, err := json.Marshal(attempt)
	if err != nil {
		return err
	}
	p.Guard.Depart(a.W, a.Request, string(text))
	http.Redirect(a.W, a.Request, to, http.StatusSeeOther)
	return nil
}

// providerFinish takes the provider's answer.
func (p *Pages) providerFinish(a *page.Ask) error {
	if p.cfg.Provider == nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "no provider is configured for signing in")
	}
	var attempt oidc.Attempt
	if err := json.Unmarshal([]byte(p.Guard.Return(a.W, a.Request)), &attempt); err != nil {
		return p.providerFailed(a, errdefs.Errorf(errdefs.ErrUnauthenticated, "the sign-in took too long; begin again"))
	}
	person, claims, err := p.cfg.Provider.Finish(a.Context(), p.Base(a)+callbackPath, attempt, oidc.Answer{
		State: a.FormValue("state"), Code: a.FormValue("code"),
		Error: a.FormValue("error"), Description: a.FormValue("error_description"),
	})
	if attempt.Test {
		return p.providerTried(a, person, claims, err)
	}
	var u metadata.User
	if err == nil {
		u, err = p.cfg.Accounts.SignedIn(a.Context(), person)
	}
	if err == nil && u.Disabled {
		err = errdefs.Errorf(errdefs.ErrDenied, "user %q is disabled; ask an administrator of the registry", u.Name)
	}
	if err != nil {
		return p.providerFailed(a, err)
	}
	return p.enter(a, u, page.Local(attempt.Next))
}

// providerFailed shows the sign-in again, with what was wrong.
func (p *Pages) providerFailed(a *page.Ask, err error) error {
	status := http.StatusUnauthorized
	switch {
	case errors.Is(err, errdefs.ErrDenied):
		status = http.StatusForbidden
	case errors.Is(err, errdefs.ErrUnavailable):
		status = http.StatusServiceUnavailable
	case !errors.Is(err, errdefs.ErrUnauthenticated):
		return err
	}
	p.Log.WarnContext(a.Context(), "a sign-in by the provider failed", "error", err)
	text := a.Language.Text("signin.provider.failed", p.cfg.Provider.Title(), a.Language.Said(err.Error()))
	return p.Show(a, status, &view.Page{
		Name: "sign-in", Section: "sign-in", Title: a.Language.Text("signin.title"), Data: p.signInData("", ""),
		Notice: &view.Notice{Bad: true, Text: text},
	})
}
