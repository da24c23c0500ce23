package work

import (
	"slices"
	"strconv"
	"time"

	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/jobs"
)

// Job is a piece of work apart from requests.
type Job struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	Project   string     `json:"project,omitempty"`
	Arguments string     `json:"arguments"` // JSON
	By        string     `json:"by"`
	State     string     `json:"state"`
	Stopping  bool       `json:"stopping"`
	Attempts  int        `json:"attempts"`
	Note      string     `json:"note"`
	Error     string     `json:"error,omitempty"`
	CreatedAt time.Time  `json:"createdAt"`
	DueAt     *time.Time `json:"dueAt,omitempty"` // of one that waits
	StartedAt *time.Time `json:"startedAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
}

// JobOf is a job as the API and the command line show it.
func JobOf(j jobs.Job) Job {
	out := Job{
		ID: id(j.ID), Kind: j.Kind, Subject: j.Subject, Project: j.Project, Arguments: string(j.Args), By: j.By,
		State: string(j.State), Stopping: j.Stopping, Attempts: j.Attempts, Note: j.Note, Error: j.Error,
		CreatedAt: j.CreatedAt.UTC(), StartedAt: rest.Moment(j.StartedAt), EndedAt: rest.Moment(j.EndedAt),
	}
	if j.State == jobs.Waiting {
		out.DueAt = rest.Moment(j.DueAt)
	}
	return out
}

// Schedule is when jobs are added.
type Schedule struct {
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"`
	Project string    `json:"project,omitempty"`
	Cron    string    `json:"cron"`
	Zone    string    `json:"zone"`
	Next    time.Time `json:"next"`
}

// Schedules are all of them, the next first.
type Schedules struct {
	Items []Schedule `json:"items"`
}

// Queue is how the work of one kind stands.
type Queue struct {
	Kind     string     `json:"kind"`
	Waiting  int64      `json:"waiting"`
	Running  int64      `json:"running"`
	Oldest   *time.Time `json:"oldest,omitempty"` // when the job that has been due longest was to begin
	Paused   bool       `json:"paused"`
	PausedAt *time.Time `json:"pausedAt,omitempty"`
	PausedBy string     `json:"pausedBy,omitempty"`
}

// Queues are all of them, by kind.
type Queues struct {
	Items []Queue `json:"items"`
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// Numbered is an id of the path or of a query; 0 for "".
func Numbered(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, rest.Invalid("%q is no id", text)
	}
	return n, nil
}

func (w *Work) jobs() []rest.Operation {
	text := func(name, about string) rest.Parameter {
		return rest.Parameter{Name: name, About: about, Kind: rest.KindText}
	}
	return []rest.Operation{
		{
			Method: get, Path: "/jobs", Right: auth.ManageJobs, Object: "jobs",
			ID: "listJobs", Summary: "Work apart from requests, the newest first",
			Query: rest.PageOf(
				text("kind", "only this, as replication"), text("subject", "only of this"),
				text("project", "only of this project"),
				text("state", "only waiting, running, done, failed or stopped"),
			),
			Answer: rest.Page[Job]{},
			Status: 200, Serve: w.jobList,
		},
		{
			Method: get, Path: "/jobs/{job}", Right: auth.ManageJobs, Object: "jobs",
			ID: "getJob", Summary: "One job",
			Answer: Job{},
			Status: 200, ETag: true, Serve: w.job,
		},
		{
			Method: post, Path: "/jobs/{job}/stop", Right: auth.ManageJobs, Object: "jobs",
			ID: "stopJob", Summary: "Stop a job that waits or runs",
			Status: 204, Serve: w.jobStop,
		},
		{
			Method: post, Path: "/jobs/{job}/retry", Right: auth.ManageJobs, Object: "jobs",
			ID: "retryJob", Summary: "Do the work of a job that has ended again, as a new job",
			Answer: Job{},
			Status: 201, Serve: w.jobRetry,
		},
		{
			Method: get, Path: "/queues", Right: auth.ManageJobs, Object: "jobs",
			ID: "listQueues", Summary: "How the work of each kind stands, and which kinds are paused",
			Answer: Queues{},
			Status: 200, Serve: w.queues,
		},
		{
			Method: post, Path: "/queues/{kind}/pause", Right: auth.ManageJobs, Object: "jobs",
			ID: "pauseQueue", Summary: "Have no job of a kind begin; what runs goes on, what is added waits",
			Status: 204, Serve: w.queuePause,
		},
		{
			Method: post, Path: "/queues/{kind}/resume", Right: auth.ManageJobs, Object: "jobs",
			ID: "resumeQueue", Summary: "Have the jobs of a kind begin again",
			Status: 204, Serve: w.queueResume,
		},
		{
			Method: get, Path: "/schedules", Right: auth.ManageJobs, Object: "jobs",
			ID: "listSchedules", Summary: "When jobs are added by themselves, the next first",
			Answer: Schedules{},
			Status: 200, Serve: w.schedules,
		},
	}
}

// JobQuery is which jobs a request asks for.
func JobQuery(asked *rest.Ask) (jobs.Query, error) {
	q := jobs.Query{
		Kind: asked.Query.Get("kind"), Subject: asked.Query.Get("subject"), Project: asked.Query.Get("project"),
		State: jobs.State(asked.Query.Get("state")), N: asked.Limit,
	}
	if q.State != "" && !slices.Contains(jobs.States(), q.State) {
		return q, rest.Invalid("query: state %q is none of %v", q.State, jobs.States())
	}
	var err error
	q.Before, err = Numbered(asked.Query.Get("after"))
	return q, err
}

func (w *Work) jobList(asked *rest.Ask) (any, error) {
	q, err := JobQuery(asked)
	if err != nil {
		return nil, err
	}
	found, more, err := w.p.Jobs.Page(asked.Context(), asked.Caller, q)
	if err != nil {
		return nil, err
	}
	items := make([]Job, len(found))
	for i, j := range found {
		items[i] = JobOf(j)
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(j Job) string { return j.ID })), nil
}

func (w *Work) job(asked *rest.Ask) (any, error) {
	n, err := Numbered(asked.PathValue("job"))
	if err != nil {
		return nil, err
	}
	j, err := w.p.Jobs.Get(asked.Context(), asked.Caller, n)
	return JobOf(j), err
}

func (w *Work) jobStop(asked *rest.Ask) (any, error) {
	n, err := Numbered(asked.PathValue("job"))
	if err != nil {
		return nil, err
	}
	return nil, w.p.Jobs.Stop(asked.Context(), asked.Caller, n)
}

func (w *Work) jobRetry(asked *rest.Ask) (any, error) {
	n, err := Numbered(asked.PathValue("job"))
	if err != nil {
		return nil, err
	}
	again, err := w.p.Jobs.Retry(asked.Context(), asked.Caller, n)
	if err != nil {
		return nil, err
	}
	asked.W.Header().Set("Location", rest.Base+"/jobs/"+id(again))
	j, err := w.p.Jobs.Get(asked.Context(), asked.Caller, again)
	return JobOf(j), err
}

func (w *Work) schedules(asked *rest.Ask) (any, error) {
	all, err := w.p.Jobs.Schedules(asked.Context(), asked.Caller)
	out := Schedules{Items: make([]Schedule, len(all))}
	for i, s := range all {
		out.Items[i] = ScheduleOf(s)
	}
	return out, err
}

// ScheduleOf is a schedule as the API and the command line show it.
func ScheduleOf(s jobs.Schedule) Schedule {
	zone := s.Zone
	if zone == "" {
		zone = "UTC"
	}
	return Schedule{s.Kind, s.Subject, s.Project, s.Cron, zone, s.Next.UTC()}
}

func (w *Work) queues(asked *rest.Ask) (any, error) {
	all, err := w.p.Jobs.Queues(asked.Context(), asked.Caller)
	out := Queues{Items: make([]Queue, len(all))}
	for i, q := range all {
		out.Items[i] = Queue{
			q.Kind, q.Waiting, q.Running, rest.Moment(q.Oldest), q.Paused(), rest.Moment(q.PausedAt), q.PausedBy,
		}
	}
	return out, err
}

func (w *Work) queuePause(asked *rest.Ask) (any, error) {
	return nil, w.p.Jobs.Pause(asked.Context(), asked.Caller, asked.PathValue("kind"))
}

func (w *Work) queueResume(asked *rest.Ask) (any, error) {
	return nil, w.p.Jobs.Resume(asked.Context(), asked.Caller, asked.PathValue("kind"))
}
