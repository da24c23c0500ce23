package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"cove/distribution/distributiontest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// replication feeds another registry, looks at the run, stops one, and removes all
// of it.
func (c *client) replication() {
	c.t.Helper()
	other := webtest.Start(c.t, config.Config{})
	address := strings.TrimPrefix(other.URL, "http://")
	far := map[string]string{"endpoint": "far"}
	made := c.send(call{id: "createEndpoint", body: object{
		"name": "far", "address": other.URL, "user": "admin", "password": webtest.Password,
	}}, 201)
	if made.header.Get("Location") != "/api/v1/endpoints/far" || strings.Contains(string(made.body), webtest.Password) {
		c.t.Errorf("%v %s", made.header, made.body)
	}
	c.send(call{id: "createEndpoint", body: object{"name": "far", "address": address}}, 409)
	for _, wrong := range []object{
		{"name": "Far", "address": address},
		{"name": "x", "address": address + "/team"},
		{"name": "x", "address": address, "kind": "docker-hub"},
		{"name": "x", "address": address, "authorities": "none"},
	} {
		c.send(call{id: "createEndpoint", body: wrong}, 400)
	}
	var reply struct{ OK bool }
	c.send(call{id: "testEndpoint", params: far}, 200).into(c.t, &reply)
	if !reply.OK {
		c.t.Error("the endpoint does not answer")
	}
	c.send(call{id: "setEndpoint", params: far, body: object{"address": address, "user": "nobody", "password": "x"}}, 200)
	c.send(call{id: "testEndpoint", params: far}, 200).into(c.t, &reply)
	if reply.OK {
		c.t.Error("a wrong password is taken")
	}
	c.send(call{id: "setEndpoint", params: far, body: object{"address": address, "user": "admin"}}, 400) // without its password
	c.send(call{id: "setEndpoint", params: far, body: object{"address": address, "user": "admin", "password": webtest.Password}}, 200)
	c.send(call{id: "setEndpoint", params: far, body: object{"address": address, "user": "admin", "kind": "oci"}}, 200)
	c.send(call{id: "getEndpoint", params: far}, 200)
	if names, _ := c.send(call{id: "listEndpoints"}, 200).names(c.t); len(names) != 1 {
		c.t.Errorf("endpoints %q", names)
	}
	c.rulesOfReplication(other)
	c.send(call{id: "deleteEndpoint", params: far}, 204)
	c.send(call{id: "deleteEndpoint", params: far}, 404)
}

func (c *client) rulesOfReplication(other *webtest.Site) {
	c.t.Helper()
	rule := map[string]string{"rule": "all"}
	c.site.Push(c.t, "replicated/app", "v1", webtest.Image{})
	c.send(call{id: "createReplicationRule", body: object{
		"name": "all", "endpoint": "far", "direction": "push", "repositories": "replicated/**", "namespace": "copies",
		"schedule": "0 3 * * *", "zone": "Europe/Berlin", "onEvent": true,
	}}, 201)
	for status, wrong := range map[int]object{
		409: {"name": "all", "endpoint": "far", "direction": "push"},
		404: {"name": "x", "endpoint": "absent", "direction": "push"},
		400: {"name": "x", "endpoint": "far", "direction": "pull", "onEvent": true},
	} {
		c.send(call{id: "createReplicationRule", body: wrong}, status)
	}
	c.send(call{id: "setReplicationRule", params: rule, body: object{
		"endpoint": "far", "direction": "push", "repositories": "replicated/**", "namespace": "copies", "delete": true,
	}}, 200)
	c.send(call{id: "getReplicationRule", params: rule}, 200)
	if names, _ := c.send(call{id: "listReplicationRules"}, 200).names(c.t); len(names) != 1 {
		c.t.Errorf("rules %q", names)
	}
	c.send(call{id: "deleteEndpoint", params: map[string]string{"endpoint": "far"}}, 409)
	var run struct {
		ID, State, Error string
		Copied           int64
	}
	c.send(call{id: "startReplication", params: rule}, 201).into(c.t, &run)
	at := map[string]string{"run": run.ID}
	for range 400 {
		if c.send(call{id: "getReplicationRun", params: at}, 200).into(c.t, &run); run.State != "waiting" && run.State != "running" {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if run.State != "done" || run.Copied != 1 {
		c.t.Errorf("%+v", run)
	}
	if got := other.Status(c.t, "admin", webtest.Password, "HEAD", "/v2/copies/replicated/app/manifests/v1"); got != 200 {
		c.t.Errorf("the copy: %d", got)
	}
	c.send(call{id: "listReplicationRunTags", params: at, query: url.Values{"state": {"copied"}}}, 200)
	c.send(call{id: "listReplicationRunTags", params: at, query: url.Values{"state": {"lost"}}}, 400)
	c.send(call{id: "listReplicationRuns", query: url.Values{"rule": {"all"}}}, 200)
	c.send(call{id: "listReplicationRuns", query: url.Values{"rule": {"absent"}}}, 404)
	c.send(call{id: "stopReplication", params: at}, 409)
	c.send(call{id: "retryReplication", params: at}, 409)
	c.send(call{id: "getReplicationRun", params: map[string]string{"run": "7"}}, 404)
	var switched struct{ Enabled bool }
	c.send(call{id: "enableReplicationRule", params: rule, body: object{"enabled": false}}, 200).into(c.t, &switched)
	if switched.Enabled {
		c.t.Error("a rule that was disabled is enabled")
	}
	c.send(call{id: "enableReplicationRule", params: rule, body: object{"enabled": true}}, 200)
	c.send(call{id: "enableReplicationRule", params: map[string]string{"rule": "absent"}, body: object{"enabled": true}}, 404)
	stale := http.Header{"If-Match": {`"other"`}}
	c.send(call{id: "enableReplicationRule", params: rule, header: stale, body: object{"enabled": false}}, 412)
	c.stoppedReplication(rule)
	c.send(call{id: "deleteReplicationRule", params: rule}, 204)
	c.send(call{id: "deleteReplicationRule", params: rule}, 404)
}

// stoppedReplication stops a run that has not begun, and tries it again.
func (c *client) stoppedReplication(rule map[string]string) {
	c.t.Helper()
	var run struct{ ID string }
	c.site.Push(c.t, "replicated/large", "v1", webtest.Image{
		Layers: []map[string]string{{"noise": string(distributiontest.Bytes(1, 100_000))}}, // a minute and more
	})
	c.send(call{id: "setReplicationRule", params: rule, body: object{
		"endpoint": "far", "direction": "push", "repositories": "replicated/**", "namespace": "slow", "rate": 1024,
	}}, 200)
	c.send(call{id: "startReplication", params: rule}, 201).into(c.t, &run)
	c.send(call{id: "startReplication", params: rule}, 409)
	at := map[string]string{"run": run.ID}
	var stands struct {
		State   string
		Waiting int64
	}
	for range 400 {
		if c.send(call{id: "getReplicationRun", params: at}, 200).into(c.t, &stands); stands.Waiting > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.send(call{id: "stopReplication", params: at}, 204)
	for range 400 {
		if c.send(call{id: "getReplicationRun", params: at}, 200).into(c.t, &stands); stands.State == "stopped" {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	var again struct{ Cause string }
	c.send(call{id: "retryReplication", params: at}, 201).into(c.t, &again)
	if stands.State != "stopped" || again.Cause != "retry" {
		c.t.Errorf("%+v, then %+v", stands, again)
	}
}
