// Package page is what every page has around it: who asks and whether he may, the
// headers that protect the reader, and how pages, errors and the answers to forms
// look. What the pages show is for the packages beside it.
package page

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/door"
	"cove/registry/banner"
	"cove/registry/browse"
	"cove/registry/edge"
	"cove/registry/metadata"
	"cove/registry/web/message"
	"cove/registry/web/session"
	"cove/registry/web/view"
)

const (
	maxForm = 256 << 10 // bytes of a form
	PerPage = 50        // rows of a list
)

// policy of what a page may load and do: nothing but what this registry serves.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Desk serves pages. It is safe for concurrent use.
type Desk struct {
	Config
	Browse    *browse.Browser
	Guard     *session.Guard
	Views     *view.Views
	Languages *message.Catalogue
	streams   streams
}

// Config is what the pages need around them. All but ExternalURL is required.
type Config struct {
	DB       *metadata.DB
	Registry distribution.Registry // what is deleted and read goes through it
	// Served is the registry as clients are served: it refuses what may not be pulled, and
	// notes what is.
	Served   distribution.Registry
	Judge    auth.Judge
	Sessions *session.Store
	Log      *slog.Logger
	// ExternalURL is where clients reach the registry; "" means as the request did.
	ExternalURL string
	Banner      banner.Banner // of the operator, above every page
	Now         func() time.Time
	// Draining is closed when the registry stops: nothing that stays open is to hold it up.
	Draining <-chan struct{}
}

// New returns a Desk.
func New(cfg Config) (*Desk, error) {
	p := &Desk{Config: cfg, Browse: browse.New(cfg.DB, cfg.Registry, cfg.Judge)}
	var err error
	if p.Guard, err = session.NewGuard(cfg.ExternalURL); err != nil {
		return nil, err
	}
	if p.Languages, err = message.Load(); err != nil {
		return nil, err
	}
	p.Views, err = view.New()
	return p, err
}

// Row is one method of one path, and the right that it takes.
type Row struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Serve        func(*Ask) error
	live, stream bool // see Live
}

// Get is a row of a page that is looked at.
func Get(path string, right auth.Right, object string, serve func(*Ask) error) Row {
	return Row{Method: http.MethodGet, Path: path, Right: right, Object: object, Serve: serve}
}

// Post is a row of a form that is sent.
func Post(path string, right auth.Right, object string, serve func(*Ask) error) Row {
	return Row{Method: http.MethodPost, Path: path, Right: right, Object: object, Serve: serve}
}

// Ask is one request to a page.
type Ask struct {
	*http.Request
	W        http.ResponseWriter
	Caller   auth.Caller // the zero Caller is a visitor
	Language *message.Language
	session  string  // the token of the session; "" of a visitor
	live     bool    // the page keeps itself up to date
	mark     *string // where a stream wants the mark of the page's data; nil of a reader
}

// Handle is everything around a handler: headers, who asks, whether he may, and
// what becomes of an error.
func (p *Desk) Handle(rw Row) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		a := &Ask{Request: r, W: w, Language: p.chosen(r), live: rw.live}
		err := p.admit(a, rw)
		switch {
		case err != nil:
		case rw.stream:
			err = p.stream(a, rw)
		default:
			err = rw.Serve(a)
		}
		if err != nil && !p.moved(a, rw) {
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
func (p *Desk) admit(a *Ask, rw Row) error {
	if token := p.Guard.Token(a.Request); token != "" {
		find := p.Sessions.Find
		if rw.stream {
			find = p.Sessions.Peek
		}
		found, err := find(a.Context(), token, p.Now())
		switch {
		case err == nil:
			a.Caller, a.session = found.Caller, token
		case !errors.Is(err, errdefs.ErrUnauthenticated):
			return err
		}
	}
	a.Body = http.MaxBytesReader(a.W, a.Body, maxForm)
	if err := a.ParseForm(); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "form: %w", err)
	}
	if err := checkText(a.Request); err != nil {
		return err
	}
	if err := p.permitted(a, rw); err != nil {
		return err
	}
	if a.Method == http.MethodPost {
		return p.Guard.Check(a.Request)
	}
	return nil
}

// permitted says whether the caller has the right of a row.
func (p *Desk) permitted(a *Ask, rw Row) error {
	return door.Door{DB: p.DB, Judge: p.Judge}.Permit(a.Context(), a.Caller, rw.Right,
		func() (string, error) { return objectOf(a.Request) })
}

// checkText refuses what is no text. Call it after the form was parsed.
func checkText(r *http.Request) error {
	texts := []string{r.URL.Path}
	for name, values := range r.Form {
		texts = append(append(texts, name), values...)
	}
	if !door.IsText(texts...) {
		return errdefs.Errorf(errdefs.ErrInvalid, "the request holds bytes that are no text")
	}
	return nil
}

// objectOf is the repository or the project that the request's path is about; "" if
// it is about none.
func objectOf(r *http.Request) (string, error) {
	return browse.ObjectOf(r.PathValue("repository"), r.PathValue("artifact"), r.PathValue("project"))
}

// Page answers with a page.
func (p *Desk) Page(a *Ask, name, section, title string, data any) error {
	return p.Show(a, http.StatusOK, &view.Page{Name: name, Section: section, Title: title, Data: data})
}

// Show answers with a page of a status. What every page has is added to it.
func (p *Desk) Show(a *Ask, status int, pg *view.Page) error {
	if a.mark != nil {
		mark, err := markOf(pg.Data)
		*a.mark = mark
		return errors.Join(err, errLooked)
	}
	if a.live && a.session != "" {
		mark, err := markOf(pg.Data)
		if err != nil {
			return err
		}
		pg.Live, pg.Mark = LivePath+a.URL.RequestURI(), mark
	}
	pg.Language, pg.Languages, pg.Caller = a.Language, p.Languages.Languages(), a.Caller
	// What answers a form is no page that the browser can go back to: that of the form is.
	pg.Host, pg.Path, pg.Theme = p.Host(a), cmp.Or(cameFrom(a.Request), a.URL.RequestURI()), themeOf(a.Request)
	pg.Banner = p.Banner.At(p.Now())
	if pg.Notice == nil {
		pg.Notice = p.noticed(a)
	}
	pg.FormToken = p.Guard.FormToken(a.W, a.Request)
	a.W.Header().Add("Vary", "Cookie, Accept-Language")
	return p.Views.Render(a.W, a.Request, status, pg)
}

// Again answers a form that was filled in wrongly with its page, which says why.
func (p *Desk) Again(a *Ask, pg *view.Page, text string) error {
	pg.Notice = &view.Notice{Bad: true, Text: text}
	return p.Show(a, http.StatusUnprocessableEntity, pg)
}

// fail answers with the page of an error. Who is not signed in is sent to do it.
func (p *Desk) fail(a *Ask, err error) {
	e := errcode.For(err, errcode.Registry)
	// What failed because the client went away is no failure of ours.
	if e.Status >= http.StatusInternalServerError && a.Context().Err() == nil {
		p.Log.ErrorContext(a.Context(), "page failed", "method", a.Method, "path", a.URL.Path, "error", err)
	}
	if e.Status == http.StatusUnauthorized && a.Method != http.MethodPost {
		a.Redirect("/sign-in?next=" + url.QueryEscape(a.URL.RequestURI()))
		return
	}
	if e.RetryAfter > 0 {
		a.W.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
	}
	p.Failed(a.W, a.Request, e.Status, detail(e))
}

// detail is what a page tells of an error besides its kind: nothing of those that
// may name what is not the reader's to know.
func detail(e *errcode.Error) string {
	if e.Status >= http.StatusInternalServerError {
		return ""
	}
	return e.Message
}

// Redirect sends the browser to a path of this registry, after which it asks with
// GET.
func (a *Ask) Redirect(path string) {
	a.W.Header().Set("Location", Local(path))
	a.W.WriteHeader(http.StatusSeeOther)
}

// Local is a path of this registry, or "/" for anything that might lead
// elsewhere: "//host", "/\host" and "https:" are other hosts to a browser.
func Local(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" ||
		!strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") ||
		strings.ContainsAny(target, "\\\x00\t\r\n") {
		return "/"
	}
	return target
}

// Host is the name by which clients reach this registry.
func (p *Desk) Host(a *Ask) string {
	_, host, _ := strings.Cut(p.Base(a), "://")
	return host
}

// Base is the URL by which clients reach this registry.
func (p *Desk) Base(a *Ask) string {
	if p.ExternalURL != "" {
		return strings.TrimSuffix(p.ExternalURL, "/")
	}
	return edge.BaseURL(a.Request)
}

// noticeCookie carries what came of a form over the redirect.
const noticeCookie = "cove_notice"

// Done redirects after a form did what it should, and has the next page say so.
func (p *Desk) Done(a *Ask, path string, n view.Notice) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	http.SetCookie(a.W, &http.Cookie{
		Name: noticeCookie, Value: p.Guard.Seal(a.Request, string(text)), Path: "/", MaxAge: 60, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(p.Base(a), "https://"),
	})
	a.Redirect(path)
	return nil
}

// noticed takes the notice of the request before, if it was made in this session.
func (p *Desk) noticed(a *Ask) *view.Notice {
	c, err := a.Cookie(noticeCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(a.W, &http.Cookie{Name: noticeCookie, Path: "/", MaxAge: -1, HttpOnly: true})
	text, ok := p.Guard.Open(a.Request, c.Value)
	var n view.Notice
	if !ok || json.Unmarshal([]byte(text), &n) != nil {
		return nil
	}
	return &n
}

// Refused says whether an error is one that the reader of a form can mend, and in
// which words.
func Refused(err error) (string, bool) {
	for _, kind := range []error{errdefs.ErrInvalid, errdefs.ErrExists, errdefs.ErrNotFound, errdefs.ErrConflict} {
		if errors.Is(err, kind) {
			return errcode.For(err, errcode.Registry).Message, true
		}
	}
	return "", false
}

// Query is the page of a list that the request asks for.
func Query(a *Ask) browse.Query {
	return browse.Query{Match: Bounded(a.FormValue("match")), Last: Bounded(a.FormValue("after")), N: PerPage}
}

// Bounded is as much of what a stranger wrote as a list looks for.
func Bounded(text string) string {
	const longest = 256
	return text[:min(len(text), longest)]
}

// NextPage is the URL of the page of a list after last.
func NextPage(path, match, last string) string {
	v := url.Values{"after": {last}}
	if match != "" {
		v.Set("match", match)
	}
	return path + "?" + v.Encode()
}

// Invalid is an error that is the reader's.
func Invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
