package harbor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/distribution/signature/signaturetest"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// harborClient sends requests as Harbor's clients do.
type harborClient struct {
	t    *testing.T
	site *webtest.Site
	who  [2]string // name and password
}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// do sends a request, whose answer must have this status; 0 is any.
func (c harborClient) do(method, path string, body any, want int) answer {
	c.t.Helper()
	return c.ask(method, "/api/v2.0"+path, body, want)
}

// ask is do at any path.
func (c harborClient) ask(method, path string, body any, want int) answer {
	c.t.Helper()
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.site.URL+path, bytes.NewReader(sent))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if c.who[0] != "" {
		r.SetBasicAuth(c.who[0], c.who[1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || want != 0 && resp.StatusCode != want {
		c.t.Fatalf("%s %s: %d, want %d\n%s %v", method, path, resp.StatusCode, want, text, err)
	}
	return answer{c.t, resp.StatusCode, resp.Header, text}
}

// has wants these texts in the answer.
func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(a.body), text) {
			a.t.Errorf("no %s in\n%s", text, a.body)
		}
	}
	return a
}

func (a answer) hasNot(text string) answer {
	a.t.Helper()
	if strings.Contains(string(a.body), text) {
		a.t.Errorf("%s is in\n%s", text, a.body)
	}
	return a
}

// id is the number at the end of Location.
func (a answer) id() string {
	a.t.Helper()
	location := a.header.Get("Location")
	if !strings.HasPrefix(location, "/api/v2.0/") {
		a.t.Fatalf("Location %q", location)
	}
	return location[strings.LastIndex(location, "/")+1:]
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v\n%s", err, a.body)
	}
}

type object = map[string]any

// TestFacade does what Harbor's Terraform provider, its command line and updaters of images
// do, on both databases.
func TestFacade(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			var cfg config.Config
			if engine == "postgres" {
				cfg.Database = metadatatest.Postgres(t).New(t)
			}
			c := harborClient{t, webtest.Start(t, cfg), [2]string{"admin", webtest.Password}}
			system(c)
			project := projects(c)
			content(c)
			people(c, project)
			robots(c, project)
			rules(c)
			labelled(c)
		})
	}
}

func system(c harborClient) {
	c.t.Helper()
	nobody := harborClient{c.t, c.site, [2]string{}}
	if got := string(nobody.do("GET", "/ping", nil, 200).body); got != "Pong" {
		c.t.Errorf("ping: %q", got)
	}
	nobody.do("GET", "/health", nil, 200).has(`"status":"healthy"`, `"name":"database"`)
	nobody.do("GET", "/systeminfo", nil, 200).has(`"auth_mode":"db_auth"`, `"registry_url":"127.0.0.1:`, `"project_creation_restriction":"adminonly"`).
		hasNot("harbor_version")
	c.do("GET", "/systeminfo", nil, 200).has(`"harbor_version":"v2.`)
	c.do("GET", "/users/current", nil, 200).has(`"username":"admin"`, `"sysadmin_flag":true`)
	wrong := harborClient{c.t, c.site, [2]string{"admin", "wrong"}}
	wrong.do("GET", "/users/current", nil, 401).has(`"code":"UNAUTHORIZED"`)
	c.do("GET", "/preheat/instances", nil, 404).has(`"code":"NOT_FOUND"`, "/api/v1")
	c.do("GET", "/nowhere", nil, 404)
	if allow := c.do("PATCH", "/projects", nil, 405).header.Get("Allow"); allow != "GET, HEAD, POST" {
		c.t.Errorf("Allow: %s", allow)
	}
}

func projects(c harborClient) (id string) {
	c.t.Helper()
	id = c.do("POST", "/projects", object{
		"project_name": "team", "storage_limit": -1, "metadata": object{"public": "false", "auto_scan": "false"},
	}, 201).id()
	c.do("POST", "/projects", object{"project_name": "team"}, 409).has(`"code":"CONFLICT"`)
	c.do("POST", "/projects", object{"project_name": "Not A Name"}, 400).has(`"code":"BAD_REQUEST"`)
	c.do("POST", "/projects", object{"project_name": "x", "metadata": object{"max_upstream_conn": "5"}}, 400).has("registry_id")
	c.do("POST", "/projects", object{"project_name": "x", "metadata": object{"severity": "high"}}, 501).has("prevent_vul")
	c.do("POST", "/projects", object{"project_name": "x", "metadata": object{"prevent_vul": "true", "severity": "odd"}}, 400).has("odd")
	c.do("GET", "/projects/x", nil, 404)
	c.do("GET", "/projects/", nil, 200).has(`"team"`)
	c.do("POST", "/projects", object{"project_name": "x", "registry_id": 3}, 400).has("registry_id")
	c.do("POST", "/projects", object{"project_name": "x", "metadata": object{"proxy_speed_kb": "100"}}, 400).has("registry_id")
	c.do("PUT", "/projects/team", object{"metadata": object{"max_upstream_conn": "3"}}, 400).has("is no proxy")
	c.do("POST", "/projects", object{"project_name": "x", "no_such": 3}, 400).has("no_such")
	for i := range 12 {
		c.do("POST", "/projects", object{"project_name": fmt.Sprintf("many-%02d", i), "public": true}, 201)
	}
	named := c.do("GET", "/projects/team", nil, 200).has(`"name":"team"`, `"public":"false"`, `"project_id":`+id, `"repo_count":0`)
	if string(c.do("GET", "/projects/"+id, nil, 200).body) != string(named.body) {
		c.t.Error("the number is not the name's project")
	}
	page := c.do("GET", "/projects?page=2&page_size=5&q=name=~many", nil, 200).has("many-05", "many-09").hasNot("many-10")
	if page.header.Get("X-Total-Count") != "12" || len(strings.Split(page.header.Get("Link"), ", ")) != 2 {
		c.t.Errorf("page 2: %v", page.header)
	}
	c.do("GET", "/projects?q=name=many-01", nil, 200).has("many-01").hasNot("many-02")
	c.do("GET", "/projects?public=true&name=e", nil, 200).hasNot(`"team"`)
	c.do("GET", "/projects?q=colour=red", nil, 501).has("colour")
	c.do("GET", "/projects?page_size=101", nil, 400)
	harborClient{c.t, c.site, [2]string{}}.do("GET", "/projects?page_size=100", nil, 200).hasNot(`"team"`).has("many-11")
	c.do("PUT", "/projects/team", object{"metadata": object{"public": "true"}}, 200)
	c.do("GET", "/projects/team/metadatas/public", nil, 200).has(`{"public":"true"}`)
	c.do("PUT", "/projects/team/metadatas/public", object{"public": "false"}, 200)
	c.do("GET", "/projects/team/metadatas/", nil, 200).has(`"public":"false"`)
	c.do("PUT", "/projects/team/metadatas/prevent_vul", object{"prevent_vul": "true"}, 400).has("severity")
	c.do("GET", "/projects/team/metadatas/", nil, 200).has(`"auto_scan":"false"`, `"prevent_vul":"false"`, `"reuse_sys_cve_allowlist":"true"`)
	c.do("PUT", "/projects/team/metadatas/auto_scan", object{"auto_scan": "true"}, 200)
	c.do("GET", "/projects/team/metadatas/auto_scan", nil, 200).has(`"true"`)
	signatures(c)
	c.do("HEAD", "/projects?project_name=many-11", nil, 200)
	c.do("HEAD", "/projects?project_name=many-99", nil, 404)
	c.do("GET", "/projects/many-11/_deletable", nil, 200).has(`"deletable":true`)
	c.do("DELETE", "/projects/many-11", nil, 200)
	c.do("GET", "/projects/many-11", nil, 404).has(`"code":"NOT_FOUND"`)
	return id
}

// signatures turns the policy of a project on and off by Harbor's settings.
func signatures(c harborClient) {
	c.t.Helper()
	const cosign, notation = "enable_content_trust_cosign", "enable_content_trust"
	on, off := object{"metadata": object{cosign: "true"}}, object{"metadata": object{cosign: "false", notation: "false"}}
	c.do("PUT", "/projects/team", on, 409).has("no key of this kind")
	key, err := json.Marshal(object{"name": "release", "pem": string(signaturetest.New(c.t, "ecdsa").PEM)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.site.API(c.t, "POST", "/projects/team/signing/keys", string(key), 201)
	c.do("PUT", "/projects/team/metadatas/"+notation, object{notation: "true"}, 409)
	c.do("PUT", "/projects/team", on, 200)
	c.do("GET", "/projects/team", nil, 200).has(`"enable_content_trust_cosign":"true"`).has(`"enable_content_trust":"false"`)
	c.do("PUT", "/projects/team", object{"metadata": object{notation: "false"}}, 200)
	c.do("GET", "/projects/team/metadatas/"+cosign, nil, 200).has(`{"enable_content_trust_cosign":"true"}`)
	c.do("PUT", "/projects/team", off, 200)
	c.do("GET", "/projects/team/metadatas/"+cosign, nil, 200).has(`{"enable_content_trust_cosign":"false"}`)
	c.do("GET", "/projects/team/metadatas/severity", nil, 404)
	c.site.API(c.t, "DELETE", "/projects/team/signing/keys/release", "", 204)
}

func content(c harborClient) {
	c.t.Helper()
	image := c.site.Push(c.t, "team/deep/app", "v1", webtest.Image{
		Layers: []map[string]string{{"app": "one"}}, Steps: []string{"COPY app /app"},
	})
	c.site.Push(c.t, "team/deep/app", "v2", webtest.Image{Layers: []map[string]string{{"app": "two"}}})
	c.site.Push(c.t, "team/deep/app", "", webtest.Image{Subject: &image, Type: "application/vnd.example.sbom"})
	c.site.Index(c.t, "team/multi", "latest", c.site.Push(c.t, "team/multi", "", webtest.Image{}))
	c.do("GET", "/projects/team/repositories", nil, 200).has(`"name":"team/deep/app"`, `"artifact_count":2`, `"name":"team/multi"`, `"artifact_count":1`)
	c.do("GET", "/repositories?q=name=~multi", nil, 200).has("team/multi").hasNot("deep")
	c.do("GET", "/search?q=deep", nil, 200).has(`"repository_name":"team/deep/app"`, `"project":[]`)
	const told = "/projects/team/repositories/deep%2Fapp"
	c.do("GET", told, nil, 200).has(`"description":""`)
	c.do("PUT", told, object{
		"id": 7, "project_id": 1, "name": "team/deep/app", "artifact_count": 1, "pull_count": 0, "description": "what it is for",
		"creation_time": "2026-01-01T00:00:00Z", "update_time": "2026-01-01T00:00:00Z",
	}, 200)
	c.do("PUT", told, object{"name": "team/other", "description": "x"}, 501).has("rename")
	c.do("PUT", told, object{"describe": "x"}, 400)
	c.do("PUT", told, object{"description": strings.Repeat("x", 20_000)}, 400)
	c.do("PUT", "/projects/team/repositories/absent", object{"description": "x"}, 404)
	c.do("GET", told, nil, 200).has(`"description":"what it is for"`)
	c.do("GET", "/projects/team/repositories", nil, 200).has(`"description":"what it is for"`)
	for _, path := range []string{"/projects/team/repositories/deep%2Fapp", "/projects/team/repositories/deep%252Fapp"} {
		c.do("GET", path, nil, 200).has(`"name":"team/deep/app"`)
		list := c.do("GET", path+"/artifacts", nil, 200).has(image.Digest.String(), `"type":"IMAGE"`, `"name":"v2"`)
		if list.header.Get("X-Total-Count") != "2" {
			c.t.Errorf("artifacts: %v\n%s", list.header, list.body)
		}
		c.do("GET", path+"/artifacts/v1", nil, 200).has(`"digest":"`+image.Digest.String(), `"type":"subject.accessory"`, `"subject_artifact_digest"`)
		c.do("GET", path+"/artifacts/"+image.Digest.String(), nil, 200).has(`"name":"v1"`)
	}
	const artifact = "/projects/team/repositories/deep%2Fapp/artifacts/"
	c.do("GET", "/projects/team/repositories/multi/artifacts/latest", nil, 200).has(`"references":[{"child_digest":"sha256:`)
	c.do("GET", artifact+"v1/additions/build_history", nil, 200).has("COPY app /app", `"empty_layer":true`)
	c.do("GET", artifact+"v1/accessories", nil, 200).has(`"type":"subject.accessory"`)
	c.do("POST", artifact+"v1/tags", object{"name": "stable"}, 201)
	c.do("POST", artifact+"v2/tags", object{"name": "stable"}, 409)
	c.do("GET", artifact+"v1/tags", nil, 200).has(`"name":"stable"`, `"name":"v1"`).hasNot("v2")
	c.do("DELETE", artifact+"v2/tags/stable", nil, 404)
	c.do("DELETE", artifact+"v1/tags/stable", nil, 200)
	c.do("GET", artifact+"stable", nil, 404)
	c.do("DELETE", artifact+"v2", nil, 200)
	c.do("GET", artifact+"v2", nil, 404)
	c.do("GET", artifact+"v1", nil, 200)
	copies(c)
	c.do("GET", "/projects/team/_deletable", nil, 200).has(`"deletable":false`)
	c.do("DELETE", "/projects/team", nil, 412).has(`"code":"PRECONDITION"`)
	c.do("DELETE", "/projects/team/repositories/multi", nil, 200)
	c.do("GET", "/projects/team/repositories/multi/artifacts", nil, 200).has("[]")
	c.do("GET", "/statistics", nil, 200).has(`"private_project_count":3`, `"total_project_count":14`)
}

// copies copies an artifact, and scans it: with what refers to it and all its tags, by who
// may pull the one and push the other.
func copies(c harborClient) {
	c.t.Helper()
	const target = "/projects/copies/repositories/app/artifacts"
	c.do("POST", "/projects", object{"project_name": "copies"}, 201)
	c.do("POST", "/projects/team/repositories/deep%2Fapp/artifacts/v1/tags", object{"name": "also"}, 201)
	c.do("POST", target+"?from=team/deep/app:also", nil, 201)
	c.do("GET", target+"/v1?with_scan_overview=true", nil, 200).has(`"name":"also"`, `"name":"v1"`, `"type":"subject.accessory"`).
		hasNot("scan_overview")
	c.do("GET", target+"/v1/additions/vulnerabilities", nil, 404).has("was not scanned")
	c.do("POST", target+"/v1/scan", nil, 202)
	for since := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		got := c.do("GET", target+"?with_scan_overview=true", nil, 200)
		if strings.Contains(string(got.body), `"scan_status":"Success"`) {
			got.has(`"scan_overview":{"application/vnd.security.vulnerability.report; version=1.1":`, `"complete_percent":100`)
			break
		}
		if time.Since(since) > time.Minute {
			c.t.Fatalf("the scan does not end: %s", got.body)
		}
	}
	c.do("GET", target+"/v1/additions/vulnerabilities", nil, 200).has(`"vulnerabilities":[]`, `"severity":"None"`)
	c.do("POST", "/users", object{"username": "carol", "password": webtest.Password}, 201)
	c.do("POST", "/projects/copies/members", object{"role_id": 2, "member_user": object{"username": "carol"}}, 201)
	carol := harborClient{c.t, c.site, [2]string{"carol", webtest.Password}}
	carol.do("POST", target+"?from=team/deep/app:v1", nil, 403)
	carol.do("POST", target+"?from=absent/app:v1", nil, 403)
	carol.do("POST", "/projects/team/repositories/deep%2Fapp/artifacts?from=copies/app:v1", nil, 403)
	carol.do("POST", target+"/v1/scan", nil, 403)
	carol.do("POST", "/projects/copies/repositories/own/artifacts?from=copies/app:v1", nil, 201)
	c.do("DELETE", "/projects/team/repositories/deep%2Fapp/artifacts/v1/tags/also", nil, 200)
}

func people(c harborClient, project string) {
	c.t.Helper()
	id := c.do("POST", "/users", object{
		"username": "alice", "password": webtest.Password, "email": "alice@example.com", "realname": "Alice",
	}, 201).id()
	c.do("GET", "/users?q=username=~ali", nil, 200).has(`"username":"alice"`).hasNot("admin\",")
	c.do("GET", "/users/"+id, nil, 200).has(`"username":"alice"`, `"user_id":`+id)
	alice := harborClient{c.t, c.site, [2]string{"alice", webtest.Password}}
	alice.do("GET", "/users", nil, 403).has(`"code":"FORBIDDEN"`)
	alice.do("GET", "/projects/team", nil, 403)
	alice.do("GET", "/projects/"+project, nil, 403)
	member := c.do("POST", "/projects/team/members", object{"role_id": 3, "member_user": object{"username": "alice"}}, 201).id()
	c.do("POST", "/projects/team/members", object{"role_id": 3, "member_user": object{"username": "alice"}}, 409)
	c.do("POST", "/projects/team/members", object{"role_id": 9, "member_user": object{"username": "alice"}}, 400)
	alice.do("GET", "/projects/team", nil, 200).has(`"current_user_role_id":3`)
	alice.do("DELETE", "/projects/team/repositories/deep%2Fapp/artifacts/v1", nil, 403)
	c.do("GET", "/projects/"+project+"/members?entityname=alice", nil, 200).has(`"role_name":"guest"`, `"entity_type":"u"`)
	c.do("PUT", "/projects/team/members/"+member, object{"role_id": 4}, 200)
	c.do("GET", "/projects/team/members/"+member, nil, 200).has(`"role_name":"maintainer"`)
	c.do("GET", "/projects/team/summary", nil, 200).has(`"maintainer_count":1`)
	c.do("DELETE", "/projects/team/members/"+member, nil, 200)
	alice.do("GET", "/projects/team", nil, 403)
	alice.do("PUT", "/users/"+id+"/password", object{"old_password": "wrong", "new_password": "another one here"}, 403)
	alice.do("PUT", "/users/"+id+"/password", object{"old_password": webtest.Password, "new_password": "another one here"}, 200)
	for since := time.Now(); c.site.Status(c.t, "alice", webtest.Password, "GET", "/api/v2.0/users/current") != 401; {
		if time.Since(since) > 10*time.Second { // it ends within a second
			c.t.Fatal("the old password is still good")
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.do("PUT", "/users/"+id+"/sysadmin", object{"sysadmin_flag": true}, 200)
	c.do("GET", "/users/"+id, nil, 200).has(`"sysadmin_flag":true`)
	c.do("DELETE", "/users/"+id, nil, 200)
	c.do("GET", "/users/"+id, nil, 404)
	c.do("GET", "/audit-logs?q=operation=project.create", nil, 200).has(`"operation":"create"`, `"resource_type":"project"`)
	c.do("GET", "/projects/team/logs", nil, 200).has(`"resource":"team"`)
}

func robots(c harborClient, project string) {
	c.t.Helper()
	pulls := object{"kind": "project", "namespace": "team", "access": []object{{"resource": "repository", "action": "pull"}}}
	var made struct{ Name, Secret string }
	reply := c.do("POST", "/robots", object{
		"name": "ci", "level": "project", "duration": 30, "permissions": []object{pulls},
	}, 201)
	reply.into(&made)
	if made.Name != "robot$team+ci" || made.Secret == "" {
		c.t.Errorf("made %+v", made)
	}
	one := "/robots/" + reply.id()
	if got := c.site.Status(c.t, made.Name, made.Secret, "GET", "/v2/team/deep/app/tags/list"); got != 200 {
		c.t.Errorf("the robot may not pull: %d", got)
	}
	if got := c.site.Status(c.t, made.Name, made.Secret, "POST", "/v2/team/deep/app/blobs/uploads/"); got != 403 {
		c.t.Errorf("the robot may push: %d", got)
	}
	c.do("GET", one, nil, 200).has(`"level":"project"`, `"duration":30`, `"namespace":"team"`, `"action":"pull"`).hasNot(made.Secret)
	c.do("GET", "/robots?q=Level=project,ProjectID="+project, nil, 200).has(made.Name)
	c.do("GET", "/robots", nil, 200).hasNot(made.Name)
	var fresh struct{ Secret string }
	c.do("PATCH", one, object{"secret": ""}, 200).into(&fresh)
	if got := c.site.Status(c.t, made.Name, fresh.Secret, "GET", "/v2/team/deep/app/tags/list"); got != 200 {
		c.t.Errorf("with the new secret: %d", got)
	}
	same := object{"name": made.Name, "level": "project", "duration": -1, "disable": true, "permissions": []object{pulls}}
	c.do("PUT", one, same, 200)
	c.do("GET", one, nil, 200).has(`"disable":true`, `"expires_at":-1`)
	same["permissions"] = []object{{"kind": "project", "namespace": "team", "access": []object{{"resource": "repository", "action": "push"}}}}
	c.do("PUT", one, same, 200)
	c.do("GET", one, nil, 200).has(`"action":"push"`, `"effect":"allow"`).hasNot(`"action":"pull"`)
	c.do("PUT", one, object{"name": "other", "level": "project", "duration": -1, "permissions": []object{pulls}}, 501).has("make another")
	c.do("POST", "/robots", object{"name": "x", "level": "project", "duration": -1, "permissions": []object{{
		"kind": "project", "namespace": "team", "access": []object{{"resource": "preheat-policy", "action": "fly"}},
	}}}, 501).has("preheat-policy:fly")
	wide := c.do("POST", "/robots", object{
		"name": "all", "level": "system", "duration": -1, "permissions": []object{
			{"kind": "project", "namespace": "*", "access": []object{{"resource": "repository", "action": "pull"}}},
		},
	}, 201)
	c.do("GET", "/robots", nil, 200).has(`"robot$all"`, `"namespace":"*"`)
	c.do("DELETE", "/robots/"+wide.id(), nil, 200)
	c.do("DELETE", one, nil, 200)
	c.do("GET", one, nil, 404)
}

func rules(c harborClient) {
	c.t.Helper()
	rule := object{
		"action": "immutable", "template": "immutable_template",
		"tag_selectors":   []object{{"kind": "doublestar", "decoration": "matches", "pattern": "v*"}},
		"scope_selectors": object{"repository": []object{{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}}},
	}
	id := c.do("POST", "/projects/team/immutabletagrules", rule, 201).id()
	c.do("GET", "/projects/team/immutabletagrules", nil, 200).has(`"id":`+id, `"pattern":"v*"`, `"decoration":"repoMatches"`)
	c.do("GET", "/projects/team/repositories/deep%2Fapp/artifacts/v1", nil, 200).has(`"immutable":true`)
	c.do("DELETE", "/projects/team/repositories/deep%2Fapp/artifacts/v1/tags/v1", nil, 403).has("is immutable")
	rule["disabled"] = true
	c.do("POST", "/projects/team/immutabletagrules", rule, 501)
	c.do("DELETE", "/projects/team/immutabletagrules/"+id, nil, 200)
	c.do("DELETE", "/projects/team/repositories/deep%2Fapp/artifacts/v1/tags/v1", nil, 200)
}

// labelled does what people and programs do with labels of all projects and of one.
func labelled(c harborClient) {
	c.t.Helper()
	c.do("POST", "/projects", object{"project_name": "marked"}, 201)
	image := c.site.Push(c.t, "marked/app", "v1", webtest.Image{})
	c.site.Push(c.t, "marked/app", "v2", webtest.Image{Layers: []map[string]string{{"n": "2"}}})
	var p struct {
		ID int64 `json:"project_id"`
	}
	c.do("GET", "/projects/marked", nil, 200).into(&p)
	everywhere := c.do("POST", "/labels", object{"name": "stable", "scope": "g", "color": "#1A7F37", "description": "good"}, 201).id()
	c.do("POST", "/labels", object{"name": "stable", "scope": "g"}, 409).has(`"code":"CONFLICT"`)
	mine := c.do("POST", "/labels", object{"name": "stable", "scope": "p", "project_id": p.ID}, 201).id()
	for _, wrong := range []object{
		{"name": "x"}, {"name": "x", "scope": "q"}, {"name": "x", "scope": "p"}, {"scope": "g"}, {"name": "x", "scope": "g", "color": "red"},
	} {
		c.do("POST", "/labels", wrong, 400)
	}
	c.do("GET", "/labels?scope=g", nil, 200).has(`"id":`+everywhere, `"scope":"g"`, `"project_id":0`, `"color":"#1A7F37"`).hasNot(mine)
	c.do("GET", fmt.Sprint("/labels?scope=p&project_id=", p.ID), nil, 200).has(`"id":`+mine, fmt.Sprint(`"project_id":`, p.ID)).hasNot(everywhere)
	c.do("GET", "/labels?scope=g&q=name=stab", nil, 200).hasNot(everywhere)
	c.do("GET", "/labels?scope=g&q=name=~stab", nil, 200).has(everywhere)
	c.do("GET", "/labels?scope=g&name=stab&sort=-name", nil, 200).has(everywhere)
	c.do("GET", "/labels?scope=g&sort=color", nil, 400)
	c.do("GET", "/labels?scope=p", nil, 400)
	c.do("GET", "/labels?scope=p&project_id=12345", nil, 404)
	c.do("GET", "/labels/"+mine, nil, 200).has(`"name":"stable"`, `"scope":"p"`)
	c.do("GET", "/labels/7", nil, 404)
	c.do("GET", "/labels/seven", nil, 400)
	c.do("PUT", "/labels/"+mine, object{"name": "reviewed", "color": "#cf222e", "scope": "p", "project_id": p.ID}, 200)
	c.do("PUT", "/labels/"+mine, object{"name": "reviewed", "scope": "g"}, 501)

	const one = "/projects/marked/repositories/app/artifacts/v1"
	number := func(id string) object { return object{"id": json.Number(id)} }
	c.do("POST", one+"/labels", number(everywhere), 200)
	c.do("POST", one+"/labels", number(everywhere), 409)
	c.do("POST", one+"/labels", number(mine), 200)
	c.do("POST", one+"/labels", number("7"), 404)
	c.do("POST", one+"/labels", object{}, 400)
	c.do("POST", "/projects/marked/repositories/app/artifacts/absent/labels", number(mine), 404)
	c.do("GET", one+"?with_label=true", nil, 200).has(`"labels":[{"id":`, `"name":"reviewed"`, `"name":"stable"`)
	for query, want := range map[string]bool{
		"labels=(" + everywhere + " " + mine + ")": true, "labels=" + mine: true, "labels=nil": false, "labels=*": true, "labels=7": false,
	} {
		reply := c.do("GET", "/projects/marked/repositories/app/artifacts?q="+url.QueryEscape(query), nil, 200)
		if got := strings.Contains(string(reply.body), image.Digest.String()); got != want {
			c.t.Errorf("q=%s: %v", query, got)
		}
	}
	c.do("POST", "/projects", object{"project_name": "unmarked"}, 201)
	c.site.Push(c.t, "unmarked/app", "v1", webtest.Image{})
	c.do("POST", "/projects/unmarked/repositories/app/artifacts/v1/labels", number(mine), 404).has("project")
	c.do("DELETE", one+"/labels/"+mine, nil, 200)
	c.do("DELETE", one+"/labels/"+mine, nil, 404)
	c.do("DELETE", "/labels/"+everywhere, nil, 200)
	c.do("GET", one, nil, 200).has(`"labels":[]`)
	c.do("DELETE", "/labels/"+mine, nil, 200)
	c.do("DELETE", "/labels/"+mine, nil, 404)
}
