package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/edge"
	"cove/registry/web/message"
	"cove/registry/web/view"
)

const (
	maxForm = 256 << 10 // bytes of a form
	perPage = 50        // rows of a list
	hits    = 20        // of each kind that a search shows
)

// policy of what a page may load and do: nothing but what this registry serves.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ask is one request to a page.
type ask struct {
	*http.Request
	w        http.ResponseWriter
	caller   auth.Caller // the zero Caller is a visitor
	language *message.Language
}

// handle is everything around a handler: headers, who asks, whether he may, and
// what becomes of an error.
func (p *Pages) handle(rw row) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		a := &ask{Request: r, w: w, language: p.chosen(r)}
		err := p.admit(a, rw)
		if err == nil {
			err = rw.serve(a)
		}
		if err != nil {
			p.fail(a, err)
		}
	}
}

// protect sets what every answer tells the browser.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// admit finds out who asks, and whether the request may go on.
func (p *Pages) admit(a *ask, rw row) error {
	if token := p.guard.Token(a.Request); token != "" {
		found, err := p.cfg.Sessions.Find(a.Context(), token, p.cfg.Now())
		switch {
		case err == nil:
			a.caller = found.Caller
		case !errors.Is(err, errdefs.ErrUnauthenticated):
			return err
		}
	}
	a.Body = http.MaxBytesReader(a.w, a.Body, maxForm)
	if err := a.ParseForm(); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "form: %w", err)
	}
	if err := checkText(a.Request); err != nil {
		return err
	}
	project, err := projectOf(a.Request)
	if err != nil {
		return err
	}
	switch rw.right {
	case auth.Open:
	case auth.SignIn:
		if a.caller.Name == "" {
			return errdefs.Errorf(errdefs.ErrUnauthenticated, "sign in first")
		}
	default:
		if err := p.cfg.Judge.Permit(a.Context(), p.cfg.DB, a.caller, rw.right, project); err != nil {
			return err
		}
	}
	if a.Method == http.MethodPost {
		return p.guard.Check(a.Request)
	}
	return nil
}

// checkText refuses what is no text: PostgreSQL takes neither a NUL nor bytes that
// are no UTF-8, and no name has any. Call it after the form was parsed.
func checkText(r *http.Request) error {
	texts := []string{r.URL.Path}
	for name, values := range r.Form {
		texts = append(append(texts, name), values...)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return errdefs.Errorf(errdefs.ErrInvalid, "the request holds bytes that are no text")
		}
	}
	return nil
}

// projectOf is the project that the request's path is about; "" if it is about none.
func projectOf(r *http.Request) (string, error) {
	return browse.ProjectOf(r.PathValue("repository"), r.PathValue("artifact"), r.PathValue("project"))
}

// page answers with a page.
func (p *Pages) page(a *ask, name, section, title string, data any) error {
	return p.show(a, http.StatusOK, &view.Page{Name: name, Section: section, Title: title, Data: data})
}

// show answers with a page of a status. What every page has is added to it.
func (p *Pages) show(a *ask, status int, pg *view.Page) error {
	pg.Language, pg.Languages, pg.Caller = a.language, p.languages.Languages(), a.caller
	pg.Host, pg.Path, pg.Theme = p.host(a), a.URL.RequestURI(), themeOf(a.Request)
	if pg.Notice == nil {
		pg.Notice = p.noticed(a)
	}
	pg.FormToken = p.guard.FormToken(a.w, a.Request)
	a.w.Header().Add("Vary", "Cookie, Accept-Language")
	return p.views.Render(a.w, a.Request, status, pg)
}

// again answers a form that was filled in wrongly with its page, which says why.
func (p *Pages) again(a *ask, pg *view.Page, text string) error {
	pg.Notice = &view.Notice{Bad: true, Text: text}
	return p.show(a, http.StatusUnprocessableEntity, pg)
}

// fail answers with the page of an error. Who is not signed in is sent to do it.
func (p *Pages) fail(a *ask, err error) {
	e := errcode.For(err, errcode.Registry)
	if e.Status >= http.StatusInternalServerError {
		p.cfg.Log.ErrorContext(a.Context(), "page failed", "method", a.Method, "path", a.URL.Path, "error", err)
	}
	if e.Status == http.StatusUnauthorized && a.Method != http.MethodPost {
		a.redirect("/sign-in?next=" + url.QueryEscape(a.URL.RequestURI()))
		return
	}
	if e.RetryAfter > 0 {
		a.w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
	}
	p.Failed(a.w, a.Request, e.Status, detail(e))
}

// detail is what a page tells of an error besides its kind: nothing of those that
// may name what is not the reader's to know.
func detail(e *errcode.Error) string {
	if e.Status >= http.StatusInternalServerError {
		return ""
	}
	return e.Message
}

// failure is what the page of an error shows.
type failure struct {
	Status int
	Detail string
	SignIn string // where to go after a sign-in that would help; "" if none would
}

// Failed answers with the page of an error.
func (p *Pages) Failed(w http.ResponseWriter, r *http.Request, status int, detail string) {
	a := &ask{Request: r, w: w, language: p.chosen(r)}
	protect(w.Header())
	if token := p.guard.Token(r); token != "" {
		if found, err := p.cfg.Sessions.Find(r.Context(), token, p.cfg.Now()); err == nil {
			a.caller = found.Caller
		}
	}
	shown := status
	if key := "error." + strconv.Itoa(status) + ".title"; !a.language.Has(key) {
		shown = http.StatusInternalServerError
		if status < shown {
			shown = http.StatusBadRequest
		}
	}
	data := failure{Status: shown, Detail: detail}
	if a.caller.Name == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
		data.SignIn = "/projects"
	}
	title := a.language.Text(fmt.Sprintf("error.%d.title", shown))
	if err := p.show(a, status, &view.Page{Name: "error", Title: title, Data: data}); err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "page of an error failed", "path", r.URL.Path, "error", err)
	}
}

// redirect sends the browser to a path of this registry, after which it asks with
// GET.
func (a *ask) redirect(path string) {
	a.w.Header().Set("Location", local(path))
	a.w.WriteHeader(http.StatusSeeOther)
}

// local is a path of this registry, or "/" for anything that might lead
// elsewhere: "//host", "/\host" and "https:" are other hosts to a browser.
func local(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" ||
		!strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") ||
		strings.ContainsAny(target, "\\\x00\t\r\n") {
		return "/"
	}
	return target
}

// host is the name by which clients reach this registry.
func (p *Pages) host(a *ask) string {
	_, host, _ := strings.Cut(p.base(a), "://")
	return host
}

func (p *Pages) base(a *ask) string {
	if p.cfg.ExternalURL != "" {
		return strings.TrimSuffix(p.cfg.ExternalURL, "/")
	}
	return edge.BaseURL(a.Request)
}

// noticeCookie carries what came of a form over the redirect.
const noticeCookie = "cove_notice"

// done redirects after a form did what it should, and has the next page say so.
func (p *Pages) done(a *ask, path string, n view.Notice) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	http.SetCookie(a.w, &http.Cookie{
		Name: noticeCookie, Value: p.guard.Seal(a.Request, string(text)), Path: "/", MaxAge: 60, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(p.base(a), "https://"),
	})
	a.redirect(path)
	return nil
}

// noticed takes the notice of the request before, if it was made in this session.
func (p *Pages) noticed(a *ask) *view.Notice {
	c, err := a.Cookie(noticeCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(a.w, &http.Cookie{Name: noticeCookie, Path: "/", MaxAge: -1, HttpOnly: true})
	text, ok := p.guard.Open(a.Request, c.Value)
	var n view.Notice
	if !ok || json.Unmarshal([]byte(text), &n) != nil {
		return nil
	}
	return &n
}

// refused says whether an error is one that the reader of a form can mend, and in
// which words.
func refused(err error) (string, bool) {
	for _, kind := range []error{errdefs.ErrInvalid, errdefs.ErrExists, errdefs.ErrNotFound, errdefs.ErrConflict} {
		if errors.Is(err, kind) {
			return errcode.For(err, errcode.Registry).Message, true
		}
	}
	return "", false
}
