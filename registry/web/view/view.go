// Package view makes the registry's pages: HTML from templates, in the reader's
// language, and the few files that they load. It knows no request's meaning:
// package web gives it what a page shows.
//
// Templates are html/template, so every name, tag, annotation and line of history
// that a stranger chose is escaped for where it stands. Nothing is inline: the
// policy of the pages forbids scripts and styles that are not files of ours.
package view

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"cove/registry/auth"
	"cove/registry/banner"
	"cove/registry/web/message"
)

//go:embed templates/*.html
var templates embed.FS

// Page is what every template gets. Data is the page's own.
type Page struct {
	*message.Language
	Name      string // of the template, as "projects"
	Title     string
	Host      string // by which clients reach this registry
	Path      string // of the request, with its query
	Theme     string // "light", "dark" or "" for the system's
	Section   string // of the navigation that the page belongs to
	Languages []*message.Language
	Caller    auth.Caller // the zero Caller is a visitor
	FormToken string
	Banner    *banner.Banner // nil without one
	Notice    *Notice        // nil without one
	// Live is the stream that says when the page shows something else than what Mark
	// stands for; "" of a page that stays as it is.
	Live, Mark string
	Data       any
}

// Administers says that the page is one of those behind "Administration".
func (p *Page) Administers() bool {
	sections := []string{"users", "robots", "audit", "jobs", "replication", "usage", "security", "labels", "system"}
	return slices.Contains(sections, p.Section)
}

// Amiss says that the form which was sent is to be mended: it stays open.
func (p *Page) Amiss() bool { return p.Notice != nil && p.Notice.Bad }

// Notice tells what came of the last request.
type Notice struct {
	Bad  bool
	Text string
	Undo *Undo // nil when there is nothing to undo
}

// Undo is a form that takes back what was done.
type Undo struct {
	Action string
	Fields map[string]string
}

// Views renders pages. It is safe for concurrent use.
type Views struct {
	Assets *Assets
	parsed map[string]func() (*template.Template, error)
}

// New returns the views. A template is parsed when it is first shown: a registry
// that nobody opens in a browser pays nothing for them.
func New() (*Views, error) {
	assets, err := newAssets()
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	v := &Views{Assets: assets, parsed: map[string]func() (*template.Template, error){}}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	shared := sync.OnceValues(func() (*template.Template, error) {
		return template.New("").Funcs(v.funcs()).ParseFS(templates, "templates/layout.html", "templates/parts.html")
	})
	for _, file := range files {
		v.parsed[strings.TrimSuffix(path.Base(file), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			base, err := shared()
			if err != nil {
				return nil, err
			}
			if base, err = base.Clone(); err != nil {
				return nil, err
			}
			return base.ParseFS(templates, file)
		})
	}
	return v, nil
}

// Render answers with a page. It is made whole before anything is sent, so that
// a failure is an error and no half page.
func (v *Views) Render(w http.ResponseWriter, r *http.Request, status int, p *Page) error {
	parse := v.parsed[p.Name]
	if parse == nil {
		return fmt.Errorf("pages: no template %q", p.Name)
	}
	t, err := parse()
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout", p); err != nil {
		return fmt.Errorf("page %s: %w", p.Name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Tag.String())
	h.Add("Vary", "Accept-Encoding")
	send(w, r, status, body.Bytes())
	return nil
}

// send sends a page. A client that went away meanwhile is nobody's failure: whoever
// may connect could fill the log with it.
func send(w http.ResponseWriter, r *http.Request, status int, page []byte) {
	const small = 1 << 10 // it fits into one packet as it is
	if len(page) < small || !Accepts(r, "gzip") {
		w.WriteHeader(status)
		_, _ = w.Write(page)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is one that there is
	_, _ = packed.Write(page)
	_ = packed.Close()
}

// T is Text, as the templates call it.
func (p *Page) T(key string, fill ...any) string { return p.Text(key, fill...) }

// Role is what people call a role: one that an administrator made has its name alone.
func (p *Page) Role(name string) string {
	if key := "role." + name; p.Has(key) {
		return p.Text(key)
	}
	return name
}

// N is Count, as the templates call it, which have numbers of several types.
func (p *Page) N(key string, n any, fill ...any) (string, error) {
	switch n := n.(type) {
	case int64:
		return p.Count(key, n, fill...), nil
	case int:
		return p.Count(key, int64(n), fill...), nil
	}
	return "", fmt.Errorf("message %s: %v is no number that is counted", key, n)
}

// Time is a time for people: in UTC as it leaves here, in the reader's zone and
// manner once the page's script has seen it.
func (p *Page) Time(t time.Time) template.HTML {
	if t.IsZero() || t.Unix() <= 0 {
		return template.HTML(`<span class="quiet">–</span>`)
	}
	t = t.UTC()
	// digits and fixed letters alone
	return template.HTML(t.Format(`<time datetime="` + time.RFC3339 + `">2006-01-02 15:04 UTC</time>`))
}
