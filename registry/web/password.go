package web

import (
	"net/http"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth/throttle"
	"cove/registry/edge"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// linkData is a link by which somebody sets a password.
type linkData struct{ Token, User string }

// passwordPage is the page that a link opens. It changes nothing: programs that look at
// links in mails open it too. A link that is not good is errdefs.ErrNotFound.
func (p *Pages) passwordPage(a *page.Ask) (*view.Page, error) {
	a.W.Header().Set("Referrer-Policy", "no-referrer") // the address of the page is the secret
	token := a.FormValue("token")
	user, err := p.cfg.Accounts.WhoseLink(a.Context(), token, p.Now())
	return &view.Page{
		Name: "password", Section: "sign-in", Title: a.Language.Text("password.title"), Data: linkData{token, user},
	}, err
}

func (p *Pages) password(a *page.Ask) error {
	pg, err := p.passwordPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) passwordDo(a *page.Ask) error {
	pg, err := p.passwordPage(a)
	if err != nil {
		return err
	}
	form := a.PostForm
	if form.Get("new") != form.Get("again") {
		return p.Again(a, pg, a.Language.Text("account.password.differs"))
	}
	name, err := p.cfg.Accounts.FollowLink(a.Context(), form.Get("token"), form.Get("new"), p.Now())
	if text, ok := page.Refused(err); ok {
		return p.Again(a, pg, text)
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/sign-in", view.Notice{Text: a.Language.Text("password.done", name)})
}

// Registration says how strangers get an account.
type Registration struct {
	Approval bool // it is disabled until an administrator enables it
	Limit    *throttle.Quota
}

// NewRegistration lets each address ask for a few accounts in an hour, and all of them
// for some: an account costs who asks for it nothing.
func NewRegistration(approval bool, now func() time.Time) *Registration {
	return &Registration{approval, &throttle.Quota{Now: now, Each: 10, All: 100, Within: time.Hour}}
}

// registerData is the form by which strangers ask for an account.
type registerData struct {
	Name     string
	Approval bool
}

func (p *Pages) registerPage(a *page.Ask) (*view.Page, error) {
	if p.cfg.Registration == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"nobody makes an account for himself here; an administrator of the registry does")
	}
	return &view.Page{
		Name: "register", Section: "sign-in", Title: a.Language.Text("register.title"),
		Data: registerData{a.PostForm.Get("name"), p.cfg.Registration.Approval},
	}, nil
}

func (p *Pages) register(a *page.Ask) error {
	pg, err := p.registerPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

// registerDo answers the same whether or not the name was taken.
func (p *Pages) registerDo(a *page.Ask) error {
	pg, err := p.registerPage(a)
	if err != nil {
		return err
	}
	form := a.PostForm
	if form.Get("new") != form.Get("again") {
		return p.Again(a, pg, a.Language.Text("account.password.differs"))
	}
	if wait := p.cfg.Registration.Limit.Take(edge.AddressOf(a.Request)); wait > 0 {
		e := errcode.New(http.StatusTooManyRequests, errcode.TooManyRequests, "too many accounts were asked for")
		e.RetryAfter = wait
		return e
	}
	err = p.cfg.Accounts.Register(a.Context(), form.Get("name"), form.Get("new"), p.cfg.Registration.Approval)
	if text, ok := page.Refused(err); ok {
		return p.Again(a, pg, text)
	}
	if err != nil {
		return err
	}
	key := "register.done"
	if p.cfg.Registration.Approval {
		key = "register.waits"
	}
	return p.Done(a, "/sign-in", view.Notice{Text: a.Language.Text(key, form.Get("name"))})
}
