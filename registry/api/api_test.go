package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// client calls operations by what the document says of them.
type client struct {
	t      *testing.T
	site   *webtest.Site
	doc    *openapi3.T
	called map[string]bool // the operations that succeeded
	dsn    string          // of the site's database
}

func newClient(t *testing.T, cfg config.Config) *client {
	t.Helper()
	cfg.Outbound.Allow = []string{"127.0.0.0/8"} // where receivers of the tests are
	site := webtest.Start(t, cfg)
	text := site.Do(t, webtest.Call{Method: "GET", Path: "/api/v1/openapi.json"}, 200)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		t.Fatalf("the document: %v\n%s", err, text)
	}
	if cfg.Database == "" {
		cfg.Database = filepath.Join(site.Root, "registry.db")
	}
	return &client{t, site, doc, map[string]bool{"getDocument": true}, cfg.Database}
}

// call is one call of an operation.
type call struct {
	id     string
	params map[string]string // of the path
	query  url.Values
	header http.Header
	body   any
	who    string // "" is admin
}

// reply is what came of it.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// find is the operation's place in the document.
func (c *client) find(id string) *routers.Route {
	c.t.Helper()
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == id {
				return &routers.Route{Spec: c.doc, Server: c.doc.Servers[0], Path: path, PathItem: item, Method: method, Operation: op}
			}
		}
	}
	c.t.Fatalf("the document has no operation %s", id)
	return nil
}

// send sends a call; request and answer must be as the document has them.
func (c *client) send(in call, want int) reply {
	c.t.Helper()
	route := c.find(in.id)
	path := route.Path
	for name, value := range in.params {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	var body []byte
	if in.body != nil {
		body, _ = json.Marshal(in.body)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), route.Method, c.site.URL+c.doc.Servers[0].URL+path+"?"+in.query.Encode(),
		bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, in.header)
	if in.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if in.who == "" {
		in.who = "admin"
	}
	r.SetBasicAuth(in.who, webtest.Password)
	checked := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: in.params, QueryParams: in.query, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(c.t.Context(), checked); err != nil && want < 300 {
		c.t.Errorf("%s: the request is not the document's: %v", in.id, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		c.t.Fatalf("%s %v: %d, want %d\n%s %v", in.id, in.params, resp.StatusCode, want, text, err)
	}
	if err := openapi3filter.ValidateResponse(c.t.Context(), (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: checked, Status: resp.StatusCode, Header: resp.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}).SetBodyBytes(text)); err != nil {
		c.t.Errorf("%s: the answer is not the document's: %v\n%s", in.id, err, text)
	}
	if want < 300 {
		c.called[in.id] = true
	}
	return reply{resp.StatusCode, resp.Header, text}
}

// names are those of a list, and where the next page begins.
// into decodes the answer.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatal(err)
	}
}

func (r reply) names(t *testing.T) (names []string, next string) {
	t.Helper()
	var page struct {
		Items []struct{ Name string }
		Next  string
	}
	if err := json.Unmarshal(r.body, &page); err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		names = append(names, item.Name)
	}
	return names, page.Next
}

// engines runs a test on each kind of database.
func engines(t *testing.T, test func(t *testing.T, cfg config.Config)) {
	t.Run("sqlite", func(t *testing.T) { test(t, config.Config{}) })
	t.Run("postgres", func(t *testing.T) { test(t, config.Config{Database: metadatatest.Postgres(t).New(t)}) })
}

type object = map[string]any

// TestEveryOperation calls all that the document has, as it says.
func TestEveryOperation(t *testing.T) {
	engines(t, func(t *testing.T, cfg config.Config) {
		c := newClient(t, cfg)
		c.people()
		c.places()
		c.labels()
		c.access()
		c.robots("Robot", map[string]string{"project": "team", "robot": "ci"}, "robot$team+ci")
		c.robots("SystemRobot", map[string]string{"robot": "all"}, "robot$all")
		c.trust("Trust", map[string]string{"project": "team", "rule": "ci"}, "trust$team+ci")
		c.trust("SystemTrust", map[string]string{"rule": "all"}, "trust$all")
		c.tokens()
		c.content()
		c.audited()
		c.descriptions()
		c.jobs()
		c.webhooks()
		c.tags()
		c.quotas()
		c.scans()
		c.signatures()
		c.retention()
		c.proxies()
		c.replication()
		for path, item := range c.doc.Paths.Map() {
			for _, op := range item.Operations() {
				if !c.called[op.OperationID] {
					t.Errorf("%s (%s) was not called", op.OperationID, path)
				}
			}
		}
	})
}

func (c *client) people() {
	ann := map[string]string{"user": "ann"}
	made := c.send(call{id: "createUser", body: object{"name": "ann", "password": webtest.Password}}, 201)
	if made.header.Get("Location") != "/api/v1/users/ann" {
		c.t.Errorf("made at %q", made.header.Get("Location"))
	}
	c.send(call{id: "createUser", body: object{"name": "ann", "password": webtest.Password}}, 409)
	c.send(call{id: "createUser", body: object{"name": "../etc", "password": webtest.Password}}, 400)
	c.send(call{id: "createUser", body: object{"name": "short", "password": "x"}}, 400)
	seen := c.send(call{id: "getUser", params: ann}, 200)
	if tag := made.header.Get("ETag"); tag == "" || tag != seen.header.Get("ETag") {
		c.t.Errorf("ETag %q when made, %q when seen", tag, seen.header.Get("ETag"))
	}
	if got := c.send(call{id: "getUser", params: ann, header: http.Header{"If-None-Match": {seen.header.Get("ETag")}}}, 304); len(got.body) > 0 {
		c.t.Errorf("a 304 with a body: %s", got.body)
	}
	c.send(call{id: "getMe", who: "ann"}, 200)
	if strings.Contains(string(seen.body), "argon2") {
		c.t.Errorf("a user shows his hash: %s", seen.body)
	}
	condition := http.Header{"If-Match": {seen.header.Get("ETag")}}
	c.send(call{id: "changeUser", params: ann, header: condition, body: object{"admin": true}}, 200)
	c.send(call{id: "changeUser", params: ann, header: condition, body: object{"disabled": true}}, 412)
	c.send(call{id: "changeUser", params: map[string]string{"user": "admin"}, body: object{"disabled": true}}, 200)
	// Now the only administrator is ann: she stays.
	c.settled().send(call{id: "changeUser", params: ann, body: object{"admin": false}, who: "ann"}, 409)
	c.send(call{id: "changeUser", params: map[string]string{"user": "admin"}, body: object{"disabled": false}, who: "ann"}, 200)
	c.settled().send(call{id: "changeUser", params: ann, body: object{"admin": false}}, 200)
	c.send(call{id: "setPassword", params: ann, body: object{"password": webtest.Password}}, 204)
	for _, life := range []string{"soon", "-1h", "1s", "9000h"} {
		c.send(call{id: "createPasswordLink", params: ann, body: object{"for": life}}, 400)
	}
	if link := c.send(call{id: "createPasswordLink", params: ann, body: object{"for": "1h"}}, 201); !strings.Contains(string(link.body), `"path":"/password?token=`) {
		c.t.Errorf("a link: %s", link.body)
	}
	c.send(call{id: "deletePasswordLink", params: ann}, 204)
	c.send(call{id: "deletePasswordLink", params: ann}, 404)
	c.settled().send(call{id: "setMyPassword", body: object{"password": webtest.Password}, who: "ann"}, 204)
	c.settled()
	names, next := c.send(call{id: "listUsers", query: url.Values{"limit": {"1"}}}, 200).names(c.t)
	if !slices.Equal(names, []string{"admin"}) || next != "admin" {
		c.t.Errorf("first page %q, next %q", names, next)
	}
	second := c.send(call{id: "listUsers", query: url.Values{"limit": {"1"}, "after": {next}}}, 200)
	if names, next := second.names(c.t); !slices.Equal(names, []string{"ann"}) || next != "" || second.header.Get("Link") != "" {
		c.t.Errorf("last page %q, next %q, Link %q", names, next, second.header.Get("Link"))
	}
}

func (c *client) places() {
	team := map[string]string{"project": "team"}
	made := c.send(call{id: "createProject", body: object{"name": "team", "public": true}}, 201)
	c.send(call{id: "createProject", body: object{"name": "team"}}, 409)
	c.send(call{id: "createProject", body: object{"name": "Te am"}}, 400)
	c.send(call{id: "createProject", body: object{"name": "ann"}, who: "ann"}, 403)
	stale := http.Header{"If-Match": {made.header.Get("ETag")}}
	c.send(call{id: "changeProject", params: team, header: stale, body: object{"public": false}}, 200)
	c.send(call{id: "changeProject", params: team, header: stale, body: object{"public": true}}, 412)
	c.send(call{id: "changeProject", params: team, body: object{"sparse": true}}, 200)
	c.send(call{id: "changeProject", params: team, body: object{"sparse": false}}, 200)
	c.send(call{id: "getProject", params: team}, 200)
	c.send(call{id: "getProject", params: team, who: "ann"}, 403)
	c.send(call{id: "getProject", params: map[string]string{"project": "absent"}}, 404)
	member := map[string]string{"project": "team", "user": "ann"}
	c.send(call{id: "setMember", params: member, body: object{"role": "emperor"}}, 400)
	c.send(call{id: "setMember", params: map[string]string{"project": "team", "user": "absent"}, body: object{"role": "guest"}}, 404)
	c.send(call{id: "setMember", params: member, body: object{"role": "guest"}}, 204)
	c.send(call{id: "getProject", params: team, who: "ann"}, 200)
	if names, _ := c.send(call{id: "listMembers", params: team}, 200).names(c.t); !slices.Equal(names, []string{"ann"}) {
		c.t.Errorf("members %q", names)
	}
	c.send(call{id: "listMembers", params: map[string]string{"project": "absent"}}, 404)
	if names, _ := c.send(call{id: "listProjects", query: url.Values{"match": {"TEA"}}, who: "ann"}, 200).names(c.t); !slices.Equal(names, []string{"team"}) {
		c.t.Errorf("projects %q", names)
	}
	c.removed()
	c.send(call{id: "deleteMember", params: member}, 204)
	if names, _ := c.send(call{id: "listProjects", who: "ann"}, 200).names(c.t); len(names) != 0 {
		c.t.Errorf("projects of a stranger %q", names)
	}
}

// removed empties a project, removes it, and has it back with what was in it.
func (c *client) removed() {
	gone, app := map[string]string{"project": "gone"}, map[string]string{"repository": "gone/app"}
	v1 := map[string]string{"artifact": "gone/app:v1"}
	c.send(call{id: "createProject", body: object{"name": "gone"}}, 201)
	img := c.site.Push(c.t, "gone/app", "v1", webtest.Image{Layers: []map[string]string{{"some": "bytes"}}})
	c.send(call{id: "deleteProject", params: gone}, 409)
	c.send(call{id: "restoreProject", params: gone}, 404)
	c.send(call{id: "deleteArtifact", params: map[string]string{"artifact": "gone/app@" + img.Digest.String()}}, 204)
	c.send(call{id: "deleteProject", params: gone}, 204)
	c.send(call{id: "getProject", params: gone}, 404)
	c.send(call{id: "restore", params: app, body: object{"tag": "v1"}}, 404)
	for _, list := range []string{"listProjects", "listQuotas"} {
		if text := string(c.send(call{id: list}, 200).body); strings.Contains(text, "gone") {
			c.t.Errorf("%s: %s", list, text)
		}
	}
	c.send(call{id: "restoreProject", params: gone, who: "ann"}, 403)
	var done struct{ Repositories int }
	if c.send(call{id: "restoreProject", params: gone}, 200).into(c.t, &done); done.Repositories != 1 {
		c.t.Errorf("restored %+v", done)
	}
	c.send(call{id: "restoreProject", params: gone}, 404)
	c.send(call{id: "restore", params: app, body: object{"digest": img.Digest.String()}}, 200)
	c.send(call{id: "getArtifact", params: v1}, 200)
	if sums := c.send(call{id: "recountQuotas", body: object{"project": "gone"}}, 200); !strings.Contains(string(sums.body), `"equal":true`) {
		c.t.Errorf("sums of what came back: %s", sums.body)
	}
}

// access gives ann something by a role of her own, by a group and in all projects.
func (c *client) access() {
	deployer := map[string]string{"role": "deployer"}
	c.send(call{id: "setRole", params: deployer, body: object{"rights": []string{"fly"}}}, 400)
	c.send(call{id: "setRole", params: map[string]string{"role": "guest"}, body: object{"rights": []string{"pull"}}}, 400)
	c.send(call{id: "setRole", params: deployer, body: object{"rights": []string{"pull", "project:read"}}}, 204)
	var roles struct {
		Items []struct {
			Name   string
			Rights []string
		}
	}
	c.send(call{id: "listRoles", who: "ann"}, 200).into(c.t, &roles)
	if last := roles.Items[len(roles.Items)-1]; last.Name != "deployer" || !slices.Equal(last.Rights, []string{"project:read", "repository:pull"}) {
		c.t.Errorf("roles: %v", roles)
	}
	c.send(call{id: "createGroup", body: object{"name": "backend"}}, 201)
	c.send(call{id: "createGroup", body: object{"name": "backend"}}, 409)
	in := map[string]string{"group": "backend", "user": "ann"}
	c.send(call{id: "addGroupUser", params: in}, 204)
	c.send(call{id: "addGroupUser", params: map[string]string{"group": "absent", "user": "ann"}}, 404)
	if names, _ := c.send(call{id: "listGroups"}, 200).names(c.t); !slices.Equal(names, []string{"backend"}) {
		c.t.Errorf("groups %q", names)
	}
	if names, _ := c.send(call{id: "listGroupUsers", params: in}, 200).names(c.t); !slices.Equal(names, []string{"ann"}) {
		c.t.Errorf("users of the group %q", names)
	}
	member := map[string]string{"project": "team", "user": "backend"}
	c.send(call{id: "setMember", params: member, body: object{"role": "deployer", "group": true, "repositories": "a B"}}, 400)
	c.send(call{id: "setMember", params: member, body: object{"role": "deployer", "group": true, "repositories": "app*"}}, 204)
	team := map[string]string{"project": "team"}
	c.settled().send(call{id: "getProject", params: team, who: "ann"}, 200)
	c.send(call{id: "deleteRole", params: deployer}, 409)
	c.send(call{id: "deleteMember", params: member, query: url.Values{"kind": {"robot"}}}, 400)
	c.send(call{id: "deleteMember", params: member, query: url.Values{"kind": {"group"}}}, 204)
	c.settled().send(call{id: "getProject", params: team, who: "ann"}, 403)
	c.send(call{id: "deleteRole", params: deployer}, 204)
	c.send(call{id: "deleteGroupUser", params: in}, 204)
	c.send(call{id: "deleteGroup", params: in}, 204)
	c.send(call{id: "deleteGroup", params: in}, 404)
	ann := map[string]string{"user": "ann"}
	c.send(call{id: "listAudit", who: "ann"}, 403)
	c.send(call{id: "setSystemMember", params: ann, body: object{"role": "auditor"}}, 204)
	c.settled().send(call{id: "listAudit", who: "ann"}, 200)
	c.send(call{id: "listProjects", who: "ann"}, 200)
	if names, _ := c.send(call{id: "listSystemMembers"}, 200).names(c.t); !slices.Equal(names, []string{"ann"}) {
		c.t.Errorf("in all projects %q", names)
	}
	c.send(call{id: "explainAccess", query: url.Values{"user": {"admin"}, "verb": {"push"}, "object": {"team/app"}}, who: "ann"}, 200)
	c.send(call{id: "explainAccess", query: url.Values{"verb": {"fly"}}, who: "ann"}, 400)
	c.send(call{id: "setSystemMember", params: ann, body: object{"role": "none"}}, 204)
	c.settled().send(call{id: "listAudit", who: "ann"}, 403)
	c.send(call{id: "explainAccess", query: url.Values{"verb": {"pull"}, "object": {"team/app"}}, who: "ann"}, 200)
	c.send(call{id: "explainAccess", query: url.Values{"user": {"admin"}, "verb": {"pull"}}, who: "ann"}, 403)
}

// robots makes a robot, signs in as it, and takes it away again.
func (c *client) robots(noun string, at map[string]string, name string) {
	c.send(call{id: "create" + noun, params: at, body: object{"name": "C I", "rights": []string{"pull"}}}, 400)
	c.send(call{id: "create" + noun, params: at, body: object{"name": at["robot"]}}, 400)
	var made struct {
		Robot  struct{ Name string }
		Secret string
	}
	ends := time.Now().Add(time.Hour).UTC()
	c.send(call{id: "create" + noun, params: at, body: object{
		"name": at["robot"], "rights": []string{"push"}, "repositories": []string{"*"}, "expiresAt": ends,
	}}, 201).into(c.t, &made)
	if made.Robot.Name != name || len(made.Secret) < 30 {
		c.t.Errorf("made %+v", made)
	}
	c.send(call{id: "create" + noun, params: at, body: object{"name": at["robot"], "rights": []string{"push"}}}, 409)
	status := func(secret string) int {
		return c.site.Status(c.t, name, secret, "POST", "/v2/team/app/blobs/uploads/")
	}
	if got := status(made.Secret); got != 202 {
		c.t.Errorf("%s pushes: %d", name, got)
	}
	seen := c.send(call{id: "get" + noun, params: at}, 200)
	stale := http.Header{"If-Match": {seen.header.Get("ETag")}}
	c.usedSince(name, call{id: "get" + noun, params: at}, seen)
	c.send(call{id: "change" + noun, params: at, header: stale, body: object{"disabled": true, "forever": true}}, 200)
	c.send(call{id: "change" + noun, params: at, header: stale, body: object{"description": "x"}}, 412)
	if got := c.settled(); status(made.Secret) != 401 {
		c.t.Errorf("%s pushes while it is disabled (%v)", name, got)
	}
	c.send(call{id: "change" + noun, params: at, body: object{"disabled": false}}, 200)
	var next struct{ Secret string }
	c.send(call{id: "rotate" + noun, params: at}, 200).into(c.t, &next)
	if c.settled(); status(made.Secret) != 401 || status(next.Secret) != 202 {
		c.t.Errorf("%s: the old secret signs in, or the new one does not", name)
	}
	if names, _ := c.send(call{id: "list" + noun + "s", params: at}, 200).names(c.t); !slices.Equal(names, []string{name}) {
		c.t.Errorf("robots %q", names)
	}
	c.send(call{id: "delete" + noun, params: at}, 204)
	c.send(call{id: "delete" + noun, params: at}, 404)
	if c.settled(); status(next.Secret) != 401 {
		c.t.Errorf("%s is gone and signs in", name)
	}
}

// tokens makes access tokens, which may no more than they say.
func (c *client) tokens() {
	var made struct{ Secret string }
	c.send(call{id: "createMyToken", body: object{"name": "ci", "rights": []string{"pull"}, "repositories": "team/*"}}, 201).into(c.t, &made)
	c.send(call{id: "createMyToken", body: object{"name": "ci"}}, 409)
	c.send(call{id: "createMyToken", body: object{"name": "x", "rights": []string{"fly"}}}, 400)
	for path, want := range map[string]int{
		"GET /v2/team/app/tags/list": 200, "POST /v2/team/app/blobs/uploads/": 403, "GET /v2/library/app/tags/list": 403,
		"GET /api/v1/me": 200, "GET /api/v1/users": 403, "POST /api/v1/me/tokens": 403, "DELETE /api/v1/me/tokens/ci": 403,
	} {
		method, path, _ := strings.Cut(path, " ")
		if got := c.site.Status(c.t, "admin", made.Secret, method, path); got != want {
			c.t.Errorf("%s %s with an access token: %d, want %d", method, path, got, want)
		}
	}
	if got := c.site.Status(c.t, "ann", made.Secret, "GET", "/v2/"); got != 401 {
		c.t.Errorf("an access token with another's name: %d", got)
	}
	if names, _ := c.send(call{id: "listMyTokens"}, 200).names(c.t); !slices.Equal(names, []string{"ci"}) {
		c.t.Errorf("tokens %q", names)
	}
	ci := map[string]string{"token": "ci"}
	c.send(call{id: "deleteMyToken", params: ci}, 204)
	c.send(call{id: "deleteMyToken", params: ci}, 404)
	if c.settled(); c.site.Status(c.t, "admin", made.Secret, "GET", "/v2/") != 401 {
		c.t.Error("an access token that was removed signs in")
	}
	c.tokensOfOthers()
}

// tokensOfOthers are for who manages users alone.
func (c *client) tokensOfOthers() {
	ann := map[string]string{"user": "ann"}
	hers := map[string]string{"user": "ann", "token": "laptop"}
	c.send(call{id: "createToken", params: ann, body: object{"name": "laptop"}, who: "ann"}, 403)
	c.send(call{id: "createToken", params: map[string]string{"user": "nobody"}, body: object{"name": "x"}}, 404)
	var made struct{ Secret string }
	c.send(call{id: "createToken", params: ann, body: object{"name": "laptop", "rights": []string{"pull"}}}, 201).into(c.t, &made)
	if got := c.site.Status(c.t, "ann", made.Secret, "GET", "/api/v1/me"); got != 200 {
		c.t.Errorf("ann with the token that she was made: %d", got)
	}
	c.send(call{id: "listTokens", params: ann, who: "ann"}, 403)
	if names, _ := c.send(call{id: "listTokens", params: ann}, 200).names(c.t); !slices.Equal(names, []string{"laptop"}) {
		c.t.Errorf("tokens %q", names)
	}
	c.send(call{id: "deleteToken", params: hers, who: "ann"}, 403)
	c.send(call{id: "deleteToken", params: hers}, 204)
}

func (c *client) content() {
	desc := c.site.Push(c.t, "team/deep/app", "v1", webtest.Image{
		Layers: []map[string]string{{"etc/motd": "hello"}}, Steps: []string{"RUN make"},
	})
	c.site.Push(c.t, "team/deep/app", "v2", webtest.Image{Layers: []map[string]string{{"etc/motd": "again"}}})
	team := map[string]string{"project": "team"}
	if names, _ := c.send(call{id: "listRepositories", params: team}, 200).names(c.t); !slices.Equal(names, []string{"team/deep/app"}) {
		c.t.Errorf("repositories %q", names)
	}
	repo := map[string]string{"repository": "team/deep/app"}
	first, next := c.send(call{id: "listTags", params: repo, query: url.Values{"order": {"name"}, "limit": {"1"}}}, 200).names(c.t)
	second, _ := c.send(call{id: "listTags", params: repo, query: url.Values{"order": {"name"}, "after": {next}}}, 200).names(c.t)
	if !slices.Equal(first, []string{"v1"}) || !slices.Equal(second, []string{"v2"}) {
		c.t.Errorf("tags %q, then %q", first, second)
	}
	c.send(call{id: "listTags", params: repo, query: url.Values{"order": {"age"}}}, 400)
	c.send(call{id: "listTags", params: repo, query: url.Values{"after": {"§"}}}, 400)
	byDigest := map[string]string{"artifact": "team/deep/app@" + desc.Digest.String()}
	var got struct {
		Tags   []string
		Layers []object
		Steps  []struct{ Made, Layer string }
	}
	if err := json.Unmarshal(c.send(call{id: "getArtifact", params: byDigest}, 200).body, &got); err != nil {
		c.t.Fatal(err)
	}
	if !slices.Equal(got.Tags, []string{"v1"}) || len(got.Layers) != 1 || len(got.Steps) != 2 || got.Steps[0].Made != "RUN make" || got.Steps[0].Layer == "" {
		c.t.Errorf("artifact %+v", got)
	}
	c.send(call{id: "deleteArtifact", params: map[string]string{"artifact": "team/deep/app:v1"}}, 204)
	c.send(call{id: "getArtifact", params: byDigest}, 200) // only the tag is gone
	c.send(call{id: "deleteArtifact", params: byDigest}, 204)
	c.send(call{id: "getArtifact", params: byDigest}, 404)
	c.send(call{id: "deleteProject", params: map[string]string{"project": "team"}}, 409)
	c.send(call{id: "createProject", body: object{"name": "empty"}}, 201)
	c.send(call{id: "deleteProject", params: map[string]string{"project": "empty"}}, 204)
	c.send(call{id: "deleteUser", params: map[string]string{"user": "ann"}}, 204)
	c.send(call{id: "deleteUser", params: map[string]string{"user": "admin"}}, 409)
}

// audited reads what the calls before left in the log, by every filter.
func (c *client) audited() {
	count := func(q url.Values) int {
		var page struct{ Items []object }
		if err := json.Unmarshal(c.send(call{id: "listAudit", query: q}, 200).body, &page); err != nil {
			c.t.Fatal(err)
		}
		return len(page.Items)
	}
	for _, tc := range []struct {
		query url.Values
		want  int
	}{
		{url.Values{"actor": {"ann"}, "action": {"user.password"}}, 1},
		{url.Values{"action": {"user.change"}}, 4},
		{url.Values{"object": {"ann"}, "action": {"user.change"}}, 2},
		{url.Values{"object": {"ann"}, "until": {"2000-01-01T00:00:00Z"}}, 0},
		{url.Values{"object": {"empty"}, "since": {"2000-01-01T00:00:00Z"}}, 2},
		{url.Values{"action": {"member.set"}, "limit": {"1"}}, 1},
	} {
		if got := count(tc.query); got != tc.want {
			c.t.Errorf("audit %v: %d lines, want %d", tc.query, got, tc.want)
		}
	}
	// pulls are written a moment after they happen, some of them perhaps meanwhile
	most := url.Values{"limit": {"100"}}
	before, all, pages := count(most), 0, 0
	for after := ""; ; pages++ {
		q := url.Values{"limit": {"5"}}
		if after != "" {
			q.Set("after", after)
		}
		r := c.send(call{id: "listAudit", query: q}, 200)
		_, next := r.names(c.t)
		var page struct{ Items []object }
		if err := json.Unmarshal(r.body, &page); err != nil {
			c.t.Fatal(err)
		}
		all += len(page.Items)
		if after = next; after == "" {
			break
		}
	}
	if whole := count(most); all < before || all > whole || pages == 0 {
		c.t.Errorf("%d lines in pages, %d to %d at once", all, before, whole)
	}
	c.send(call{id: "listAuditForwards"}, 200)
	c.send(call{id: "listAudit", query: url.Values{"since": {"yesterday"}}}, 400)
	c.send(call{id: "listAudit", query: url.Values{"actr": {"ann"}}}, 400)
}

// settled waits until what was changed of an account holds: it is believed for
// half a second.
func (c *client) settled() *client {
	time.Sleep(600 * time.Millisecond)
	return c
}

// usedSince has a program sign in again, later: what it is seen as is another answer, but
// nobody has changed it.
func (c *client) usedSince(name string, get call, seen reply) {
	if _, err := os.Stat(filepath.Join(c.site.Root, "registry.db")); err != nil {
		return // the database is a server's, and the two halves of a tag are the same there
	}
	c.site.Change(c.t, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := tx.UserByName(ctx, name)
		if err != nil {
			return err
		}
		return tx.AccountUsed(ctx, u.ID, time.Now().Add(time.Hour))
	})
	again := c.send(get, 200)
	if before, after := seen.header.Get("ETag"), again.header.Get("ETag"); before == after || len(before) != len(after) {
		c.t.Errorf("used since, and its ETag %s is now %s", before, after)
	}
}

// TestHostileRequests: none is answered with a 5xx, and what is refused is a problem.
func TestHostileRequests(t *testing.T) {
	engines(t, func(t *testing.T, cfg config.Config) {
		site := webtest.Start(t, cfg)
		site.Users(t, "ann")
		for name, tc := range map[string]struct {
			method, path, kind, body string
			header                   map[string]string
			want                     int
		}{
			"no such path":         {"GET", "/api/v2", "", "", nil, 404},
			"no such method":       {"POST", "/api/v1/me", "", "", nil, 405},
			"a form of another":    {"POST", "/api/v1/users", "text/plain", `{"name":"evil","password":"correct horse"}`, nil, 415},
			"no type":              {"POST", "/api/v1/users", "", `{"name":"evil","password":"correct horse"}`, nil, 415},
			"from another site":    {"POST", "/api/v1/users", "application/json", `{}`, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
			"of another origin":    {"DELETE", "/api/v1/users/ann", "", "", map[string]string{"Origin": "https://evil.example"}, 403},
			"a cookie":             {"GET", "/api/v1/me", "", "", map[string]string{"Authorization": "", "Cookie": "cove_session=x"}, 401},
			"an odd scheme":        {"GET", "/api/v1/me", "", "", map[string]string{"Authorization": "Digest x"}, 401},
			"a wrong password":     {"GET", "/api/v1/projects", "", "", map[string]string{"Authorization": "Basic YWRtaW46d3Jvbmc="}, 401},
			"an unknown field":     {"POST", "/api/v1/users", "application/json", `{"name":"x","password":"correct horse","root":true}`, nil, 400},
			"two objects":          {"POST", "/api/v1/users", "application/json", `{"name":"x","password":"short"} {}`, nil, 400},
			"no object":            {"POST", "/api/v1/users", "application/json", `[]`, nil, 400},
			"nothing":              {"PATCH", "/api/v1/users/ann", "application/json", ``, nil, 400},
			"a large body":         {"POST", "/api/v1/users", "application/json", `{"name":"` + strings.Repeat("x", 70<<10) + `"}`, nil, 413},
			"a deep body":          {"POST", "/api/v1/users", "application/json", strings.Repeat("[", 30<<10), nil, 400},
			"a zero byte":          {"GET", "/api/v1/users/a%00b", "", "", nil, 400},
			"no UTF-8":             {"GET", "/api/v1/users/%ff", "", "", nil, 400},
			"no UTF-8 in a filter": {"GET", "/api/v1/audit?actor=%ff", "", "", nil, 400},
			"a zero in a filter":   {"GET", "/api/v1/projects?match=%00", "", "", nil, 400},
			"a limit of none":      {"GET", "/api/v1/users?limit=0", "", "", nil, 400},
			"a limit of many":      {"GET", "/api/v1/users?limit=1000000000000", "", "", nil, 400},
			"two limits":           {"GET", "/api/v1/users?limit=1&limit=2", "", "", nil, 400},
			"half an escape":       {"GET", "/api/v1/users?limit=%", "", "", nil, 400},
			"wildcards are text":   {"GET", "/api/v1/projects?match=%25%5F%5C", "", "", nil, 200},
			"a cursor of another":  {"GET", "/api/v1/audit?after=-1", "", "", nil, 400},
			"a condition on what":  {"DELETE", "/api/v1/users/ann", "", "", map[string]string{"If-Match": `"x"`}, 400},
			"a weak condition":     {"PATCH", "/api/v1/users/ann", "application/json", `{"admin":true}`, map[string]string{"If-Match": `W/"x"`}, 412},
			"no artifact":          {"GET", "/api/v1/artifacts/team/app", "", "", nil, 400},
			"a path in a name":     {"GET", "/api/v1/artifacts/team%2f..%2fapp:v1", "", "", nil, 400},
			"a bad repository":     {"GET", "/api/v1/tags/Team/App", "", "", nil, 400},
			"a zero in a role":     {"PUT", "/api/v1/projects/library/members/ann", "application/json", `{"role":"\u0000"}`, nil, 400},
			"a zero in a name":     {"POST", "/api/v1/projects", "application/json", `{"name":"a\u0000b"}`, nil, 400},
		} {
			r, err := http.NewRequestWithContext(t.Context(), tc.method, site.URL+tc.path, strings.NewReader(tc.body))
			if err != nil && name == "half an escape" {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth("admin", webtest.Password)
			if tc.kind != "" {
				r.Header.Set("Content-Type", tc.kind)
			}
			for key, value := range tc.header {
				r.Header.Set(key, value)
				if value == "" {
					r.Header.Del(key)
				}
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			kind := resp.Header.Get("Content-Type")
			if err != nil || resp.StatusCode != tc.want || tc.want >= 400 && kind != "application/problem+json" {
				t.Errorf("%s: %d (%s), want %d\n%s", name, resp.StatusCode, kind, tc.want, text)
			}
		}
		for _, gone := range []string{"evil", "x"} {
			site.Do(t, webtest.Call{Method: "GET", Path: "/api/v1/users/" + gone}, 404)
		}
		site.Do(t, webtest.Call{Method: "GET", Path: "/api/v1/users/ann"}, 200)
	})
}
