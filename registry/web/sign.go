package web

import (
	"errors"
	"net/http"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/edge"
	"cove/registry/metadata"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type signInData struct {
	Next, Name string
	Fresh      bool // nobody has changed the first password yet
	// Provider is what the button for signing in elsewhere says; "" is none.
	Provider string
	Register bool // strangers may make accounts
}

func (p *Pages) signInData(next, name string) signInData {
	data := signInData{Next: next, Name: name, Register: p.cfg.Registration != nil}
	if p.cfg.Provider != nil {
		data.Provider = p.cfg.Provider.Title()
	}
	return data
}

func (p *Pages) signIn(a *page.Ask) error {
	next := page.Local(a.FormValue("next"))
	if a.Caller.Name != "" {
		a.Redirect(next)
		return nil
	}
	data := p.signInData(next, "")
	data.Fresh = p.cfg.Accounts.FirstPasswordKept()
	return p.Page(a, "sign-in", "sign-in", a.Language.Text("signin.title"), data)
}

func (p *Pages) signInDo(a *page.Ask) error {
	name, next := a.PostForm.Get("name"), page.Local(a.PostForm.Get("next"))
	u, err := p.cfg.Login.Check(a.Context(), name, a.PostForm.Get("password"), edge.AddressOf(a.Request))
	if err != nil {
		return p.signInFailed(a, p.signInData(next, name), err)
	}
	return p.enter(a, u, next)
}

// enter begins the session of a user who has shown who he is.
func (p *Pages) enter(a *page.Ask, u metadata.User, next string) error {
	if old := p.Guard.Token(a.Request); old != "" { // another account's, perhaps
		if err := p.Sessions.End(a.Context(), a.Caller, old); err != nil {
			return err
		}
	}
	token, err := p.Sessions.Begin(a.Context(), u, page.OriginOf(a.Request))
	if err != nil {
		return err
	}
	p.Guard.Keep(a.W, a.Request, token)
	a.Redirect(next)
	return nil
}

// signInFailed says the same of a wrong name and of a wrong password.
func (p *Pages) signInFailed(a *page.Ask, data signInData, err error) error {
	var e *errcode.Error
	var notice string
	status := http.StatusUnauthorized
	switch {
	case errors.Is(err, errdefs.ErrUnauthenticated):
		notice = a.Language.Text("signin.wrong")
	case errors.As(err, &e) && e.Status == http.StatusTooManyRequests:
		status = e.Status
		notice = a.Language.Count("signin.wait", int64(e.RetryAfter.Seconds())+1)
	default:
		return err
	}
	return p.Show(a, status, &view.Page{
		Name: "sign-in", Section: "sign-in", Title: a.Language.Text("signin.title"), Data: data,
		Notice: &view.Notice{Bad: true, Text: notice},
	})
}

func (p *Pages) signOutDo(a *page.Ask) error {
	if err := p.Sessions.End(a.Context(), a.Caller, p.Guard.Token(a.Request)); err != nil {
		return err
	}
	p.Guard.Forget(a.W, a.Request)
	a.Redirect("/sign-in")
	return nil
}
