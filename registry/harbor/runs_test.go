package harbor_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestRunsAreStopped begins a replication that does not end by itself and stops it, and a
// retention that waits.
func TestRunsAreStopped(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // that never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	site := webtest.Start(t, config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.0/8"}}})
	c := harborClient{t, site, [2]string{"admin", webtest.Password}}
	c.do("POST", "/projects", object{"project_name": "team"}, 201)
	site.Push(t, "team/app", "v1", webtest.Image{})
	far := locationOf(c.do("POST", "/registries", object{"name": "far", "url": "http://" + l.Addr().String(), "type": "docker-registry"}, 201))
	number, _ := strconv.Atoi(far[len("/registries/"):])
	policy := locationOf(c.do("POST", "/replication/policies", tfCopies(number, true), 201))
	id, _ := strconv.Atoi(policy[len("/replication/policies/"):])
	run := locationOf(c.do("POST", "/replication/executions", object{"policy_id": id}, 201))
	c.do("PUT", run, nil, 200)
	for n := 0; ; n++ {
		var seen struct{ Status string }
		if c.do("GET", run, nil, 200).into(&seen); seen.Status == "Stopped" {
			break
		}
		if n == 100 {
			t.Fatalf("the run is %s five seconds after it was stopped", seen.Status)
		}
		time.Sleep(50 * time.Millisecond)
	}
	var job int64
	site.Change(t, func(ctx context.Context, tx *metadata.Tx) (err error) {
		job, _, err = jobs.Add(ctx, tx, jobs.New{
			Kind: "retention", Subject: "team", Project: "team", By: "admin", Due: time.Now().Add(time.Hour),
			Args: map[string]bool{"dryRun": true},
		})
		return err
	})
	var project struct {
		ID int64 `json:"project_id"`
	}
	c.do("GET", "/projects/team", nil, 200).into(&project)
	at := "/retentions/" + strconv.FormatInt(project.ID, 10) + "/executions/" + strconv.FormatInt(job, 10)
	c.do("PATCH", at, object{"action": "stop"}, 200)
}
