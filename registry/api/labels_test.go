package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cove/registry/web/webtest"
)

// labels makes labels of all projects and of one, and puts them on an artifact.
func (c *client) labels() {
	c.send(call{id: "createProject", body: object{"name": "marked"}}, 201)
	c.site.Push(c.t, "marked/app", "v1", webtest.Image{})
	c.site.Push(c.t, "marked/app", "v2", webtest.Image{Layers: []map[string]string{{"other": "1"}}})
	everywhere := c.labelsOf("Global", map[string]string{}, "stable")
	c.labelsOf("", map[string]string{"project": "marked"}, "reviewed")
	c.send(call{id: "createGlobalLabel", body: object{"name": "x"}, who: "ann"}, 403)
	c.send(call{id: "listGlobalLabels", who: "ann"}, 200)
	c.send(call{id: "getLabel", params: map[string]string{"project": "marked", "label": everywhere}}, 404)

	v1, sum := map[string]string{"artifact": "marked/app:v1"}, map[string]string{}
	c.send(call{id: "putLabel", params: v1, body: object{"name": "stable"}}, 204)
	c.send(call{id: "putLabel", params: v1, body: object{"name": "stable"}}, 409)
	c.send(call{id: "putLabel", params: v1, body: object{"name": "absent"}}, 404)
	c.send(call{id: "putLabel", params: map[string]string{"artifact": "marked/app:absent"}, body: object{"name": "stable"}}, 404)
	c.send(call{id: "putLabel", params: v1, body: object{"name": "reviewed", "global": true}}, 404)
	c.send(call{id: "putLabel", params: v1, body: object{"name": "stable"}, who: "ann"}, 403)
	var seen struct {
		Digest string
		Labels []string
	}
	c.send(call{id: "getArtifact", params: v1}, 200).into(c.t, &seen)
	if !slices.Equal(seen.Labels, []string{"stable"}) {
		c.t.Errorf("labels of an artifact %q", seen.Labels)
	}
	sum["artifact"] = "marked/app@" + seen.Digest
	c.send(call{id: "putLabel", params: sum, body: object{"name": "reviewed"}}, 204)
	app := map[string]string{"repository": "marked/app"}
	for label, want := range map[string]string{"stable": "v1", "reviewed": "v1", "absent": "", "": "v2 v1"} {
		for _, order := range []string{"newest", "name"} {
			q := url.Values{"order": {order}}
			if label != "" {
				q.Set("label", label)
			}
			names, _ := c.send(call{id: "listTags", params: app, query: q}, 200).names(c.t)
			if order == "name" {
				slices.Reverse(names)
			}
			if got := strings.Join(names, " "); got != want {
				c.t.Errorf("tags with %q by %s: %s, want %s", label, order, got, want)
			}
		}
	}
	c.send(call{id: "takeLabel", params: sum, query: url.Values{"name": {"stable"}, "global": {"true"}}}, 204)
	c.send(call{id: "takeLabel", params: v1, query: url.Values{"name": {"stable"}}}, 404)
	c.send(call{id: "takeLabel", params: v1, query: url.Values{"name": {"stable"}, "global": {"perhaps"}}}, 400)
	c.send(call{id: "deleteGlobalLabel", params: map[string]string{"label": everywhere}}, 204)
	c.send(call{id: "deleteGlobalLabel", params: map[string]string{"label": everywhere}}, 404)
}

// labelsOf makes a label and changes it, and returns its id. One of a project it removes at
// last, and makes another of the name.
func (c *client) labelsOf(word string, params map[string]string, name string) (id string) {
	with := func(id string) map[string]string {
		return map[string]string{"project": params["project"], "label": id}
	}
	made := c.send(call{id: "create" + word + "Label", params: params, body: object{"name": name, "color": "#1A7F37"}}, 201)
	var l struct{ ID, Name, Color, Description, Project string }
	made.into(c.t, &l)
	if at := made.header.Get("Location"); !strings.HasSuffix(at, "/labels/"+l.ID) || l.Project != params["project"] || l.Color != "#1A7F37" {
		c.t.Errorf("made %+v at %s", l, at)
	}
	c.send(call{id: "create" + word + "Label", params: params, body: object{"name": name}}, 409)
	c.send(call{id: "create" + word + "Label", params: params, body: object{"name": "x", "color": "red"}}, 400)
	c.send(call{id: "get" + word + "Label", params: with("7")}, 404)
	stale := http.Header{"If-Match": {c.send(call{id: "get" + word + "Label", params: with(l.ID)}, 200).header.Get("ETag")}}
	c.send(call{id: "change" + word + "Label", params: with(l.ID), header: stale, body: object{"description": "good"}}, 200)
	c.send(call{id: "change" + word + "Label", params: with(l.ID), header: stale, body: object{"description": "bad"}}, 412)
	if names, _ := c.send(call{id: "list" + word + "Labels", params: params, query: url.Values{"match": {name[1:]}}}, 200).names(c.t); !slices.Equal(names, []string{name}) {
		c.t.Errorf("labels %q", names)
	}
	if word == "" {
		c.send(call{id: "deleteLabel", params: with(l.ID)}, 204)
		again := c.send(call{id: "createLabel", params: params, body: object{"name": name}}, 201)
		c.send(call{id: "restoreLabel", params: params, body: object{"name": name}}, 409) // another has it
		again.into(c.t, &l)
		c.send(call{id: "deleteLabel", params: with(l.ID)}, 204)
		c.send(call{id: "restoreLabel", params: params, body: object{"name": name}}, 200)
	} else {
		c.send(call{id: "deleteGlobalLabel", params: with(l.ID)}, 204)
		c.send(call{id: "restoreGlobalLabel", body: object{"name": name}, who: "ann"}, 403)
		c.send(call{id: "restoreGlobalLabel", body: object{"name": name}}, 200)
	}
	c.send(call{id: "restore" + word + "Label", params: params, body: object{"name": "never"}}, 404)
	return l.ID
}
