package api_test

import (
	"encoding/json"
	"strings"
)

// proxies makes a proxy, changes it, and makes an ordinary project of it.
func (c *client) proxies() {
	c.t.Helper()
	hub := map[string]string{"project": "hub"}
	c.send(call{id: "setProxy", params: hub, body: map[string]any{"upstream": "docker.io", "public": true}}, 204)
	c.send(call{id: "setProxy", params: hub, body: map[string]any{
		"upstream": "docker.io", "user": "me", "password": "correct horse", "fresh": "0s", "keep": "720h",
		"repositories": []string{"library/*"}, "rate": 1000000,
	}}, 204)
	for _, wrong := range []map[string]any{
		{"upstream": ""},
		{"upstream": "docker.io", "fresh": "soon"},
		{"upstream": "docker.io", "keep": "-1h"},
		{"upstream": "docker.io", "repositories": []string{"A B"}},
	} {
		c.send(call{id: "setProxy", params: hub, body: wrong}, 400)
	}
	reply := c.send(call{id: "listProxies"}, 200)
	var all struct {
		Items []struct {
			Project, Upstream, User, Fresh, Keep string
			Repositories                         []string
			Rate                                 int64
		}
	}
	if err := json.Unmarshal(reply.body, &all); err != nil || len(all.Items) != 1 || strings.Contains(string(reply.body), "horse") {
		c.t.Fatalf("%s %v", reply.body, err)
	}
	if p := all.Items[0]; p.Project != "hub" || p.Upstream != "docker.io" || p.Fresh != "0s" || p.Keep != "720h0m0s" || p.Rate != 1000000 {
		c.t.Errorf("%+v", p)
	}
	c.send(call{id: "deleteProxy", params: hub}, 204)
	c.send(call{id: "deleteProxy", params: hub}, 404)
}
