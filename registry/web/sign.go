package web

import (
	"errors"
	"net"
	"net/http"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/web/message"
	"cove/registry/web/session"
	"cove/registry/web/view"
)

// The cookies of what a reader prefers; they are no secret.
const (
	languageCookie = "cove_language"
	themeCookie    = "cove_theme"
	preferFor      = 365 * 24 * time.Hour
)

type signInData struct {
	Next, Name string
	Fresh      bool // nobody has changed the first password yet
}

func (p *Pages) signIn(a *ask) error {
	next := local(a.FormValue("next"))
	if a.caller.Name != "" {
		a.redirect(next)
		return nil
	}
	data := signInData{Next: next, Fresh: p.cfg.Accounts.FirstPasswordKept()}
	return p.page(a, "sign-in", "sign-in", a.language.Text("signin.title"), data)
}

func (p *Pages) signInDo(a *ask) error {
	name, next := a.PostForm.Get("name"), local(a.PostForm.Get("next"))
	u, err := p.cfg.Login.Check(a.Context(), name, a.PostForm.Get("password"), auth.AddressOf(a.Request))
	if err != nil {
		return p.signInFailed(a, signInData{Next: next, Name: name}, err)
	}
	if old := p.guard.Token(a.Request); old != "" { // another account's, perhaps
		if err := p.cfg.Sessions.End(a.Context(), a.caller, old); err != nil {
			return err
		}
	}
	token, err := p.cfg.Sessions.Begin(a.Context(), u, originOf(a.Request))
	if err != nil {
		return err
	}
	p.guard.Keep(a.w, a.Request, token)
	a.redirect(next)
	return nil
}

// signInFailed says the same of a wrong name and of a wrong password.
func (p *Pages) signInFailed(a *ask, data signInData, err error) error {
	var e *errcode.Error
	var notice string
	status := http.StatusUnauthorized
	switch {
	case errors.Is(err, errdefs.ErrUnauthenticated):
		notice = a.language.Text("signin.wrong")
	case errors.As(err, &e) && e.Status == http.StatusTooManyRequests:
		status = e.Status
		notice = a.language.Text("signin.wait", int(e.RetryAfter.Seconds())+1)
	default:
		return err
	}
	return p.show(a, status, &view.Page{
		Name: "sign-in", Section: "sign-in", Title: a.language.Text("signin.title"), Data: data,
		Notice: &view.Notice{Bad: true, Text: notice},
	})
}

func originOf(r *http.Request) session.Origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return session.Origin{Address: host, Agent: r.UserAgent()}
}

func (p *Pages) signOutDo(a *ask) error {
	if err := p.cfg.Sessions.End(a.Context(), a.caller, p.guard.Token(a.Request)); err != nil {
		return err
	}
	p.guard.Forget(a.w, a.Request)
	a.redirect("/sign-in")
	return nil
}

// prefer keeps language and colours in the browser.
func (p *Pages) prefer(a *ask) error {
	for name, value := range map[string]string{
		languageCookie: p.languages.Choose(a.PostForm.Get("language"), "").Tag.String(),
		themeCookie:    knownTheme(a.PostForm.Get("theme")),
	} {
		http.SetCookie(a.w, &http.Cookie{
			Name: name, Value: value, Path: "/", MaxAge: int(preferFor.Seconds()), SameSite: http.SameSiteLaxMode,
			HttpOnly: true,
		})
	}
	a.redirect(a.PostForm.Get("next"))
	return nil
}

func knownTheme(name string) string {
	if name == "light" || name == "dark" {
		return name
	}
	return ""
}

func themeOf(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil {
		return ""
	}
	return knownTheme(c.Value)
}

func (p *Pages) chosen(r *http.Request) *message.Language {
	chosen := ""
	if c, err := r.Cookie(languageCookie); err == nil {
		chosen = c.Value
	}
	return p.languages.Choose(chosen, r.Header.Get("Accept-Language"))
}
