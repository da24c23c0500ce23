package work

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/history"
	"cove/registry/metadata"
	"cove/registry/rename"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type historyData struct {
	Repository, Project, Short string
	URL, Tag, More             string
	Entries                    []history.Entry
	Deleted                    []history.Deleted
	MayUndo, MayRemove         bool
	Keep                       int // for how many days an old name stays, unless somebody says otherwise
}

func repository(a *page.Ask) string { return metadata.CanonicalName(a.PathValue("repository")) }

func (p *Pages) history(a *page.Ask) error {
	repo := repository(a)
	d := historyData{
		Repository: repo, Project: metadata.ProjectOf(repo), URL: "/history/" + repo,
		Tag:       page.Bounded(a.FormValue("tag")),
		MayUndo:   p.Browse.May(a.Context(), a.Caller, history.Undo, repo),
		Keep:      int(rename.DefaultKeep / (24 * time.Hour)),
		MayRemove: p.Browse.May(a.Context(), a.Caller, history.RemoveRepository, repo),
	}
	_, d.Short, _ = strings.Cut(repo, "/")
	q := history.Query{Repository: repo, Tag: d.Tag, N: page.PerPage}
	var err error
	if after := a.FormValue("after"); after != "" {
		if q.Before, err = strconv.ParseInt(after, 10, 64); err != nil {
			return page.Invalid("page after %q: that is no line of the history", after)
		}
	}
	var more bool
	if d.Entries, more, err = p.policies.History.Page(a.Context(), a.Caller, q); err != nil {
		return err
	}
	if more {
		d.More = d.URL + "?" + url.Values{
			"after": {strconv.FormatInt(d.Entries[len(d.Entries)-1].ID, 10)}, "tag": {d.Tag},
		}.Encode()
	}
	if q.Before == 0 && d.Tag == "" {
		if d.Deleted, err = p.policies.History.Deleted(a.Context(), a.Caller, repo); err != nil {
			return err
		}
	}
	return p.Page(a, "history", "projects", a.Language.Text("history.title")+" · "+repo, d)
}

func (p *Pages) historyRestore(a *page.Ask) error {
	repo, form := repository(a), a.PostForm
	r := history.Request{
		Repository: repo, Tag: form.Get("tag"), Digest: digest.Digest(form.Get("digest")),
		Back: form.Get("back") == "1",
	}
	if r.Digest != "" && r.Digest.Validate() != nil {
		return page.Invalid("digest %q is none", r.Digest)
	}
	_, err := p.policies.History.Restore(a.Context(), a.Caller, r)
	text := a.Language.Text("history.restored")
	if r.Tag != "" {
		text = a.Language.Text("history.restored.tag", r.Tag)
	}
	return p.done(a, err, "/history/"+repo, text)
}

func (p *Pages) repositoryDelete(a *page.Ask) error {
	repo := repository(a)
	if a.PostForm.Get("name") != repo {
		return p.Done(a, "/history/"+repo, view.Notice{Bad: true, Text: a.Language.Text("repository.delete.differs")})
	}
	n, err := p.policies.History.DeleteRepository(a.Context(), a.Caller, repo)
	if err != nil {
		return p.done(a, err, "/history/"+repo, "")
	}
	return p.Done(a, "/history/"+repo, view.Notice{
		Text: a.Language.Count("repository.deleted", int64(n), repo),
		Undo: &view.Undo{Action: "/restore/" + repo, Fields: map[string]string{}},
	})
}

// done ends a form: with what it did, or with why the reader must mend it.
func (p *Pages) done(a *page.Ask, err error, back, text string) error {
	return p.ended(a, err, back, view.Notice{Text: text})
}

// ended is done with a notice that has more than words.
func (p *Pages) ended(a *page.Ask, err error, back string, n view.Notice) error {
	if why, ok := page.Refused(err); ok {
		return p.Done(a, back, view.Notice{Bad: true, Text: why})
	}
	if err != nil {
		return err
	}
	return p.Done(a, back, n)
}
