package work

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/web/message"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type jobsData struct {
	Status    jobs.Status
	Jobs      []jobRow
	States    []jobs.State
	State     jobs.State // that is asked for; "" is every one
	Kind      string
	More      string
	Schedules []scheduleRow
	Queues    []queueRow
}

// jobRow is a job as a list shows it.
type jobRow struct {
	jobs.Job
	What string // the kind, in the reader's words
	Took string
}

// Open says that the job has not ended.
func (r jobRow) Open() bool { return r.EndedAt.IsZero() }

type scheduleRow struct {
	jobs.Schedule
	What string
}

type queueRow struct {
	jobs.Queue
	What string
}

// busy orders kinds: those that are paused, those of which jobs wait or run, and the others.
func (r queueRow) busy() int {
	switch {
	case r.Paused():
		return 2
	case r.Waiting+r.Running > 0:
		return 1
	}
	return 0
}

// what names a kind of jobs. One that came with a release since is shown as it is.
func what(l *message.Language, kind string) string {
	if key := "job.kind." + kind; l.Has(key) {
		return l.Text(key)
	}
	return kind
}

func newJobRow(l *message.Language, j jobs.Job, now time.Time) jobRow {
	row := jobRow{Job: j, What: what(l, j.Kind)}
	if !j.StartedAt.IsZero() && j.State != jobs.Waiting {
		end := j.EndedAt
		if end.IsZero() {
			end = now
		}
		row.Took = spent(max(end.Sub(j.StartedAt), 0))
	}
	return row
}

// spent is a duration as people read it.
func spent(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (p *Pages) jobs(a *page.Ask) error {
	d := jobsData{
		States: jobs.States(), State: jobs.State(a.FormValue("state")), Kind: page.Bounded(a.FormValue("kind")),
	}
	if d.State != "" && !slices.Contains(d.States, d.State) {
		return page.Invalid("state %q: jobs are %v", d.State, d.States)
	}
	q := jobs.Query{State: d.State, Kind: d.Kind, N: page.PerPage}
	var err error
	if after := a.FormValue("after"); after != "" {
		if q.Before, err = strconv.ParseInt(after, 10, 64); err != nil {
			return page.Invalid("page after %q: that is no job", after)
		}
	}
	found, more, err := p.policies.Jobs.Page(a.Context(), a.Caller, q)
	if err != nil {
		return err
	}
	for _, j := range found {
		d.Jobs = append(d.Jobs, newJobRow(a.Language, j, p.Now()))
	}
	if more {
		d.More = "/jobs?" + url.Values{
			"after": {strconv.FormatInt(found[len(found)-1].ID, 10)}, "state": {string(d.State)}, "kind": {d.Kind},
		}.Encode()
	}
	if d.Status, err = p.policies.Jobs.Status(a.Context(), a.Caller); err != nil {
		return err
	}
	if q.Before == 0 {
		if err := p.fillQueues(a, &d); err != nil {
			return err
		}
	}
	return p.Page(a, "jobs", "jobs", a.Language.Text("jobs.title"), d)
}

// fillQueues adds what the first page has besides jobs.
func (p *Pages) fillQueues(a *page.Ask, d *jobsData) error {
	schedules, err := p.policies.Jobs.Schedules(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	for _, s := range schedules {
		d.Schedules = append(d.Schedules, scheduleRow{s, what(a.Language, s.Kind)})
	}
	queues, err := p.policies.Jobs.Queues(a.Context(), a.Caller)
	for _, q := range queues {
		d.Queues = append(d.Queues, queueRow{q, what(a.Language, q.Kind)})
	}
	slices.SortFunc(d.Queues, func(a, b queueRow) int { // where something waits or is held goes first
		return cmp.Or(cmp.Compare(b.busy(), a.busy()), strings.Compare(a.What, b.What))
	})
	return err
}

type jobData struct {
	jobRow
	Arguments string
}

func jobID(a *page.Ask) (int64, error) {
	id, err := strconv.ParseInt(a.PathValue("job"), 10, 64)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "there is no job %q", a.PathValue("job"))
	}
	return id, nil
}

func (p *Pages) job(a *page.Ask) error {
	id, err := jobID(a)
	if err != nil {
		return err
	}
	j, err := p.policies.Jobs.Get(a.Context(), a.Caller, id)
	if err != nil {
		return err
	}
	d := jobData{jobRow: newJobRow(a.Language, j, p.Now())}
	var text bytes.Buffer
	if string(j.Args) != "null" && json.Indent(&text, j.Args, "", "  ") == nil {
		d.Arguments = text.String()
	}
	return p.Page(a, "job", "jobs", d.What, d)
}

func (p *Pages) jobStop(a *page.Ask) error {
	id, err := jobID(a)
	if err == nil {
		err = p.policies.Jobs.Stop(a.Context(), a.Caller, id)
	}
	return p.jobChanged(a, err, id, "jobs.stopping")
}

func (p *Pages) jobRetry(a *page.Ask) error {
	id, err := jobID(a)
	again := id
	if err == nil {
		again, err = p.policies.Jobs.Retry(a.Context(), a.Caller, id)
	}
	return p.jobChanged(a, err, max(again, id), "jobs.again")
}

func (p *Pages) queuePause(a *page.Ask) error {
	return p.queueChanged(a, p.policies.Jobs.Pause, "queue.paused.now")
}

func (p *Pages) queueResume(a *page.Ask) error {
	return p.queueChanged(a, p.policies.Jobs.Resume, "queue.resumed.now")
}

func (p *Pages) queueChanged(a *page.Ask, change func(context.Context, auth.Caller, string) error, done string) error {
	kind := a.PathValue("kind")
	notice := view.Notice{Text: a.Language.Text(done, what(a.Language, kind))}
	err := change(a.Context(), a.Caller, kind)
	if text, ok := page.Refused(err); ok {
		notice = view.Notice{Bad: true, Text: text}
	} else if err != nil {
		return err
	}
	return p.Done(a, "/jobs", notice)
}

func (p *Pages) jobChanged(a *page.Ask, err error, id int64, done string) error {
	notice := view.Notice{Text: a.Language.Text(done)}
	if text, ok := page.Refused(err); ok {
		notice = view.Notice{Bad: true, Text: text}
	} else if err != nil {
		return err
	}
	return p.Done(a, "/jobs/"+strconv.FormatInt(id, 10), notice)
}
