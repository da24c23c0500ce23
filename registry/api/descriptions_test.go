package api_test

import (
	"net/http"
	"net/url"
	"strings"

	"cove/registry/describe"
	"cove/registry/web/webtest"
)

// descriptions says what a repository is for, under a name that it loses, and asks what takes
// the space in it.
func (c *client) descriptions() {
	c.send(call{id: "createProject", body: object{"name": "described"}}, 201)
	c.send(call{id: "createUser", body: object{"name": "reader", "password": webtest.Password}}, 201)
	c.site.Push(c.t, "described/app", "v1", webtest.Image{Layers: []map[string]string{
		{"big": strings.Repeat("b", 9000), "same": "1"}, {"same": "22", ".wh.big": ""},
	}})
	c.site.Push(c.t, "described/app", "v2", webtest.Image{Layers: []map[string]string{{"n": strings.Repeat("two", 9000)}}})
	app := map[string]string{"repository": "described/app"}
	var d struct {
		Name, Text, Description, ChangedBy string
		Tags                               struct{ Value int }
	}
	c.send(call{id: "getRepository", params: app}, 200).into(c.t, &d)
	if d.Name != "described/app" || d.Description != "" || d.Tags.Value != 2 {
		c.t.Errorf("%+v", d)
	}
	none := c.send(call{id: "getDescription", params: app}, 200)
	c.send(call{id: "setDescription", params: app, body: object{"text": "# Shop\r\nwith *all*\n\n"}}, 200)
	c.send(call{id: "getDescription", params: app}, 200).into(c.t, &d)
	c.send(call{id: "getRepository", params: app}, 200).into(c.t, &d)
	if want := "# Shop\nwith *all*"; d.Text != want || d.Description != want || d.ChangedBy != "admin" {
		c.t.Errorf("%+v", d)
	}
	stale := http.Header{"If-Match": {none.header.Get("ETag")}}
	c.send(call{id: "setDescription", params: app, body: object{"text": "late"}, header: stale}, 412)
	for _, wrong := range []string{"\x07", strings.Repeat("ä", describe.Longest+1)} {
		c.send(call{id: "setDescription", params: app, body: object{"text": wrong}}, 400)
	}
	for _, text := range []string{strings.Repeat("ä", describe.Longest), "<script>"} {
		c.send(call{id: "setDescription", params: app, body: object{"text": text}}, 200)
	}
	c.send(call{id: "setDescription", params: app, body: object{"text": "x"}, who: "reader"}, 403)
	c.send(call{id: "setDescription", params: map[string]string{"repository": "described/absent"}, body: object{"text": "x"}}, 404)
	c.send(call{id: "getDescription", params: map[string]string{"repository": "described/absent"}}, 404)
	c.send(call{id: "getRepository", params: map[string]string{"repository": "described/absent"}}, 404)
	c.send(call{id: "getRepository", params: map[string]string{"repository": "described/A"}}, 400)
	c.send(call{id: "renameRepository", params: app, body: object{"to": "described/web"}}, 200)
	web := map[string]string{"repository": "described/web"}
	c.send(call{id: "getRepository", params: web}, 200).into(c.t, &d)
	if d.Name != "described/web" || d.Description != "<script>" {
		c.t.Errorf("under another name: %+v", d)
	}
	c.send(call{id: "setDescription", params: web, body: object{"text": ""}}, 200)
	c.send(call{id: "getRepository", params: web}, 200).into(c.t, &d)
	if d.Description != "" {
		c.t.Errorf("%+v", d)
	}
	c.space()
}

func (c *client) space() {
	var s struct {
		Files, HiddenFiles int
		Bytes, HiddenBytes int64
		Largest            []struct{ Path, Layer string }
		Hidden             []struct {
			Path, Layer, By string
			Deleted         bool
		}
	}
	c.send(call{id: "getSpace", params: map[string]string{"artifact": "described/web:v1"}}, 200).into(c.t, &s)
	if s.Files != 1 || s.Bytes != 2 || s.HiddenFiles != 2 || s.HiddenBytes != 9001 || len(s.Largest) != 1 || len(s.Hidden) != 2 ||
		s.Hidden[0].Path != "big" || !s.Hidden[0].Deleted || s.Hidden[1].Path != "same" || s.Hidden[1].Deleted ||
		s.Hidden[1].By != s.Largest[0].Layer || s.Hidden[1].Layer == s.Hidden[1].By {
		c.t.Errorf("%+v", s)
	}
	c.send(call{id: "getSpace", params: map[string]string{"artifact": "described/web:absent"}}, 404)
	c.send(call{id: "getSpace", params: map[string]string{"artifact": "described/web:v1"}, who: "reader"}, 403)
	var first, second struct {
		Items []struct{ Name string }
		Next  string
	}
	web, q := map[string]string{"repository": "described/web"}, url.Values{"order": {"size"}, "limit": {"1"}}
	c.send(call{id: "listTags", params: web, query: q}, 200).into(c.t, &first)
	q.Set("after", first.Next)
	c.send(call{id: "listTags", params: web, query: q}, 200).into(c.t, &second)
	if len(first.Items) != 1 || len(second.Items) != 1 || first.Items[0].Name != "v1" && first.Items[0].Name != "v2" ||
		first.Items[0].Name == second.Items[0].Name || second.Next != "" {
		c.t.Errorf("by size: %+v %+v", first, second)
	}
	c.send(call{id: "listTags", params: web, query: url.Values{"order": {"age"}}}, 400)
}
