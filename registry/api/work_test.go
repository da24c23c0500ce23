package api_test

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
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
