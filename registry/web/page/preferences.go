package page

import (
	"net"
	"net/http"
	"time"

	"cove/registry/web/message"
	"cove/registry/web/session"
)

// The cookies of what a reader prefers; they are no secret.
const (
	languageCookie = "cove_language"
	themeCookie    = "cove_theme"
	preferFor      = 365 * 24 * time.Hour
)

// Prefer keeps language and colours in the browser.
func (p *Desk) Prefer(a *Ask) error {
	for name, value := range map[string]string{
		languageCookie: p.Languages.Choose(a.PostForm.Get("language"), "").Tag.String(),
		themeCookie:    knownTheme(a.PostForm.Get("theme")),
	} {
		http.SetCookie(a.W, &http.Cookie{
			Name: name, Value: value, Path: "/", MaxAge: int(preferFor.Seconds()), SameSite: http.SameSiteLaxMode,
			HttpOnly: true,
		})
	}
	a.Redirect(a.PostForm.Get("next"))
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

func (p *Desk) chosen(r *http.Request) *message.Language {
	chosen := ""
	if c, err := r.Cookie(languageCookie); err == nil {
		chosen = c.Value
	}
	return p.Languages.Choose(chosen, r.Header.Get("Accept-Language"))
}

// OriginOf is where a sign-in comes from.
func OriginOf(r *http.Request) session.Origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return session.Origin{Address: host, Agent: r.UserAgent()}
}
