package api_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"cove/registry/identity/jwttest"
)

// trust makes a rule whose issuer's keys are given, signs in with a token, has the rule
// ask for more, and takes it away again.
func (c *client) trust(noun string, at map[string]string, name string) {
	issuer := jwttest.Start(c.t)
	rule := object{
		"issuer": issuer.URL, "audience": "registry", "keySet": issuer.Set(), "rights": []string{"push"},
		"claims": object{"repository": []string{"octo/*"}},
	}
	made := maps.Clone(rule)
	made["name"] = at["rule"]
	for field, value := range map[string]any{
		"name": "C I", "issuer": "http://x.test", "audience": "", "claims": object{}, "rights": []string{}, "keySet": "x",
	} {
		bad := maps.Clone(made)
		bad[field] = value
		c.send(call{id: "create" + noun, params: at, body: bad}, 400)
	}
	c.send(call{id: "create" + noun, params: at, body: made}, 201)
	c.send(call{id: "create" + noun, params: at, body: made}, 409)
	if names, _ := c.send(call{id: "list" + noun, params: at}, 200).names(c.t); !slices.Equal(names, []string{name}) {
		c.t.Errorf("rules %q", names)
	}
	token := issuer.Sign(c.t, jwttest.GitHub("registry", nil))
	status := func() int { return c.site.Status(c.t, "ci", token, "POST", "/v2/team/app/blobs/uploads/") }
	if got := status(); got != 202 {
		c.t.Errorf("%s pushes: %d", name, got)
	}
	seen := c.send(call{id: "get" + noun, params: at}, 200)
	stale := http.Header{"If-Match": {seen.header.Get("ETag")}}
	rule["claims"] = object{"repository": []string{"octo/other"}}
	c.send(call{id: "set" + noun, params: at, body: rule, header: stale}, 200)
	c.send(call{id: "set" + noun, params: at, body: rule, header: stale}, 412)
	if c.settled(); status() != 401 {
		c.t.Errorf("%s pushes with claims that are not enough any more", name)
	}
	var found struct {
		Items []struct {
			Taken  bool
			Reason string
		}
	}
	c.send(call{id: "check" + noun, params: at, body: object{"token": token}}, 200).into(c.t, &found)
	if want := `the token: its claim repository is "octo/app", which does not match octo/other`; len(found.Items) != 1 ||
		found.Items[0].Taken || found.Items[0].Reason != want {
		c.t.Errorf("a token is found %+v", found)
	}
	c.send(call{id: "switch" + noun, params: at, body: object{"disabled": true}}, 204)
	if seen := c.send(call{id: "get" + noun, params: at}, 200); !strings.Contains(string(seen.body), `"disabled":true`) {
		c.t.Errorf("a rule that was disabled: %s", seen.body)
	}
	c.send(call{id: "delete" + noun, params: at}, 204)
	c.send(call{id: "switch" + noun, params: at, body: object{"disabled": false}}, 404)
	c.send(call{id: "delete" + noun, params: at}, 404)
	c.send(call{id: "set" + noun, params: at, body: rule}, 404)
}
