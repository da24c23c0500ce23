package images

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/history"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// untaggedShown is how many artifacts without a tag a repository's page lists.
const untaggedShown = 10

type repositoryData struct {
	Repository, Project, Short string
	URL                        string
	Count                      int64
	Tags                       []browse.Tag
	Untagged                   []browse.Tag
	Match, Order, More         string
	Label                      string   // that all of the tags have
	Choices                    []string // other labels to look for
	Pull                       string
	MayDelete, MayPush         bool
	described
	// Work is a job over many of the tags that runs, or whose end can be undone; nil without.
	Work *jobs.Job
}

// Ran says that the job has ended.
func (d repositoryData) Ran() bool { return !d.Work.EndedAt.IsZero() }

// Sizeable says that the tags can be sorted by their size.
func (d repositoryData) Sizeable() bool { return d.Count <= browse.BySizeMost }

// Undoable says that the job deleted tags, which can be had back.
func (d repositoryData) Undoable() bool {
	return d.MayPush && d.Work.Kind == history.UntagKind && !d.Work.Stopping
}

func (p *Pages) repository(a *page.Ask) error {
	pg, _, err := p.repositoryPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, http.StatusOK, pg)
}

// repositoryPage is the page of the repository that the path names, with what it shows.
func (p *Pages) repositoryPage(a *page.Ask) (*view.Page, *repositoryData, error) {
	repo := metadata.CanonicalName(a.PathValue("repository"))
	d := repositoryData{Repository: repo, Project: metadata.ProjectOf(repo), URL: "/repositories/" + repo}
	_, d.Short, _ = strings.Cut(repo, "/")
	q := browse.TagQuery{Query: page.Query(a), Order: browse.Newest}
	if order := browse.Order(a.FormValue("order")); order == browse.ByName || order == browse.BySize {
		q.Order = order
	}
	q.Label = page.Bounded(a.FormValue("label"))
	d.Match, d.Order, d.Label = q.Match, string(q.Order), q.Label
	var more bool
	var err error
	if d.Tags, more, err = p.Browse.Tags(a.Context(), a.Caller, repo, q); err != nil {
		return nil, nil, err
	}
	if more {
		d.More = d.URL + "?" + url.Values{
			"after": {d.Tags[len(d.Tags)-1].Cursor()}, "match": {q.Match}, "order": {d.Order}, "label": {d.Label},
		}.Encode()
	}
	if d.Count, err = p.Browse.CountTags(a.Context(), a.Caller, repo); err != nil {
		return nil, nil, err
	}
	usable, err := p.usable(a, d.Project)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range usable {
		d.Choices = append(d.Choices, l.Name)
	}
	slices.Sort(d.Choices)
	d.Choices = slices.Compact(d.Choices)
	if q.Last == "" && q.Match == "" && q.Label == "" {
		if d.Untagged, err = p.Browse.Untagged(a.Context(), a.Caller, repo, untaggedShown); err != nil {
			return nil, nil, err
		}
	}
	d.MayDelete = p.Browse.May(a.Context(), a.Caller, auth.Delete, d.Project)
	d.MayPush = p.Browse.May(a.Context(), a.Caller, auth.Push, d.Project)
	if d.described, err = p.description(a, repo); err != nil {
		return nil, nil, err
	}
	if err := p.atMany(a, &d); err != nil {
		return nil, nil, err
	}
	newest := d.Tags
	if len(newest) == 0 && d.Count > 0 { // none is like what is looked for
		one := browse.TagQuery{Query: browse.Query{N: 1}}
		if newest, _, err = p.Browse.Tags(a.Context(), a.Caller, repo, one); err != nil {
			return nil, nil, err
		}
	}
	tag := "latest"
	if len(newest) > 0 {
		tag = newest[0].Name
	}
	d.Pull = "docker pull " + p.Host(a) + "/" + repo + ":" + tag
	return &view.Page{Name: "repository", Section: "projects", Title: repo, Data: &d}, &d, nil
}

// atMany adds the job over many tags, for who may delete them.
func (p *Pages) atMany(a *page.Ask, d *repositoryData) error {
	if !d.MayDelete {
		return nil
	}
	job, some, err := p.policies.History.AtMany(a.Context(), a.Caller, d.Repository)
	if some {
		d.Work = &job
	}
	if errors.Is(err, errdefs.ErrDenied) {
		return nil
	}
	return err
}

// maxChosen bounds the tags that one request deletes.
const maxChosen = 1000

// tagsDelete deletes the tags that were chosen, and offers to take it back: the
// history of the tags between two of its entries says what they named.
func (p *Pages) tagsDelete(a *page.Ask) error {
	repo, chosen := metadata.CanonicalName(a.PathValue("repository")), a.PostForm["tag"]
	back := "/repositories/" + repo
	switch {
	case a.PostForm.Get("all") != "":
		return p.tagsDeleteAll(a, repo)
	case len(chosen) == 0:
		return p.Done(a, back, view.Notice{Bad: true, Text: a.Language.Text("tags.chosen.none")})
	case len(chosen) > maxChosen:
		return page.Invalid("%d tags were chosen; at most %d are deleted at once", len(chosen), maxChosen)
	}
	before, err := p.Browse.TagHistory(a.Context())
	if err != nil {
		return err
	}
	ctx := auth.WithCaller(a.Context(), a.Caller)
	var gone []string
	for _, tag := range chosen {
		switch err := p.Registry.DeleteTag(ctx, repo, tag); {
		case err == nil:
			gone = append(gone, tag)
		case !errors.Is(err, errdefs.ErrNotFound): // by another, before
			return err
		}
	}
	after, err := p.Browse.TagHistory(a.Context())
	if err != nil {
		return err
	}
	notice := view.Notice{Text: a.Language.Count("tags.deleted", int64(len(gone)), some(gone))}
	if len(gone) > 0 && p.Browse.May(a.Context(), a.Caller, auth.Push, metadata.ProjectOf(repo)) {
		notice.Undo = &view.Undo{Action: "/tags/restore/" + repo, Fields: map[string]string{
			"after": strconv.FormatInt(before, 10), "until": strconv.FormatInt(after, 10),
		}}
	}
	return p.Done(a, back, notice)
}

// tagsDeleteAll has a server delete all tags that the list was of, shown or not.
func (p *Pages) tagsDeleteAll(a *page.Ask, repo string) error {
	_, err := p.policies.History.Untag(a.Context(), a.Caller, history.Many{
		Repository: repo, Match: page.Bounded(a.PostForm.Get("match")), Label: page.Bounded(a.PostForm.Get("label")),
	})
	if text, ok := page.Refused(err); ok {
		return p.Done(a, "/repositories/"+repo, view.Notice{Bad: true, Text: text})
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/repositories/"+repo, view.Notice{Text: a.Language.Text("tags.deleting")})
}

// some names the first of many.
func some(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// tagsRestore gives tags back that the caller has deleted between two entries of
// the history. One that names something again by now stays as it is.
func (p *Pages) tagsRestore(a *page.Ask) error {
	repo := metadata.CanonicalName(a.PathValue("repository"))
	if text := a.PostForm.Get("job"); text != "" {
		return p.tagsRestoreAll(a, repo, text)
	}
	after, errAfter := strconv.ParseInt(a.PostForm.Get("after"), 10, 64)
	until, errUntil := strconv.ParseInt(a.PostForm.Get("until"), 10, 64)
	if errAfter != nil || errUntil != nil {
		return page.Invalid("what to restore is no range of the tags' history")
	}
	in := browse.Range{After: after, Until: until, N: maxChosen}
	gone, err := p.Browse.DeletedTags(a.Context(), a.Caller, repo, in)
	if err != nil {
		return err
	}
	ctx := auth.WithCaller(a.Context(), a.Caller)
	restored := 0
	for dgst, tags := range gone {
		m, err := p.Registry.GetManifest(ctx, repo, dgst)
		if err == nil {
			_, err = p.Registry.PutManifest(ctx, repo, m, tags...)
		}
		switch {
		case err == nil:
			restored += len(tags)
		case !errors.Is(err, errdefs.ErrNotFound): // what they named is gone
			return err
		}
	}
	return p.Done(a, "/repositories/"+repo, view.Notice{Text: a.Language.Count("tags.restored", int64(restored))})
}

// tagsRestoreAll gives back what a job deleted.
func (p *Pages) tagsRestoreAll(a *page.Ask, repo, text string) error {
	job, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return page.Invalid("job %q: that is no number", text)
	}
	if _, err := p.policies.History.Retag(a.Context(), a.Caller, repo, job); err != nil {
		return err
	}
	return p.Done(a, "/repositories/"+repo, view.Notice{Text: a.Language.Text("tags.restoring")})
}
