package images

import (
	"errors"
	"slices"
	"strconv"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/labels"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type labelsData struct {
	*page.Place          // nil of the labels of all projects
	URL, Match, More     string
	New                  labels.Label // what the form of a new one is filled with
	Labels               []labelRow
	MayCreate, MayChange bool
	MayRemove, MayWrite  bool
}

// labelRow is a label in a list that changes it.
type labelRow struct {
	labels.Label
	Version   string
	Artifacts int64 // that have it
}

// filledLabel is what the form of a label is filled with.
func filledLabel(l labels.Label) any { return []string{l.Name, l.Description, l.Color} }

// labelsURL is where the labels are that a request is about.
func labelsURL(a *page.Ask) string {
	if project := a.PathValue("project"); project != "" {
		return "/projects/" + project + "/labels"
	}
	return "/labels"
}

func (p *Pages) labelList(a *page.Ask) error {
	pg, err := p.labelPage(a, labels.Label{Color: labels.DefaultColor})
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) labelPage(a *page.Ask, filled labels.Label) (*view.Page, error) {
	project := a.PathValue("project")
	may := func(right auth.Right) bool {
		if project == "" {
			right = labels.Manage
		}
		return p.Browse.May(a.Context(), a.Caller, right, project)
	}
	d := labelsData{
		URL: labelsURL(a), New: filled, MayCreate: may(labels.Create), MayChange: may(labels.Update),
		MayRemove: may(labels.Remove),
	}
	d.MayWrite = d.MayChange || d.MayRemove
	pg := &view.Page{Name: "labels", Section: "labels", Title: a.Language.Text("labels.title")}
	if project != "" {
		var err error
		if d.Place, err = p.Place(a); err != nil {
			return nil, err
		}
		pg.Section, pg.Title = "projects", pg.Title+" · "+project
	}
	q := page.Query(a)
	found, more, err := p.policies.Labels.List(a.Context(), a.Caller, project,
		labels.Query{Match: q.Match, Last: q.Last, N: q.N})
	if err != nil {
		return nil, err
	}
	d.Match = q.Match
	if more {
		d.More = page.NextPage(d.URL, q.Match, found[len(found)-1].Name)
	}
	for _, l := range found {
		row := labelRow{Label: l}
		if row.Version, err = page.Version(filledLabel(l)); err != nil {
			return nil, err
		}
		if row.Artifacts, err = labels.Count(a.Context(), p.DB.Querier(), l.ID); err != nil {
			return nil, err
		}
		d.Labels = append(d.Labels, row)
	}
	pg.Data = d
	return pg, nil
}

// labelSpec reads the form of a label.
func labelSpec(a *page.Ask) labels.Spec {
	name, about, color := a.PostForm.Get("name"), a.PostForm.Get("description"), a.PostForm.Get("color")
	return labels.Spec{Name: &name, Description: &about, Color: &color}
}

func (p *Pages) labelCreate(a *page.Ask) error {
	spec := labelSpec(a)
	made, err := p.policies.Labels.Create(a.Context(), a.Caller, a.PathValue("project"), spec)
	if why, ok := page.Refused(err); ok {
		pg, err := p.labelPage(a, labels.Label{Name: *spec.Name, Description: *spec.Description, Color: *spec.Color})
		if err != nil {
			return err
		}
		return p.Again(a, pg, why)
	}
	if err != nil {
		return err
	}
	return p.Done(a, labelsURL(a), view.Notice{Text: a.Language.Text("labels.created", made.Name)})
}

// labelID is the label that the path names.
func labelID(a *page.Ask) (int64, error) {
	id, err := strconv.ParseInt(a.PathValue("label"), 10, 64)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "there is no label %q", a.PathValue("label"))
	}
	return id, nil
}

func (p *Pages) labelChange(a *page.Ask) error {
	id, err := labelID(a)
	if err != nil {
		return err
	}
	spec := labelSpec(a)
	spec.If = func(now labels.Label) error { return a.Unchanged(filledLabel(now)) }
	l, err := p.policies.Labels.Change(a.Context(), a.Caller, a.PathValue("project"), id, spec)
	return p.labelled(a, err, labelsURL(a), view.Notice{Text: a.Language.Text("labels.changed", l.Name)})
}

func (p *Pages) labelRemove(a *page.Ask) error {
	id, err := labelID(a)
	if err != nil {
		return err
	}
	project := a.PathValue("project")
	l, err := p.policies.Labels.Get(a.Context(), a.Caller, project, id)
	if err == nil {
		err = p.policies.Labels.Remove(a.Context(), a.Caller, project, id)
	}
	return p.labelled(a, err, labelsURL(a), view.Notice{
		Text: a.Language.Text("labels.removed", l.Name),
		Undo: &view.Undo{Action: labelsURL(a) + "/restore", Fields: map[string]string{"name": l.Name}},
	})
}

func (p *Pages) labelRestore(a *page.Ask) error {
	l, err := p.policies.Labels.Restore(a.Context(), a.Caller, a.PathValue("project"), a.PostForm.Get("name"))
	return p.labelled(a, err, labelsURL(a), view.Notice{Text: a.Language.Text("labels.restored", l.Name)})
}

// labelled answers a form about labels: with a notice, or with why it was refused.
func (p *Pages) labelled(a *page.Ask, err error, back string, n view.Notice) error {
	if why, ok := page.Refused(err); ok {
		n = view.Notice{Bad: true, Text: why}
	} else if err != nil {
		return err
	}
	return p.Done(a, back, n)
}

// labelOn puts a label on an artifact, or takes it off.
func (p *Pages) labelOn(on bool) func(*page.Ask) error {
	return func(a *page.Ask) error {
		name, err := browse.ParseName(a.PathValue("artifact"))
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(a.PostForm.Get("label"), 10, 64)
		if name.Tag != "" || err != nil || id == 0 {
			return page.Invalid("artifact %s: it is labelled by its digest, with the number of a label", name)
		}
		do, undo, key := p.policies.Labels.Take, "/artifacts/label/", "labels.taken"
		if on {
			do, undo, key = p.policies.Labels.Put, "/artifacts/unlabel/", "labels.on"
		}
		of := labels.Artifact{Repository: name.Repository, Digest: name.Digest}
		err = do(a.Context(), a.Caller, of, labels.Which{ID: id})
		n := view.Notice{Text: a.Language.Text(key)}
		if p.Browse.May(a.Context(), a.Caller, labels.PutOn, name.Repository) {
			n.Undo = &view.Undo{
				Action: undo + name.String(), Fields: map[string]string{"label": strconv.FormatInt(id, 10)},
			}
		}
		return p.labelled(a, err, "/artifacts/"+name.String(), n)
	}
}

// labelling adds what labels the artifact may get.
func (p *Pages) labelling(a *page.Ask, d *artifactData) error {
	repo := d.Artifact.Name.Repository
	d.MayLabel = p.Browse.May(a.Context(), a.Caller, labels.PutOn, repo)
	d.MayUnlabel = p.Browse.May(a.Context(), a.Caller, labels.TakeOff, repo)
	if !d.MayLabel {
		return nil
	}
	all, err := p.usable(a, d.Project)
	d.Choices = slices.DeleteFunc(all, func(l labels.Label) bool {
		return slices.ContainsFunc(d.Artifact.Labels, func(on labels.Label) bool { return on.ID == l.ID })
	})
	return err
}

// usable are the labels that artifacts of a project may have; none for who may not list
// them.
func (p *Pages) usable(a *page.Ask, project string) ([]labels.Label, error) {
	all, err := p.policies.Labels.Usable(a.Context(), a.Caller, project)
	if errors.Is(err, errdefs.ErrDenied) || errors.Is(err, errdefs.ErrUnauthenticated) {
		return nil, nil
	}
	return all, err
}
