package upstreams

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/replication"
	"cove/registry/replication/choice"
	"cove/registry/selector"
)

// Rule is what is copied where, and when.
type Rule struct {
	Name      string `json:"name"`
	Endpoint  string `json:"endpoint"`
	Direction string `json:"direction"` // push, to the endpoint, or pull
	// Repositories is a glob of full names at the source, Tags one of tags.
	Repositories       string     `json:"repositories"`
	ExceptRepositories bool       `json:"exceptRepositories"`
	Tags               string     `json:"tags"`
	ExceptTags         bool       `json:"exceptTags"`
	Labels             []string   `json:"labels"`     // NAME or NAME=VALUE globs, all of which must be there
	MediaTypes         []string   `json:"mediaTypes"` // globs, one of which must match
	Namespace          string     `json:"namespace"`  // before the names at the target
	Flatten            int        `json:"flatten"`    // components taken off the names before; -1 leaves the last
	Override           bool       `json:"override"`   // tags that name something else at the target are moved
	Delete             bool       `json:"delete"`     // what the rule put there, and is gone at the source, goes
	OnEvent            bool       `json:"onEvent"`    // a push or deletion here begins a run
	Schedule           string     `json:"schedule"`   // cron
	Zone               string     `json:"zone"`       // of the schedule, as Europe/Berlin; UTC if it is not said
	Rate               int64      `json:"rate"`       // bytes a second; 0 is without a limit
	Enabled            bool       `json:"enabled"`
	Next               *time.Time `json:"next,omitempty"` // by the schedule
	By                 string     `json:"by"`
	At                 time.Time  `json:"at"`
}

// Settled implements [rest.Settler].
func (r Rule) Settled() any {
	r.Next = nil
	return r
}

// RuleOf is a rule as the API and the command line show it.
func RuleOf(r replication.Rule) Rule {
	orAll := func(glob string) string {
		if glob == "" {
			return "**"
		}
		return glob
	}
	return Rule{
		Name: r.Name, Endpoint: r.Endpoint, Direction: string(r.Direction),
		Repositories: orAll(r.Filter.Repositories), ExceptRepositories: r.Filter.ExceptRepositories,
		Tags: orAll(r.Filter.Tags), ExceptTags: r.Filter.ExceptTags,
		Labels: append([]string{}, r.Labels...), MediaTypes: append([]string{}, r.MediaTypes...),
		Namespace: r.Namespace, Flatten: r.Flatten, Override: r.Override, Delete: r.Delete, OnEvent: r.OnEvent,
		Schedule: r.Schedule, Zone: r.Zone, Rate: r.Rate, Enabled: r.Enabled, Next: rest.Moment(r.Next),
		By: r.By, At: r.At.UTC(),
	}
}

// NewRule is what a rule is to be. What is left out is as it is without it.
type NewRule struct {
	Name               string   `json:"name,omitempty"` // as in the path, if that has one
	Endpoint           string   `json:"endpoint"`
	Direction          string   `json:"direction"`              // push or pull
	Repositories       string   `json:"repositories,omitempty"` // a glob of full names at the source
	ExceptRepositories bool     `json:"exceptRepositories,omitempty"`
	Tags               string   `json:"tags,omitempty"` // a glob
	ExceptTags         bool     `json:"exceptTags,omitempty"`
	Labels             []string `json:"labels,omitempty"`
	MediaTypes         []string `json:"mediaTypes,omitempty"`
	Namespace          string   `json:"namespace,omitempty"`
	Flatten            int      `json:"flatten,omitempty"`
	Override           *bool    `json:"override,omitempty"` // true, if it is not said
	Delete             bool     `json:"delete,omitempty"`
	OnEvent            bool     `json:"onEvent,omitempty"`
	Schedule           string   `json:"schedule,omitempty"`
	Zone               string   `json:"zone,omitempty"`
	Rate               int64    `json:"rate,omitempty"`
	Enabled            *bool    `json:"enabled,omitempty"` // true, if it is not said
}

// RuleChange is what of a rule is to be changed.
type RuleChange struct {
	Enabled bool `json:"enabled"`
}

// Rules are all of them, by name.
type Rules struct {
	Items []Rule `json:"items"`
}

// Run is one run of a rule.
type Run struct {
	ID        string     `json:"id"`
	Rule      string     `json:"rule"`
	Cause     string     `json:"cause"` // manual, scheduled, event or retry
	State     string     `json:"state"` // waiting, running, done, failed or stopped
	Stopping  bool       `json:"stopping"`
	Planned   bool       `json:"planned"` // all tags are counted
	Waiting   int64      `json:"waiting"`
	Failed    int64      `json:"failed"`
	Copied    int64      `json:"copied"`
	Unchanged int64      `json:"unchanged"`
	Kept      int64      `json:"kept"`    // they name something else at the target, and stay
	Skipped   int64      `json:"skipped"` // a filter does not take them, or they are gone
	Deleted   int64      `json:"deleted"`
	Bytes     int64      `json:"bytes"` // that were sent
	By        string     `json:"by"`
	Error     string     `json:"error,omitempty"`
	CreatedAt time.Time  `json:"createdAt"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
}

// RunOf is a run as the API and the command line show it.
func RunOf(r replication.Run) Run {
	return Run{
		ID: number(r.ID), Rule: r.Rule, Cause: string(r.Cause), State: string(r.Job.State), Stopping: r.Job.Stopping,
		Planned: r.Planned, Waiting: r.Counts[replication.Waiting], Failed: r.Counts[replication.Failed],
		Copied: r.Counts[replication.Copied], Unchanged: r.Counts[replication.Unchanged],
		Kept:    r.Counts[replication.Kept],
		Skipped: r.Counts[replication.Skipped], Deleted: r.Counts[replication.Deleted], Bytes: r.Bytes,
		By: r.Job.By, Error: r.Job.Error, CreatedAt: r.Job.CreatedAt.UTC(), StartedAt: rest.Moment(r.Job.StartedAt),
		EndedAt: rest.Moment(r.Job.EndedAt),
	}
}

// RunTag is one tag of a run.
type RunTag struct {
	Repository string     `json:"repository"` // at the source
	Tag        string     `json:"tag"`
	Target     string     `json:"target"` // the repository at the other side
	Delete     bool       `json:"delete"` // it goes there
	State      string     `json:"state"`
	Digest     string     `json:"digest,omitempty"`
	Attempts   int        `json:"attempts"`
	Bytes      int64      `json:"bytes"`
	Note       string     `json:"note,omitempty"` // why it failed, or was left
	EndedAt    *time.Time `json:"endedAt,omitempty"`
}

// RunTagOf is a tag of a run as the API and the command line show it.
func RunTagOf(i replication.Item) RunTag {
	return RunTag{
		i.Repository, i.Tag, i.Target, i.Delete, string(i.State), i.Digest.String(), i.Attempts, i.Bytes, i.Note,
		rest.Moment(i.EndedAt),
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func (s Services) rules() []rest.Operation {
	return managed([]rest.Operation{
		{
			Method: http.MethodGet, Path: "/replication/rules",
			ID: "listReplicationRules", Summary: "List the rules of replication",
			Answer: Rules{},
			Status: 200, Serve: s.ruleList,
		},
		{
			Method: http.MethodPost, Path: "/replication/rules",
			ID: "createReplicationRule", Summary: "Add a rule",
			Body: NewRule{}, Answer: Rule{},
			Status: 201, Serve: s.ruleCreate,
		},
		{
			Method: http.MethodGet, Path: "/replication/rules/{rule}",
			ID: "getReplicationRule", Summary: "One rule",
			Answer: Rule{},
			Status: 200, ETag: true, Serve: s.rule,
		},
		{
			Method: http.MethodPut, Path: "/replication/rules/{rule}",
			ID: "setReplicationRule", Summary: "Change a rule, all of it",
			Body: NewRule{}, Answer: Rule{},
			Status: 200, Serve: s.ruleSet,
		},
		{
			Method: http.MethodPatch, Path: "/replication/rules/{rule}",
			ID: "enableReplicationRule", Summary: "Have a rule run by its schedule and on events, or only when asked to",
			Body: RuleChange{}, Answer: Rule{},
			Status: 200, Serve: s.ruleEnable,
		},
		{
			Method: http.MethodDelete, Path: "/replication/rules/{rule}",
			ID: "deleteReplicationRule", Summary: "Remove a rule; what it has copied stays",
			Status: 204, Serve: s.ruleRemove,
		},
	})
}

func (s Services) runs() []rest.Operation {
	text := func(name, about string) rest.Parameter {
		return rest.Parameter{Name: name, About: about, Kind: rest.KindText}
	}
	return managed([]rest.Operation{
		{
			Method: http.MethodPost, Path: "/replication/rules/{rule}/runs",
			ID: "startReplication", Summary: "Run a rule now",
			Answer: Run{},
			Status: 201, Serve: s.runStart,
		},
		{
			Method: http.MethodGet, Path: "/replication/runs",
			ID: "listReplicationRuns", Summary: "Runs, the newest first",
			Query:  rest.PageOf(text("rule", "only of this rule")),
			Answer: rest.Page[Run]{},
			Status: 200, Serve: s.runList,
		},
		{
			Method: http.MethodGet, Path: "/replication/runs/{run}",
			ID: "getReplicationRun", Summary: "How far a run is",
			Answer: Run{},
			Status: 200, Serve: s.run,
		},
		{
			Method: http.MethodGet, Path: "/replication/runs/{run}/tags",
			ID: "listReplicationRunTags", Summary: "The tags of a run, by repository",
			Query: rest.PageOf(text("state",
				"only waiting, failed, copied, unchanged, kept, skipped or deleted")),
			Answer: rest.Page[RunTag]{},
			Status: 200, Serve: s.runTags,
		},
		{
			Method: http.MethodPost, Path: "/replication/runs/{run}/stop",
			ID: "stopReplication", Summary: "Stop a run; the next one goes on where it was",
			Status: 204, Serve: s.runStop,
		},
		{
			Method: http.MethodPost, Path: "/replication/runs/{run}/retry",
			ID: "retryReplication", Summary: "Try again what a run has not done, as a new run",
			Answer: Run{},
			Status: 201, Serve: s.runRetry,
		},
	})
}

// managed are operations of who manages what this registry asks and feeds.
func managed(all []rest.Operation) []rest.Operation {
	for i := range all {
		all[i].Right, all[i].Object = auth.ManageRegistries, "registries"
	}
	return all
}

func (s Services) ruleList(asked *rest.Ask) (any, error) {
	all, err := s.Policies.Replication.List(asked.Context(), asked.Caller)
	out := Rules{Items: make([]Rule, len(all))}
	for i, r := range all {
		out.Items[i] = RuleOf(r)
	}
	return out, err
}

func (s Services) rule(asked *rest.Ask) (any, error) {
	r, err := s.Policies.Replication.Get(asked.Context(), asked.Caller, asked.PathValue("rule"))
	return RuleOf(r), err
}

func ruleOf(asked *rest.Ask, name string) (r replication.Rule, err error) {
	var b NewRule
	if err := asked.Read(&b); err != nil {
		return r, err
	}
	if name != "" && b.Name != "" && b.Name != name {
		return r, rest.Invalid("name is %q; a rule keeps its name, which is %q", b.Name, name)
	}
	if name == "" {
		name = b.Name
	}
	return b.rule(name), nil
}

func (b NewRule) rule(name string) replication.Rule {
	return replication.Rule{
		Name: name, Endpoint: b.Endpoint, Enabled: b.Enabled == nil || *b.Enabled,
		Options: replication.Options{
			Direction: choice.Direction(b.Direction),
			Filter: selector.Selector{
				Repositories:       b.Repositories,
				ExceptRepositories: b.ExceptRepositories,
				Tags:               b.Tags,
				ExceptTags:         b.ExceptTags,
			},
			Labels: b.Labels, MediaTypes: b.MediaTypes, Namespace: b.Namespace, Flatten: b.Flatten,
			Override: b.Override == nil || *b.Override, Delete: b.Delete, OnEvent: b.OnEvent,
			Schedule: b.Schedule, Zone: b.Zone, Rate: b.Rate,
		},
	}
}

// TargetOf is what a repository is called at the target of a rule.
func (r Rule) TargetOf(repository string) string {
	return NewRule{Namespace: r.Namespace, Flatten: r.Flatten}.rule(r.Name).Target(repository)
}

func (s Services) ruleCreate(asked *rest.Ask) (any, error) {
	r, err := ruleOf(asked, "")
	if err != nil {
		return nil, err
	}
	if r, err = s.Policies.Replication.Create(asked.Context(), asked.Caller, r); err != nil {
		return nil, err
	}
	asked.W.Header().Set("Location", rest.Base+"/replication/rules/"+r.Name)
	return s.ruleNow(asked, r.Name)
}

func (s Services) ruleSet(asked *rest.Ask) (any, error) {
	r, err := ruleOf(asked, asked.PathValue("rule"))
	if err != nil {
		return nil, err
	}
	if r, err = s.Policies.Replication.Set(asked.Context(), asked.Caller, r); err != nil {
		return nil, err
	}
	return s.ruleNow(asked, r.Name)
}

func (s Services) ruleEnable(asked *rest.Ask) (any, error) {
	var c RuleChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	name := asked.PathValue("rule")
	now, err := s.ruleNow(asked, name)
	if err == nil {
		err = asked.Unchanged(now)
	}
	if err == nil {
		err = s.Policies.Replication.Enable(asked.Context(), asked.Caller, name, c.Enabled)
	}
	if err != nil {
		return nil, err
	}
	return s.ruleNow(asked, name)
}

func (s Services) ruleNow(asked *rest.Ask, name string) (any, error) {
	r, err := s.Policies.Replication.Get(asked.Context(), asked.Caller, name)
	return RuleOf(r), err
}

func (s Services) ruleRemove(asked *rest.Ask) (any, error) {
	return nil, s.Policies.Replication.Remove(asked.Context(), asked.Caller, asked.PathValue("rule"))
}

func (s Services) runStart(asked *rest.Ask) (any, error) {
	id, err := s.Policies.Replication.Start(asked.Context(), asked.Caller, asked.PathValue("rule"))
	return s.runMade(asked, id, err)
}

func (s Services) runRetry(asked *rest.Ask) (any, error) {
	of, err := runID(asked)
	if err != nil {
		return nil, err
	}
	id, err := s.Policies.Replication.Again(asked.Context(), asked.Caller, of)
	return s.runMade(asked, id, err)
}

func (s Services) runMade(asked *rest.Ask, id int64, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	asked.W.Header().Set("Location", rest.Base+"/replication/runs/"+number(id))
	r, err := s.Policies.Replication.Run(asked.Context(), asked.Caller, id)
	return RunOf(r), err
}

func runID(asked *rest.Ask) (int64, error) {
	n, err := strconv.ParseInt(asked.PathValue("run"), 10, 64)
	if err != nil || n < 1 {
		return 0, rest.Invalid("%q is no run", asked.PathValue("run"))
	}
	return n, nil
}

func (s Services) run(asked *rest.Ask) (any, error) {
	id, err := runID(asked)
	if err != nil {
		return nil, err
	}
	r, err := s.Policies.Replication.Run(asked.Context(), asked.Caller, id)
	return RunOf(r), err
}

func (s Services) runStop(asked *rest.Ask) (any, error) {
	id, err := runID(asked)
	if err != nil {
		return nil, err
	}
	return nil, s.Policies.Replication.Stop(asked.Context(), asked.Caller, id)
}

func (s Services) runList(asked *rest.Ask) (any, error) {
	var before int64
	if after := asked.Query.Get("after"); after != "" {
		var err error
		if before, err = strconv.ParseInt(after, 10, 64); err != nil || before < 1 {
			return nil, rest.Invalid("query: after is %q, which is no run", after)
		}
	}
	page, more, err := s.Policies.Replication.Runs(
		asked.Context(),
		asked.Caller,
		asked.Query.Get("rule"),
		before,
		asked.Limit,
	)
	if err != nil {
		return nil, err
	}
	items := make([]Run, len(page))
	for i, r := range page {
		items[i] = RunOf(r)
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(r Run) string { return r.ID })), nil
}

func (s Services) runTags(asked *rest.Ask) (any, error) {
	id, err := runID(asked)
	if err != nil {
		return nil, err
	}
	if _, err := s.Policies.Replication.Run(asked.Context(), asked.Caller, id); err != nil {
		return nil, err
	}
	q := replication.ItemQuery{Run: id, State: replication.State(asked.Query.Get("state")), N: asked.Limit}
	if q.State != "" && !slices.Contains(replication.States(), q.State) {
		return nil, rest.Invalid("query: state %q is none of %v", q.State, replication.States())
	}
	q.Repository, q.Tag, _ = strings.Cut(asked.Query.Get("after"), ":")
	page, more, err := s.Policies.Replication.Items(asked.Context(), asked.Caller, q)
	if err != nil {
		return nil, err
	}
	items := make([]RunTag, len(page))
	for i, item := range page {
		items[i] = RunTagOf(item)
	}
	return rest.PageTo(
		asked,
		items,
		rest.Next(more, items, func(t RunTag) string { return t.Repository + ":" + t.Tag }),
	), nil
}
