package work

import (
	"strconv"
	"strings"
	"time"

	"cove/registry/metadata"
	"cove/registry/rename"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// renaming reads the form of a rename.
func renaming(a *page.Ask, from string) (rename.Request, error) {
	text := page.Bounded(a.PostForm.Get("keep"))
	days, err := strconv.Atoi(text)
	if err != nil {
		return rename.Request{}, page.Invalid("keep is %q, and must be a number of days", text)
	}
	to := strings.TrimSpace(a.PostForm.Get("to"))
	return rename.Request{From: from, To: to, Keep: time.Duration(days) * 24 * time.Hour}, nil
}

func (p *Pages) repositoryRename(a *page.Ask) error {
	repo := repository(a)
	r, err := renaming(a, repo)
	if err != nil {
		return err
	}
	r.To = metadata.CanonicalName(r.To)
	done, err := p.policies.Names.Repository(a.Context(), a.Caller, r)
	if err != nil {
		return p.done(a, err, "/history/"+repo, "")
	}
	return p.Done(a, "/repositories/"+done.Name, p.renamed(a, repo, done))
}

func (p *Pages) projectRename(a *page.Ask) error {
	project := a.PathValue("project")
	r, err := renaming(a, project)
	if err != nil {
		return err
	}
	done, err := p.policies.Names.Project(a.Context(), a.Caller, r)
	if err != nil {
		return p.done(a, err, "/projects/"+project+"/settings", "")
	}
	return p.Done(a, "/projects/"+done.Name, p.renamed(a, project, done))
}

// renamed tells what a rename did, and what it left.
func (p *Pages) renamed(a *page.Ask, from string, done rename.Done) view.Notice {
	text := a.Language.Text("renamed", from, done.Name)
	if len(done.Notes) > 0 {
		notes := make([]string, len(done.Notes))
		for i, n := range done.Notes {
			notes[i] = a.Language.Said(n)
		}
		text += " " + a.Language.Text("renamed.notes") + " " + strings.Join(notes, "; ")
	}
	return view.Notice{Text: text}
}

func (p *Pages) nameRelease(a *page.Ask) error {
	project, name := a.PathValue("project"), page.Bounded(a.PostForm.Get("name"))
	err := p.policies.Names.Release(a.Context(), a.Caller, project, name)
	return p.done(a, err, "/projects/"+project+"/settings", a.Language.Text("former.released", name))
}
