package replicas

import (
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
	"cove/registry/jobs"
	"cove/registry/replication"
)

// States of a run and of a tag, in Harbor's words.
const (
	inProgress = "InProgress"
	succeed    = "Succeed"
	failed     = "Failed"
	stopped    = "Stopped"
)

func runStatus(s jobs.State) string {
	switch s {
	case jobs.Done:
		return succeed
	case jobs.Failed:
		return failed
	case jobs.Stopped:
		return stopped
	}
	return inProgress
}

func taskStatus(s replication.State, run jobs.State) string {
	switch {
	case s == replication.Failed:
		return failed
	case s != replication.Waiting:
		return succeed
	case run == jobs.Stopped:
		return stopped
	}
	return inProgress
}

// moment is a time; nil for none.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func triggerOf(c replication.Cause) string {
	switch c {
	case replication.Scheduled:
		return scheduled
	case replication.Event:
		return onEvent
	}
	return byHand
}

func runOf(r replication.Run, policy int64) shape.ReplicationRun {
	out := shape.ReplicationRun{
		ID: r.ID, PolicyID: policy, Status: runStatus(r.Job.State), Text: r.Job.Error, Trigger: triggerOf(r.Cause),
		Total: r.Total(), Start: moment(r.Job.CreatedAt), End: moment(r.Job.EndedAt),
	}
	for state, n := range r.Counts {
		switch taskStatus(state, r.Job.State) {
		case succeed:
			out.Succeed += n
		case failed:
			out.Failed += n
		case stopped:
			out.Stopped += n
		default:
			out.InProgress += n
		}
	}
	return out
}

// policies are the numbers of all rules, by their names.
func (o operations) policies(asked *edge.Ask) (map[string]int64, error) {
	all, err := o.Policies.Replication.List(asked.Context(), asked.Caller)
	ids := map[string]int64{}
	for _, r := range all {
		ids[r.Name] = r.ID
	}
	return ids, err
}

// runList lists runs, the newest first. Those of one status or trigger are found among the
// newest of all.
func (o operations) runList(asked *edge.Ask) (any, error) {
	query := asked.URL.Query()
	name := ""
	if text := query.Get("policy_id"); text != "" {
		id, err := edge.Number("policy_id", text)
		if err != nil {
			return nil, err
		}
		r, err := o.ruleNumbered(asked, id)
		if err != nil {
			return nil, err
		}
		name = r.Name
	}
	status, trigger := query.Get("status"), query.Get("trigger")
	ids, err := o.policies(asked)
	if err != nil {
		return nil, err
	}
	far := asked.Page.Skip + asked.Page.N
	if far > edge.Farthest {
		return nil, edge.TooFar()
	}
	found, more := []shape.ReplicationRun{}, true
	for before := int64(0); more && len(found) <= far; {
		var page []replication.Run
		page, more, err = o.Policies.Replication.Runs(asked.Context(), asked.Caller, name, before, edge.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			before = r.ID
			run := runOf(r, ids[r.Rule])
			if (status == "" || run.Status == status) && (trigger == "" || run.Trigger == trigger) {
				found = append(found, run)
			}
		}
	}
	asked.More(len(found), more)
	part := found[min(asked.Page.Skip, len(found)):min(far, len(found))]
	return append([]shape.ReplicationRun{}, part...), nil
}

func (o operations) run(asked *edge.Ask) (replication.Run, error) {
	id, err := edge.Number("execution", asked.PathValue("execution"))
	if err != nil {
		return replication.Run{}, err
	}
	return o.Policies.Replication.Run(asked.Context(), asked.Caller, id)
}

func (o operations) runGet(asked *edge.Ask) (any, error) {
	r, err := o.run(asked)
	if err != nil {
		return nil, err
	}
	ids, err := o.policies(asked)
	return runOf(r, ids[r.Rule]), err
}

func (o operations) runStart(asked *edge.Ask) (any, error) {
	var r shape.ReplicationStart
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	rule, err := o.ruleNumbered(asked, r.PolicyID)
	if err != nil {
		return nil, err
	}
	run, err := o.Policies.Replication.Start(asked.Context(), asked.Caller, rule.Name)
	if err != nil {
		return nil, err
	}
	asked.Created("/replication/executions/" + strconv.FormatInt(run, 10))
	return nil, nil
}

func (o operations) runStop(asked *edge.Ask) (any, error) {
	r, err := o.run(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Replication.Stop(asked.Context(), asked.Caller, r.ID)
}

// taskID stands for a tag of a run.
func taskID(run int64, i replication.Item) int64 {
	return listing.Number(run, i.Repository+":"+i.Tag)
}

func taskOf(r replication.Run, i replication.Item) shape.ReplicationTask {
	operation := "copy"
	if i.Delete {
		operation = "deletion"
	}
	return shape.ReplicationTask{
		ID: taskID(r.ID, i), ExecutionID: r.ID, JobID: strconv.FormatInt(r.ID, 10),
		Status: taskStatus(i.State, r.Job.State), Operation: operation, Resource: "artifact",
		Source: i.Repository + ":[" + i.Tag + "]", Target: i.Target + ":[" + i.Tag + "]",
		Start: moment(r.Job.CreatedAt), End: moment(i.EndedAt),
	}
}

// each goes through the tags of a run, until one says that it is enough.
func (o operations) each(asked *edge.Ask, r replication.Run, do func(replication.Item) (enough bool)) error {
	q := replication.ItemQuery{Run: r.ID, N: 1000}
	for more := true; more; {
		page, next, err := o.Policies.Replication.Items(asked.Context(), asked.Caller, q)
		if err != nil {
			return err
		}
		more = next
		for _, i := range page {
			q.Repository, q.Tag = i.Repository, i.Tag
			if do(i) {
				return nil
			}
		}
	}
	return nil
}

func (o operations) taskList(asked *edge.Ask) (any, error) {
	r, err := o.run(asked)
	if err != nil {
		return nil, err
	}
	status := asked.URL.Query().Get("status")
	if kind := asked.URL.Query().Get("resource_type"); kind != "" && kind != "artifact" {
		return nil, edge.Unsupported("tasks of the resource_type %q", kind)
	}
	far := asked.Page.Skip + asked.Page.N
	found, more := []shape.ReplicationTask{}, false
	if err := o.each(asked, r, func(i replication.Item) bool {
		t := taskOf(r, i)
		if status != "" && t.Status != status {
			return false
		}
		more = len(found) == far
		if !more {
			found = append(found, t)
		}
		return more
	}); err != nil {
		return nil, err
	}
	if status == "" {
		asked.Paged(r.Total())
	} else {
		asked.More(len(found), more)
	}
	return append([]shape.ReplicationTask{}, found[min(asked.Page.Skip, len(found)):]...), nil
}

func (o operations) taskLog(asked *edge.Ask) (any, error) {
	r, err := o.run(asked)
	if err != nil {
		return nil, err
	}
	id, err := edge.Number("task", asked.PathValue("task"))
	if err != nil {
		return nil, err
	}
	text := ""
	if err := o.each(asked, r, func(i replication.Item) bool {
		if taskID(r.ID, i) != id {
			return false
		}
		lines := []string{
			i.Repository + ":" + i.Tag + " -> " + i.Target + ":" + i.Tag,
			string(i.State) + " after " + strconv.Itoa(i.Attempts) + " attempts, " +
				strconv.FormatInt(i.Bytes, 10) + " bytes sent",
		}
		if i.Note != "" {
			lines = append(lines, i.Note)
		}
		text = strings.Join(lines, "\n") + "\n"
		return true
	}); err != nil {
		return nil, err
	}
	if text == "" {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "execution %d has no task %d", r.ID, id)
	}
	return text, nil
}
