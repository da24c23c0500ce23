package api_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/web/webtest"
)

// add puts a job into the site's database, as a command on its machine does.
func (c *client) add(n jobs.New) (id string) {
	c.t.Helper()
	db, err := metadata.Open(c.t.Context(), metadata.Config{DSN: c.dsn})
	if err != nil {
		c.t.Fatal(err)
	}
	err = db.Update(c.t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		n, _, err := jobs.Add(ctx, tx, n)
		data, _ := json.Marshal(n)
		id = string(data)
		return err
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// jobState asks until a job has ended.
func (c *client) jobState(id string) (state string) {
	c.t.Helper()
	for range 200 {
		var j struct{ State string }
		if err := json.Unmarshal(c.send(call{id: "getJob", params: map[string]string{"job": id}}, 200).body, &j); err != nil {
			c.t.Fatal(err)
		}
		if state = j.State; state != "waiting" && state != "running" {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	return state
}

// queues pauses a kind and resumes it.
func (c *client) queues() {
	stand := func() (found string) {
		var q struct {
			Items []struct{ Kind, PausedBy string }
		}
		if err := json.Unmarshal(c.send(call{id: "listQueues"}, 200).body, &q); err != nil {
			c.t.Fatal(err)
		}
		for _, q := range q.Items {
			if q.PausedBy != "" {
				found += q.Kind + " by " + q.PausedBy
			}
		}
		return found
	}
	kind := map[string]string{"kind": "audit-retention"}
	c.send(call{id: "pauseQueue", params: kind}, 204)
	if got := stand(); got != "audit-retention by admin" {
		c.t.Errorf("paused are %q", got)
	}
	held := c.add(jobs.New{Kind: "audit-retention"})
	c.send(call{id: "resumeQueue", params: kind}, 204)
	if state := c.jobState(held); state != "done" || stand() != "" {
		c.t.Errorf("after the resume a job is %s, and paused are %q", state, stand())
	}
	c.send(call{id: "pauseQueue", params: map[string]string{"kind": "absent"}}, 404)
}

func (c *client) jobs() {
	id := c.add(jobs.New{Kind: "audit-retention", By: auth.Operator().Name})
	if got := c.jobState(id); got != "done" {
		c.t.Errorf("the job is %s", got)
	}
	one := map[string]string{"job": id}
	c.send(call{id: "stopJob", params: one}, 409)
	var again struct{ ID string }
	if err := json.Unmarshal(c.send(call{id: "retryJob", params: one}, 201).body, &again); err != nil || again.ID == id {
		c.t.Errorf("again: %+v %v", again, err)
	}
	c.jobState(again.ID)
	late := c.add(jobs.New{Kind: "audit-retention", Due: time.Now().Add(time.Hour)})
	c.send(call{id: "stopJob", params: map[string]string{"job": late}}, 204)
	if got := c.jobState(late); got != "stopped" {
		c.t.Errorf("the job that waits is %s", got)
	}
	c.send(call{id: "getJob", params: map[string]string{"job": "1"}}, 404)
	c.send(call{id: "getJob", params: map[string]string{"job": "x"}}, 400)
	c.send(call{id: "listJobs", query: url.Values{"state": {"odd"}}}, 400)
	var page struct {
		Items []struct{ ID, Kind, State string }
	}
	list := c.send(call{id: "listJobs", query: url.Values{"kind": {"audit-retention"}, "state": {"done"}, "limit": {"1"}}}, 200)
	if err := json.Unmarshal(list.body, &page); err != nil || len(page.Items) != 1 || page.Items[0].ID != again.ID {
		c.t.Errorf("jobs %+v %v", page, err)
	}
	if _, next := list.names(c.t); next != again.ID {
		c.t.Errorf("the next page begins after %q", next)
	}
	var all struct {
		Items []struct{ Kind, Cron, Zone string }
	}
	if err := json.Unmarshal(c.send(call{id: "listSchedules"}, 200).body, &all); err != nil || len(all.Items) == 0 || all.Items[0].Zone != "UTC" {
		c.t.Errorf("schedules %+v %v", all, err)
	}
	c.queues()
}

// tags moves tags, keeps them by a rule, and brings back what was deleted.
func (c *client) tags() {
	t := c.t
	repo, project := map[string]string{"repository": "past/app"}, map[string]string{"project": "past"}
	image := func(text string) webtest.Image { return webtest.Image{Layers: []map[string]string{{"v": text}}} }
	first := c.site.Push(t, "past/app", "v1", image("1"))
	second := c.site.Push(t, "past/app", "v1", image("2"))
	list := c.site.Index(t, "past/app", "all", first, second)
	var changes struct {
		Items []struct{ Tag, Digest, Previous, By string }
	}
	c.into(call{id: "listTagHistory", params: repo, query: url.Values{"tag": {"v1"}}}, &changes)
	if n := len(changes.Items); n != 2 || changes.Items[0].Digest != second.Digest.String() ||
		changes.Items[0].Previous != first.Digest.String() || changes.Items[0].By != "admin" {
		t.Errorf("history %+v", changes)
	}
	c.send(call{id: "restore", params: repo, body: object{"tag": "v1"}}, 409)
	c.send(call{id: "restore", params: repo, body: object{"tag": "v1", "back": true}}, 200)
	c.named("past/app:v1", first.Digest)

	var rule struct{ ID string }
	made := c.send(call{id: "addImmutableRule", params: project, body: object{"tags": "v*", "repositories": "*"}}, 201)
	if err := json.Unmarshal(made.body, &rule); err != nil {
		t.Fatal(err)
	}
	c.send(call{id: "addImmutableRule", params: project, body: object{"tags": "[x"}}, 400)
	refused := c.send(call{id: "deleteArtifact", params: map[string]string{"artifact": "past/app:v1"}}, 403)
	if !strings.Contains(string(refused.body), "tag v1 of past/app is immutable: rule "+rule.ID) {
		t.Errorf("the refusal: %s", refused.body)
	}
	c.send(call{id: "deleteArtifact", params: map[string]string{"artifact": "past/app:all"}}, 204)
	c.send(call{id: "deleteArtifact", params: map[string]string{"artifact": "past/app@" + list.Digest.String()}}, 204)
	c.send(call{id: "deleteArtifact", params: map[string]string{"artifact": "past/app@" + first.Digest.String()}}, 403)
	c.send(call{id: "restore", params: repo, body: object{"tag": "v1", "digest": second.Digest.String()}}, 403)
	c.send(call{id: "deleteRepository", params: repo}, 403)
	c.site.Push(t, "past/app", "v2", image("3")) // a new one is no move
	c.site.Push(t, "past/app", "v2", image("3"))
	// a signature of cosign's, in the form of a tag, may be replaced
	signature := "sha256-" + first.Digest.Encoded() + ".sig"
	c.site.Push(t, "past/app", signature, image("s1"))
	c.site.Push(t, "past/app", signature, image("s2"))
	c.site.Push(t, "past/app", "", webtest.Image{Subject: &first, Type: "application/vnd.example.signature"})
	var rules struct{ Items []struct{ ID string } }
	c.into(call{id: "listImmutableRules", params: project}, &rules)
	if len(rules.Items) != 1 || rules.Items[0].ID != rule.ID {
		t.Errorf("rules %+v", rules)
	}
	c.send(call{id: "deleteImmutableRule", params: map[string]string{"project": "past", "rule": "7"}}, 404)
	c.send(call{id: "deleteImmutableRule", params: map[string]string{"project": "past", "rule": rule.ID}}, 204)
	c.broughtBack(repo, first.Digest, list.Digest)
	c.renamed(repo, first.Digest)
}

// renamed gives a repository and its project other names, and ends those they had.
func (c *client) renamed(repo map[string]string, first digest.Digest) {
	t := c.t
	var done struct {
		Name         string
		Repositories int
		Until        *time.Time
		Notes        []string
	}
	rename := func(call call) {
		t.Helper()
		done.Until = nil
		if err := json.Unmarshal(c.send(call, 200).body, &done); err != nil {
			t.Fatal(err)
		}
	}
	c.send(call{id: "renameRepository", params: repo, body: object{"to": "absent/app"}}, 404)
	c.send(call{id: "renameRepository", params: repo, body: object{"to": "past/App"}}, 400)
	c.send(call{id: "renameRepository", params: repo, body: object{"to": "past/web", "keepDays": -1}}, 400)
	rename(call{id: "renameRepository", params: repo, body: object{"to": "past/web", "keepDays": 3}})
	if done.Name != "past/web" || done.Until == nil || time.Until(*done.Until) > 73*time.Hour || done.Notes == nil {
		t.Errorf("a rename says %+v", done)
	}
	c.named("past/web:v1", first)
	c.send(call{id: "renameProject", params: map[string]string{"project": "past"}, body: object{"to": "past/web"}}, 400)
	rename(call{id: "renameProject", params: map[string]string{"project": "past"}, body: object{"to": "history"}})
	if done.Name != "history" || done.Repositories != 1 || done.Until == nil || time.Until(*done.Until) < 89*24*time.Hour {
		t.Errorf("a rename of a project says %+v", done)
	}
	c.named("history/web:v1", first)
	project := map[string]string{"project": "history"}
	var former struct {
		Items []struct{ Name, Now, By string }
	}
	c.into(call{id: "listFormerNames", params: project}, &former)
	if len(former.Items) != 2 || former.Items[1].Name != "past/app" || former.Items[1].Now != "history/web" || former.Items[0].By != "admin" {
		t.Errorf("former names %+v", former)
	}
	for name, want := range map[string]int{"past/app": 204, "past": 204, "no/such": 404, "A": 400} {
		c.send(call{id: "releaseFormerName", params: map[string]string{"project": "history", "name": name}}, want)
	}
	rename(call{id: "renameProject", params: project, body: object{"to": "past", "keepDays": 0}})
	if done.Until != nil {
		t.Errorf("an old name that is not kept is good until %v", done.Until)
	}
	c.send(call{id: "getProject", params: project}, 404)
}

// broughtBack deletes a whole repository and has it back.
func (c *client) broughtBack(repo map[string]string, first, list digest.Digest) {
	t := c.t
	var gone struct{ Artifacts int }
	c.into(call{id: "deleteRepository", params: repo}, &gone)
	if gone.Artifacts < 6 {
		t.Errorf("deleted %+v", gone)
	}
	var deleted struct {
		Items []struct {
			Digest string
			Tags   []string
		}
	}
	c.into(call{id: "listDeleted", params: repo}, &deleted)
	if len(deleted.Items) != gone.Artifacts+1 { // the index went before
		t.Errorf("%d can be had back of %d", len(deleted.Items), gone.Artifacts+1)
	}
	// an index brings back what it lists
	c.send(call{id: "restore", params: repo, body: object{"digest": list.String()}}, 200)
	c.send(call{id: "getArtifact", params: map[string]string{"artifact": "past/app@" + first.String()}}, 200)
	c.send(call{id: "restore", params: repo, body: object{"tag": "v1"}}, 200)
	c.named("past/app:v1", first)
	c.send(call{id: "restore", params: repo, body: object{}}, 200)
	c.into(call{id: "listDeleted", params: repo}, &deleted)
	if len(deleted.Items) != 0 {
		t.Errorf("still deleted: %+v", deleted)
	}
	c.send(call{id: "restore", params: repo, body: object{}}, 404)
	c.send(call{id: "restore", params: repo, body: object{"digest": "sha256:no"}}, 400)
	names, _ := c.send(call{id: "listTags", params: repo}, 200).names(t)
	if len(names) != 3 || !slices.Contains(names, "v1") || !slices.Contains(names, "v2") {
		t.Errorf("tags that are back: %v", names)
	}
}

// into decodes the answer of a call that succeeds.
func (c *client) into(in call, v any) {
	c.t.Helper()
	if err := json.Unmarshal(c.send(in, 200).body, v); err != nil {
		c.t.Fatal(err)
	}
}

// named says what an artifact's name must lead to.
func (c *client) named(name string, want digest.Digest) {
	c.t.Helper()
	var a struct{ Digest string }
	c.into(call{id: "getArtifact", params: map[string]string{"artifact": name}}, &a)
	if a.Digest != want.String() {
		c.t.Errorf("%s names %s, want %s", name, a.Digest, want)
	}
}

// quotas limits a project and meets the limit, which says how it stands.
func (c *client) quotas() {
	t := c.t
	c.site.Push(t, "small/app", "v1", webtest.Image{})
	project := map[string]string{"project": "small"}
	type row struct {
		Project              string
		Used, Waiting, Limit int64
		Own                  bool
	}
	var q row
	c.into(call{id: "getQuota", params: project}, &q)
	if q.Used == 0 || q.Limit != -1 || q.Own {
		t.Errorf("the quota: %+v", q)
	}
	c.send(call{id: "setDefaultQuota", body: object{"limit": 1 << 40}}, 204)
	var standard struct{ Limit int64 }
	if c.into(call{id: "getDefaultQuota"}, &standard); standard.Limit != 1<<40 {
		t.Errorf("the default: %+v", standard)
	}
	c.send(call{id: "setQuota", params: project, body: object{"limit": q.Used}}, 200)
	c.send(call{id: "setQuota", params: project, body: object{"limit": -7}}, 400)
	c.send(call{id: "setQuota", params: map[string]string{"project": "absent"}, body: object{"limit": 7}}, 404)
	refused := c.site.Do(t, webtest.Call{
		Method: "POST", Path: "/v2/small/app/blobs/uploads/?digest=" + digest.FromString(strings.Repeat("x", 9000)).String(),
		Body: []byte(strings.Repeat("x", 9000)),
	}, 413)
	var told struct {
		Errors []struct {
			Code, Message string
			Detail        struct {
				Project     string
				Limit, Used int64
			}
		}
	}
	if err := json.Unmarshal(refused, &told); err != nil || len(told.Errors) != 1 {
		t.Fatalf("%s %v", refused, err)
	}
	if e := told.Errors[0]; e.Code != "DENIED" || e.Detail.Limit != q.Used || e.Detail.Used != q.Used ||
		e.Detail.Project != "small" || !strings.Contains(e.Message, "ask an administrator") {
		t.Errorf("the refusal: %+v", e)
	}
	c.send(call{id: "deleteQuota", params: project}, 204)
	var after row
	if c.into(call{id: "getQuota", params: project}, &after); after.Own || after.Limit != 1<<40 || after.Used != q.Used {
		t.Errorf("afterwards: %+v", after)
	}
	if list := c.send(call{id: "listQuotas", query: url.Values{"after": {"sm"}, "limit": {"1"}}}, 200); !strings.Contains(string(list.body), `"project":"small"`) {
		t.Errorf("the list: %s", list.body)
	}
	var counted struct {
		Items []struct {
			Project string
			Equal   bool
		}
	}
	if c.into(call{id: "recountQuotas", body: object{"project": "small"}}, &counted); len(counted.Items) != 1 || !counted.Items[0].Equal {
		t.Errorf("counted anew: %+v", counted)
	}
	c.send(call{id: "setDefaultQuota", body: object{"limit": -1}}, 204)
	type share struct{ Held, Alone, Shared, Counted int64 }
	var whole, part, one share
	c.into(call{id: "explainProject", params: project}, &whole)
	c.into(call{id: "explainRepository", params: map[string]string{"repository": "small/app"}}, &part)
	c.into(call{
		id: "explainRepository", params: map[string]string{"repository": "small/app"}, query: url.Values{"tag": {"v1"}},
	}, &one)
	if whole.Held != q.Used || part != one || one.Held != q.Used || one.Counted != q.Used || one.Alone+one.Shared != one.Held {
		t.Errorf("explained: %+v %+v %+v of %d", whole, part, one, q.Used)
	}
	c.send(call{
		id: "explainRepository", params: map[string]string{"repository": "small/app"}, query: url.Values{"digest": {"sha256:x"}},
	}, 400)
}

// retention adds a rule, looks at what would go, and runs it.
func (c *client) retention() {
	t := c.t
	image := func(text string) webtest.Image { return webtest.Image{Layers: []map[string]string{{"v": text}}} }
	old := c.site.Push(t, "kept/app", "v1", image("k1"))
	c.site.Push(t, "kept/app", "v2", image("k2"))
	project := map[string]string{"project": "kept"}
	var rule struct{ ID, Template string }
	made := c.send(call{
		id: "addRetentionRule", params: project,
		body: object{"template": "latestPushedK", "n": 1, "untagged": true, "selector": object{"tags": "v*"}},
	}, 201)
	if err := json.Unmarshal(made.body, &rule); err != nil || rule.Template != "latestPushedK" {
		t.Fatalf("%s %v", made.body, err)
	}
	c.send(call{id: "addRetentionRule", params: project, body: object{"template": "odd", "selector": object{}}}, 400)
	c.send(call{id: "setRetentionSchedule", params: project, body: object{"cron": "@daily", "zone": "Europe/Berlin"}}, 204)
	c.send(call{id: "setRetentionSchedule", params: project, body: object{"cron": "often", "zone": ""}}, 400)
	var all struct {
		Rules    []struct{ ID string }
		Schedule struct{ Cron, Zone, Next string }
	}
	if c.into(call{id: "getRetention", params: project}, &all); len(all.Rules) != 1 || all.Rules[0].ID != rule.ID ||
		all.Schedule.Cron != "@daily" || all.Schedule.Zone != "Europe/Berlin" || all.Schedule.Next == "" {
		t.Errorf("the rules %+v", all)
	}
	var plan struct {
		Artifacts, Kept int
		Space           struct{ Counted int64 }
		Gone            []struct {
			Repository, Digest string
			Tags, Why          []string
		}
	}
	if c.into(call{id: "previewRetention", params: project}, &plan); plan.Artifacts != 1 || plan.Kept != 1 ||
		plan.Space.Counted == 0 || len(plan.Gone) != 1 || plan.Gone[0].Digest != old.Digest.String() ||
		!slices.Equal(plan.Gone[0].Why, []string{"rule 1: number 2 of latestPushedK, keeps 1"}) {
		t.Errorf("the plan %+v", plan)
	}
	var started struct{ Job string }
	if err := json.Unmarshal(c.send(call{id: "runRetention", params: project}, 202).body, &started); err != nil {
		t.Fatal(err)
	}
	if state := c.jobState(started.Job); state != "done" {
		t.Errorf("the run is %s", state)
	}
	if c.into(call{id: "previewRetention", params: project}, &plan); plan.Artifacts != 0 || plan.Kept != 1 {
		t.Errorf("after the run %+v", plan)
	}
	c.retainsByLabel(project)
	one := map[string]string{"project": "kept", "rule": rule.ID}
	c.send(call{id: "deleteRetentionRule", params: one}, 204)
	c.send(call{id: "deleteRetentionRule", params: one}, 404)
	c.send(call{id: "setRetentionSchedule", params: project, body: object{"cron": "", "zone": ""}}, 204)
}

// retainsByLabel keeps what has a label, whatever the other rule says of it.
func (c *client) retainsByLabel(project map[string]string) {
	c.site.Push(c.t, "kept/app", "v3", webtest.Image{Layers: []map[string]string{{"v": "k3"}}})
	c.send(call{id: "createLabel", params: project, body: object{"name": "in use"}}, 201)
	var plan struct{ Artifacts, Kept int }
	if c.into(call{id: "previewRetention", params: project}, &plan); plan.Artifacts != 1 || plan.Kept != 1 {
		c.t.Errorf("before the label %+v", plan)
	}
	c.site.API(c.t, "POST", "/artifact-labels/kept/app:v2", `{"name":"in use"}`, 204)
	body := object{"template": "always", "labels": []string{"in *"}, "selector": object{}}
	var kept struct {
		ID     string
		Labels []string
	}
	if err := json.Unmarshal(c.send(call{id: "addRetentionRule", params: project, body: body}, 201).body, &kept); err != nil ||
		!slices.Equal(kept.Labels, []string{"in *"}) {
		c.t.Errorf("the rule %+v, %v", kept, err)
	}
	if c.into(call{id: "previewRetention", params: project}, &plan); plan.Artifacts != 0 || plan.Kept != 2 {
		c.t.Errorf("with the label %+v", plan)
	}
	c.send(call{id: "deleteRetentionRule", params: map[string]string{"project": project["project"], "rule": kept.ID}}, 204)
	body["exceptLabels"], body["labels"] = true, []string{}
	c.send(call{id: "addRetentionRule", params: project, body: body}, 400)
}
