package page

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cove/registry/web/session"
	"cove/registry/web/view"
)

// failure is what the page of an error shows.
type failure struct {
	Status int
	Detail string
	SignIn string // where to go after a sign-in that would help; "" if none would
	// Back is the page of the form that was refused, and Typed what it held: whose session
	// ended while he wrote loses nothing, with scripts (which fill the form in again) and
	// without.
	Back  string
	Typed []Field
}

// Field is one field of a form, as it was sent.
type Field struct{ Name, Value string }

// Failed answers with the page of an error.
func (p *Desk) Failed(w http.ResponseWriter, r *http.Request, status int, detail string) {
	a := &Ask{Request: r, W: w, Language: p.chosen(r)}
	protect(w.Header())
	if token := p.Guard.Token(r); token != "" {
		if found, err := p.Sessions.Find(r.Context(), token, p.Now()); err == nil {
			a.Caller = found.Caller
		}
	}
	shown := status
	if key := "error." + strconv.Itoa(status) + ".title"; !a.Language.Has(key) {
		shown = http.StatusInternalServerError
		if status < shown {
			shown = http.StatusBadRequest
		}
	}
	data := failure{Status: shown, Detail: detail, Back: cameFrom(r)}
	if a.Caller.Name == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
		data.SignIn = "/projects"
		if data.Back != "" {
			data.SignIn = data.Back
		}
	}
	if data.Back != "" {
		data.Typed = typed(r.PostForm)
	}
	title := a.Language.Text(fmt.Sprintf("error.%d.title", shown))
	if err := p.Show(a, status, &view.Page{Name: "error", Title: title, Data: data}); err != nil {
		p.Log.ErrorContext(r.Context(), "page of an error failed", "path", r.URL.Path, "error", err)
	}
}

// cameFrom is the page of this registry whose form was sent; "" if it was no form, or one
// of another site.
func cameFrom(r *http.Request) string {
	if r.Method != http.MethodPost {
		return ""
	}
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host == "" || u.Host != r.Host {
		return ""
	}
	if path := Local(u.RequestURI()); path != "/" && !strings.HasPrefix(path, "/sign-in") {
		return path
	}
	return ""
}

// secrets are fields that no page ever shows again.
var secrets = []string{
	"again", "authorization", "new", "old", "password", "secret", "token", session.FormField,
}

// typed lists what a form held, as much of it as a page shows.
func typed(form url.Values) (fields []Field) {
	const most, longest = 40, 4000
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			if value != "" && len(fields) < most && !slices.Contains(secrets, name) {
				fields = append(fields, Field{name, strings.ToValidUTF8(value[:min(len(value), longest)], "")})
			}
		}
	}
	return fields
}
