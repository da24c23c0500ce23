package work

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"cove/distribution/client"
	"cove/errdefs"
	"cove/registry/replication"
	"cove/registry/replication/choice"
	"cove/registry/replication/endpoint"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type replicationData struct {
	Rules     []ruleRow
	Endpoints []endpoint.Endpoint
	Kinds     []endpoint.Kind
	Runs      []runRow
	Proxies   []proxyRow   `json:"-"` // which count as they are used
	Changed   *proxyRow    `json:"-"` // a proxy that is to be changed
	Rule      ruleForm     `json:"-"` // that is to be changed, or a new one
	Endpoint  endpointForm `json:"-"` // likewise
}

// ruleRow is a rule with what is at its other side.
type ruleRow struct {
	replication.Rule
	Example string // what a/b/c becomes; "" says that names stay
}

// runRow is a run as pages show it.
type runRow struct {
	replication.Run
	Done, Left int64
	Took       string
}

// Open says that the run has not ended.
func (r runRow) Open() bool { return r.Job.EndedAt.IsZero() }

func newRunRow(r replication.Run, now time.Time) runRow {
	row := runRow{Run: r, Left: r.Counts[replication.Kept] + r.Counts[replication.Skipped]}
	row.Done = r.Total() - r.Counts[replication.Waiting]
	if !r.Job.StartedAt.IsZero() {
		end := r.Job.EndedAt
		if end.IsZero() {
			end = now
		}
		row.Took = spent(max(end.Sub(r.Job.StartedAt), 0))
	}
	return row
}

const replicationPath = "/replication"

func (p *Pages) replication(a *page.Ask) error {
	const newest = 20
	d := replicationData{Kinds: endpoint.Kinds()}
	rules, err := p.policies.Replication.List(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	if d.Rule, err = ruleToChange(a, rules); err != nil {
		return err
	}
	for _, r := range rules {
		row := ruleRow{Rule: r}
		if r.Namespace != "" || r.Flatten != 0 {
			row.Example = r.Target("a/b/c")
		}
		d.Rules = append(d.Rules, row)
	}
	if d.Endpoints, err = p.policies.Endpoints.List(a.Context(), a.Caller); err != nil {
		return err
	}
	if d.Endpoint, err = endpointToChange(a, d.Endpoints); err != nil {
		return err
	}
	if d.Proxies, d.Changed, err = p.proxyRows(a); err != nil {
		return err
	}
	runs, _, err := p.policies.Replication.Runs(a.Context(), a.Caller, "", 0, newest)
	if err != nil {
		return err
	}
	for _, r := range runs {
		d.Runs = append(d.Runs, newRunRow(r, p.Now()))
	}
	return p.Page(a, "replication", "replication", a.Language.Text("replication.title"), d)
}

func (p *Pages) endpointAdd(a *page.Ask) error {
	f := a.PostForm
	spec := endpoint.Spec{
		Name: f.Get("name"), Address: f.Get("address"), Kind: endpoint.Kind(f.Get("kind")), User: f.Get("user"),
		Password: f.Get("password"), CA: f.Get("ca"), Plain: f.Get("insecure") == "1",
	}
	if f.Get(page.VersionField) != "" {
		return p.endpointChange(a, spec)
	}
	_, err := p.policies.Endpoints.Create(a.Context(), a.Caller, spec)
	return p.done(a, err, replicationPath, a.Language.Text("endpoint.added", f.Get("name")))
}

func (p *Pages) endpointRemove(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.policies.Endpoints.Remove(a.Context(), a.Caller, name)
	return p.done(a, err, replicationPath, a.Language.Text("endpoint.removed", name))
}

// endpointTest says what the endpoint answers, good or bad.
func (p *Pages) endpointTest(a *page.Ask) error {
	name := a.PostForm.Get("name")
	if _, err := p.policies.Endpoints.Get(a.Context(), a.Caller, name); err != nil {
		return err
	}
	notice := view.Notice{Text: a.Language.Text("endpoint.answers", name)}
	if err := p.policies.Endpoints.Test(a.Context(), a.Caller, name, client.Config{RetryFor: -1}); err != nil {
		notice = view.Notice{Bad: true, Text: err.Error()}
	}
	return p.Done(a, replicationPath, notice)
}

// ruleOf reads a rule of a form.
func ruleOf(a *page.Ask) (replication.Rule, error) {
	f := a.PostForm
	r := replication.Rule{
		Name: f.Get("name"), Endpoint: f.Get("endpoint"), Enabled: true,
		Options: replication.Options{
			Direction: choice.Direction(f.Get("direction")), Filter: selected(a),
			Labels: strings.Fields(f.Get("labels")), MediaTypes: strings.Fields(f.Get("media_types")),
			Namespace: f.Get("namespace"), Override: f.Get("override") == "1", Delete: f.Get("delete") == "1",
			OnEvent: f.Get("on_event") == "1", Schedule: f.Get("schedule"), Zone: f.Get("zone"),
		},
	}
	var err error
	if text := f.Get("flatten"); text != "" {
		if r.Flatten, err = strconv.Atoi(text); err != nil {
			return r, page.Invalid("flatten %q: it is a number, or -1 for all but the last component", text)
		}
	}
	if text := f.Get("rate"); text != "" {
		if r.Rate, err = units.FromHumanSize(text); err != nil {
			return r, page.Invalid("rate %q: use bytes a second, as 10MB", text)
		}
	}
	return r, nil
}

func (p *Pages) ruleAdd(a *page.Ask) error {
	r, err := ruleOf(a)
	if err == nil && a.PostForm.Get(page.VersionField) != "" {
		return p.ruleChange(a, r)
	}
	if err == nil {
		_, err = p.policies.Replication.Create(a.Context(), a.Caller, r)
	}
	return p.done(a, err, replicationPath, a.Language.Text("replication.added", r.Name))
}

func (p *Pages) ruleRemove(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.policies.Replication.Remove(a.Context(), a.Caller, name)
	return p.done(a, err, replicationPath, a.Language.Text("replication.removed", name))
}

func (p *Pages) ruleEnable(a *page.Ask) error {
	name, on, said := a.PostForm.Get("name"), a.PostForm.Get("on") == "1", "replication.disabled.done"
	if on {
		said = "replication.enabled.done"
	}
	err := p.policies.Replication.Enable(a.Context(), a.Caller, name, on)
	return p.done(a, err, replicationPath, a.Language.Text(said, name))
}

func (p *Pages) ruleRun(a *page.Ask) error {
	id, err := p.policies.Replication.Start(a.Context(), a.Caller, a.PostForm.Get("name"))
	if err != nil {
		return p.done(a, err, replicationPath, "")
	}
	return p.Done(a, runPath(id), view.Notice{Text: a.Language.Text("run.begun")})
}

func runPath(id int64) string { return replicationPath + "/runs/" + strconv.FormatInt(id, 10) }

type runData struct {
	runRow
	Tags   []replication.Item
	States []stateCount
	State  replication.State // that is asked for; "" is every one
	More   string
	Undone bool // something has failed or waits
}

type stateCount struct {
	State replication.State
	N     int64
}

func runID(a *page.Ask) (int64, error) {
	id, err := strconv.ParseInt(a.PathValue("run"), 10, 64)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "there is no run %q", a.PathValue("run"))
	}
	return id, nil
}

func (p *Pages) run(a *page.Ask) error {
	id, err := runID(a)
	if err != nil {
		return err
	}
	r, err := p.policies.Replication.Run(a.Context(), a.Caller, id)
	if err != nil {
		return err
	}
	d := runData{runRow: newRunRow(r, p.Now()), State: replication.State(a.FormValue("state"))}
	if d.State != "" && !slices.Contains(replication.States(), d.State) {
		return page.Invalid("state %q: tags are %v", d.State, replication.States())
	}
	d.Undone = r.Counts[replication.Failed]+r.Counts[replication.Waiting] > 0
	for _, state := range replication.States() {
		if n := r.Counts[state]; n > 0 || state == d.State {
			d.States = append(d.States, stateCount{state, n})
		}
	}
	q := replication.ItemQuery{Run: id, State: d.State, N: page.PerPage}
	q.Repository, q.Tag, _ = strings.Cut(page.Bounded(a.FormValue("after")), ":")
	tags, more, err := p.policies.Replication.Items(a.Context(), a.Caller, q)
	if err != nil {
		return err
	}
	d.Tags = tags
	if more {
		last := tags[len(tags)-1]
		d.More = runPath(id) + "?" + url.Values{
			"after": {last.Repository + ":" + last.Tag}, "state": {string(d.State)},
		}.Encode()
	}
	return p.Page(a, "replication-run", "replication", a.Language.Text("run.title", r.Rule), d)
}

func (p *Pages) runStop(a *page.Ask) error {
	id, err := runID(a)
	if err == nil {
		err = p.policies.Replication.Stop(a.Context(), a.Caller, id)
	}
	return p.done(a, err, runPath(id), a.Language.Text("jobs.stopping"))
}

func (p *Pages) runRetry(a *page.Ask) error {
	id, err := runID(a)
	again := id
	if err == nil {
		again, err = p.policies.Replication.Again(a.Context(), a.Caller, id)
	}
	return p.done(a, err, runPath(max(again, id)), a.Language.Text("run.begun"))
}
