package web

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/web/view"
)

type usersData struct {
	Users []metadata.User
	More  string
	Name  string // that was asked for and could not be made
}

func (p *Pages) users(a *ask) error {
	pg, err := p.usersPage(a)
	if err != nil {
		return err
	}
	return p.show(a, 200, pg)
}

func (p *Pages) usersPage(a *ask) (*view.Page, error) {
	users, more, err := p.cfg.Accounts.Page(a.Context(), a.caller, bounded(a.FormValue("after")), perPage)
	if err != nil {
		return nil, err
	}
	data := usersData{Users: users}
	if more {
		data.More = nextPage("/users", "", users[len(users)-1].Name)
	}
	return &view.Page{Name: "users", Section: "users", Title: a.language.Text("users.title"), Data: data}, nil
}

// userChanged ends a form of the users' page.
func (p *Pages) userChanged(a *ask, err error, done string) error {
	if text, ok := refused(err); ok {
		pg, err := p.usersPage(a)
		if err != nil {
			return err
		}
		return p.again(a, pg, text)
	}
	if err != nil {
		return err
	}
	return p.done(a, "/users", view.Notice{Text: done})
}

func (p *Pages) userCreate(a *ask) error {
	name := a.PostForm.Get("name")
	err := p.cfg.Accounts.Add(a.Context(), a.caller, name, a.PostForm.Get("password"), a.PostForm.Get("admin") == "1")
	return p.userChanged(a, err, a.language.Text("users.created", name))
}

func (p *Pages) userPassword(a *ask) error {
	name := a.PathValue("user")
	err := p.cfg.Accounts.SetPassword(a.Context(), a.caller, name, a.PostForm.Get("password"))
	if err == nil && name == a.caller.Name {
		err = p.signInAgain(a)
	}
	return p.userChanged(a, err, a.language.Text("users.password.done", name))
}

func (p *Pages) userRemove(a *ask) error {
	name := a.PathValue("user")
	err := p.cfg.Accounts.Remove(a.Context(), a.caller, name)
	return p.userChanged(a, err, a.language.Text("users.removed", name))
}

type accountData struct {
	Sessions []sessionRow
	Others   bool // there are sessions besides this one
}

func (p *Pages) account(a *ask) error {
	pg, err := p.accountPage(a)
	if err != nil {
		return err
	}
	return p.show(a, 200, pg)
}

func (p *Pages) accountPage(a *ask) (*view.Page, error) {
	list, err := p.cfg.Sessions.List(a.Context(), a.caller, p.cfg.Now())
	if err != nil {
		return nil, err
	}
	token := p.guard.Token(a.Request)
	data := accountData{Others: len(list) > 1}
	for _, s := range list {
		data.Sessions = append(data.Sessions, sessionRow{
			Address: s.Origin.Address, Agent: s.Origin.Agent, Since: s.Since, Seen: s.Seen, Current: s.Is(token),
		})
	}
	return &view.Page{Name: "account", Section: "account", Title: a.caller.Name, Data: data}, nil
}

// accountPassword changes one's own password. The old one is checked, by the same
// throttle as at every sign-in: who finds a browser open must not take the account.
func (p *Pages) accountPassword(a *ask) error {
	form := a.PostForm
	if form.Get("new") != form.Get("again") {
		return p.accountAgain(a, a.language.Text("account.password.differs"))
	}
	_, err := p.cfg.Login.Check(a.Context(), a.caller.Name, form.Get("old"), auth.AddressOf(a.Request))
	if errors.Is(err, errdefs.ErrUnauthenticated) {
		return p.accountAgain(a, a.language.Text("account.password.wrong"))
	}
	if err == nil {
		err = p.cfg.Accounts.SetPassword(a.Context(), a.caller, a.caller.Name, form.Get("new"))
	}
	if text, ok := refused(err); ok {
		return p.accountAgain(a, text)
	}
	if err == nil {
		err = p.signInAgain(a)
	}
	if err != nil {
		return err
	}
	return p.done(a, "/account", view.Notice{Text: a.language.Text("account.password.done")})
}

func (p *Pages) accountAgain(a *ask, text string) error {
	pg, err := p.accountPage(a)
	if err != nil {
		return err
	}
	return p.again(a, pg, text)
}

// signInAgain begins a session for who has just changed his password, which ended
// all of them.
func (p *Pages) signInAgain(a *ask) error {
	ctx := context.WithoutCancel(a.Context())
	u, err := p.cfg.DB.UserByName(ctx, a.caller.Name)
	if err != nil {
		return err
	}
	token, err := p.cfg.Sessions.Begin(ctx, u, originOf(a.Request))
	if err != nil {
		return err
	}
	p.guard.Keep(a.w, a.Request, token)
	p.guard.Use(a.Request, token)
	return nil
}

func (p *Pages) accountSessions(a *ask) error {
	if err := p.cfg.Sessions.EndOthers(a.Context(), a.caller, p.guard.Token(a.Request)); err != nil {
		return err
	}
	return p.done(a, "/account", view.Notice{Text: a.language.Text("sessions.ended")})
}
