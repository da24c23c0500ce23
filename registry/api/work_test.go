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
