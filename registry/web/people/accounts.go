package people

import (
	"context"
	"errors"
	"net/url"
	"time"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/edge"
	"cove/registry/metadata"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type usersData struct {
	Users []metadata.User
	More  string
	Name  string // that was asked for and could not be made
	Link  *link  // that was just made
}

// link is one by which somebody sets a password; it is shown once.
type link struct {
	Name, URL string
	Until     time.Time
}

func (p *Pages) users(a *page.Ask) error {
	pg, err := p.usersPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) usersPage(a *page.Ask) (*view.Page, error) {
	users, more, err := p.cfg.Accounts.Page(a.Context(), a.Caller, page.Bounded(a.FormValue("after")), page.PerPage)
	if err != nil {
		return nil, err
	}
	data := &usersData{Users: users}
	if more {
		data.More = page.NextPage("/users", "", users[len(users)-1].Name)
	}
	return &view.Page{Name: "users", Section: "users", Title: a.Language.Text("users.title"), Data: data}, nil
}

// userChanged ends a form of the users' page.
func (p *Pages) userChanged(a *page.Ask, err error, done string) error {
	if text, ok := page.Refused(err); ok {
		pg, err := p.usersPage(a)
		if err != nil {
			return err
		}
		return p.Again(a, pg, text)
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/users", view.Notice{Text: done})
}

func (p *Pages) userCreate(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.cfg.Accounts.Add(a.Context(), a.Caller, name, a.PostForm.Get("password"), a.PostForm.Get("admin") == "1")
	return p.userChanged(a, err, a.Language.Text("users.created", name))
}

func (p *Pages) userPassword(a *page.Ask) error {
	name := a.PathValue("user")
	err := p.cfg.Accounts.SetPassword(a.Context(), a.Caller, name, a.PostForm.Get("password"))
	if err == nil && name == a.Caller.Name {
		err = p.signInAgain(a)
	}
	return p.userChanged(a, err, a.Language.Text("users.password.done", name))
}

// userLink makes a link by which a user sets a new password, and shows it.
func (p *Pages) userLink(a *page.Ask) error {
	name := a.PathValue("user")
	made, err := p.cfg.Accounts.LinkPassword(a.Context(), a.Caller, name, 0)
	if err != nil {
		return p.userChanged(a, err, "")
	}
	pg, err := p.usersPage(a)
	if err != nil {
		return err
	}
	if d, ok := pg.Data.(*usersData); ok {
		query := url.Values{"token": {made.Token}}
		d.Link = &link{name, p.Base(a) + "/password?" + query.Encode(), made.Until}
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) userUnlink(a *page.Ask) error {
	name := a.PathValue("user")
	err := p.cfg.Accounts.UnlinkPassword(a.Context(), a.Caller, name)
	return p.userChanged(a, err, a.Language.Text("users.unlinked", name))
}

// userChange keeps a user from signing in, or lets him again.
func (p *Pages) userChange(a *page.Ask) error {
	name, disabled := a.PathValue("user"), a.PostForm.Get("disabled") == "1"
	key := map[bool]string{true: "robots.disabled", false: "robots.enabled"}[disabled]
	_, err := p.cfg.Accounts.Change(a.Context(), a.Caller, name, accounts.Change{Disabled: &disabled})
	return p.userChanged(a, err, a.Language.Text(key, name))
}

func (p *Pages) userRemove(a *page.Ask) error {
	name := a.PathValue("user")
	err := p.cfg.Accounts.Remove(a.Context(), a.Caller, name)
	return p.userChanged(a, err, a.Language.Text("users.removed", name))
}

type accountData struct {
	Sessions []sessionRow
	Others   bool // there are sessions besides this one
}

type sessionRow struct {
	Address, Agent string
	Since, Seen    time.Time
	Current        bool
}

func (p *Pages) account(a *page.Ask) error {
	pg, err := p.accountPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) accountPage(a *page.Ask) (*view.Page, error) {
	list, err := p.Sessions.List(a.Context(), a.Caller, p.Now())
	if err != nil {
		return nil, err
	}
	token := p.Guard.Token(a.Request)
	data := accountData{Others: len(list) > 1}
	for _, s := range list {
		data.Sessions = append(data.Sessions, sessionRow{
			Address: s.Origin.Address, Agent: s.Origin.Agent, Since: s.Since, Seen: s.Seen, Current: s.Is(token),
		})
	}
	return &view.Page{Name: "account", Section: "account", Title: a.Caller.Name, Data: data}, nil
}

// accountPassword changes one's own password. The old one is checked, by the same
// throttle as at every sign-in: who finds a browser open must not take the account.
func (p *Pages) accountPassword(a *page.Ask) error {
	form := a.PostForm
	if form.Get("new") != form.Get("again") {
		return p.accountAgain(a, a.Language.Text("account.password.differs"))
	}
	_, err := p.cfg.Login.Check(a.Context(), a.Caller.Name, form.Get("old"), edge.AddressOf(a.Request))
	if errors.Is(err, errdefs.ErrUnauthenticated) {
		return p.accountAgain(a, a.Language.Text("account.password.wrong"))
	}
	if err == nil {
		err = p.cfg.Accounts.SetPassword(a.Context(), a.Caller, a.Caller.Name, form.Get("new"))
	}
	if text, ok := page.Refused(err); ok {
		return p.accountAgain(a, text)
	}
	if err == nil {
		err = p.signInAgain(a)
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/account", view.Notice{Text: a.Language.Text("account.password.done")})
}

func (p *Pages) accountAgain(a *page.Ask, text string) error {
	pg, err := p.accountPage(a)
	if err != nil {
		return err
	}
	return p.Again(a, pg, text)
}

// signInAgain begins a session for who has just changed his password, which ended
// all of them.
func (p *Pages) signInAgain(a *page.Ask) error {
	ctx := context.WithoutCancel(a.Context())
	u, err := p.DB.UserByName(ctx, a.Caller.Name)
	if err != nil {
		return err
	}
	token, err := p.Sessions.Begin(ctx, u, page.OriginOf(a.Request))
	if err != nil {
		return err
	}
	p.Guard.Keep(a.W, a.Request, token)
	p.Guard.Use(a.Request, token)
	return nil
}

func (p *Pages) accountSessions(a *page.Ask) error {
	if err := p.Sessions.EndOthers(a.Context(), a.Caller, p.Guard.Token(a.Request)); err != nil {
		return err
	}
	return p.Done(a, "/account", view.Notice{Text: a.Language.Text("sessions.ended")})
}
