package harbor_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"cove/registry/web/webtest"
)

// reportsOfPages are what people reported of lists, robots and rules, and habits of clients
// that nobody reported.
var reportsOfPages = []report{
	{"harbor#22592, harbor#20412, harbor#16223: signatures are told as such in each of their forms, and deleted one by one", accessoryTypes},
	{"harbor#20897: a tag that is added to what is there is told", retagged},
	{"harbor#11315, harbor#11318: whoever follows Link sees everything once", followLinks},
	{"go-client#12: the page before the first one is no other page", pageZero},
	{"harbor#13765: a page of more than a hundred is refused in the shape of errors", largePage},
	{"harbor#16816, harbor#17145: signatures are neither counted nor listed", signedTotals},
	{"harbor#15268: a robot gets the secret that it is given, or another one", robotSecret},
	{"harbor#17414: a system robot of all projects is changed", robotOfAll},
	{"harbor#22256, harbor#18954: another secret leaves the end as it is", refreshedRobot},
	{"habit: the name of a robot is free again when it is gone", robotAgain},
	{"harbor#20448, harbor#23530: immutable tags of nested repositories, and those that a rule leaves out", nestedImmutable},
	{"terraform-provider-harbor#478, #80: a rule that is gone is 404", goneRules},
	{"habit: what is asked for in a wrong way is 400, and says why", wrongQueries},
	{"habit: ranges and lists of values, and parts of names", queries},
	{"habit: a member who is one already is 409, and one who is nobody 404", memberTwice},
	{"habit: a quota is found by its project", quotaOfProject},
	{"habit: a public project is seen by nobody in particular, a private one is not there", seenByNobody},
	{"habit: a project is asked for by its name although that looks like a number", namedByNumber},
}

var nextLink = regexp.MustCompile(`<([^>]*)>; rel="next"`)

func followLinks(c harborClient) {
	c.project("linked")
	for i := range 23 {
		c.site.Push(c.t, fmt.Sprintf("linked/app-%02d", i), "v1", webtest.Image{})
	}
	seen := map[string]int{}
	next := "/api/v2.0/projects/linked/repositories?page_size=5&q=name%3D~app&sort=-name"
	pages := 0
	for ; next != "" && pages < 20; pages++ {
		a := c.ask("GET", next, nil, 200)
		if total := a.header.Get("X-Total-Count"); total != "23" {
			c.t.Errorf("the total is %s", total)
		}
		var list []struct{ Name string }
		a.into(&list)
		for _, r := range list {
			seen[r.Name]++
		}
		next = ""
		if m := nextLink.FindStringSubmatch(a.header.Get("Link")); m != nil {
			next = m[1]
		}
	}
	if len(seen) != 23 || pages != 5 {
		c.t.Errorf("%d repositories on %d pages", len(seen), pages)
	}
	for name, n := range seen {
		if n != 1 {
			c.t.Errorf("%s is listed %d times", name, n)
		}
	}
}

func pageZero(c harborClient) {
	c.project("zero")
	c.site.Push(c.t, "zero/app", "v1", webtest.Image{})
	for _, page := range []string{"0", "-1", "x"} {
		a := c.do("GET", "/projects/zero/repositories?page="+page+"&page_size=10", nil, 0)
		if a.status != 200 && a.status != 400 && a.status != 422 {
			c.t.Errorf("page %s: %d", page, a.status)
		}
	}
	c.do("GET", "/projects/zero/repositories?page=2&page_size=10", nil, 200).has("[]")
}

func largePage(c harborClient) {
	for _, size := range []string{"101", "200", "100000000000000000000"} {
		a := c.do("GET", "/projects?page_size="+size, nil, 0)
		if a.status == 200 {
			continue // cut to a hundred
		}
		if a.status != 422 && a.status != 400 {
			c.t.Errorf("a page of %s: %d", size, a.status)
		}
		a.has(`"errors":[`)
	}
}

func signedTotals(c harborClient) {
	c.project("signed")
	for i := range 3 {
		img := c.site.Push(c.t, "signed/app", fmt.Sprint("v", i), webtest.Image{Layers: []map[string]string{{"n": fmt.Sprint(i)}}})
		c.site.Push(c.t, "signed/app", "", webtest.Image{Subject: &img, Type: "application/vnd.dev.cosign.artifact.sig.v1+json", Layers: []map[string]string{{"s": fmt.Sprint(i)}}})
	}
	old := c.site.Push(c.t, "signed/app", "v0", webtest.Image{Layers: []map[string]string{{"n": "0"}}})
	c.site.Push(c.t, "signed/app", "sha256-"+old.Digest.Encoded()+".sig", webtest.Image{Layers: []map[string]string{{"old": "form"}}})
	for _, size := range []string{"2", "10"} {
		a := c.do("GET", "/projects/signed/repositories/app/artifacts?with_accessory=true&page_size="+size, nil, 200)
		if got := a.header.Get("X-Total-Count"); got != "3" {
			c.t.Errorf("of 3 images and their signatures %s are counted", got)
		}
		var list []struct{ Digest string }
		if a.into(&list); len(list) != min(3, int(size[0]-'0')) && size != "10" || size == "10" && len(list) != 3 {
			c.t.Errorf("a page of %s has %d", size, len(list))
		}
	}
	c.do("GET", "/projects/signed/repositories/app", nil, 200).has(`"artifact_count":3`)
}

// accessoryTypes: Harbor's clients tell by the type of an accessory what is signed.
func accessoryTypes(c harborClient) {
	c.project("accessories")
	img := c.site.Push(c.t, "accessories/app", "v1", webtest.Image{})
	for _, kind := range []string{
		"application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.cncf.notary.signature", "application/spdx+json",
	} {
		c.site.Push(c.t, "accessories/app", "", webtest.Image{Subject: &img, Type: kind})
	}
	tag := "sha256-" + img.Digest.Encoded() + ".sig"
	c.site.Push(c.t, "accessories/app", tag, webtest.Image{Layers: []map[string]string{{"old": "form"}}})
	for _, path := range []string{"/artifacts/v1/accessories", "/artifacts/v1?with_accessory=true"} {
		a := c.do("GET", "/projects/accessories/repositories/app"+path, nil, 200).has(`"signature.notation"`, `"subject.accessory"`,
			`"subject_artifact_repo":"accessories/app"`)
		if n := strings.Count(string(a.body), `"signature.cosign"`); n != 2 {
			c.t.Errorf("%s: %d signatures of cosign\n%s", path, n, a.body)
		}
	}
	// One is deleted as any artifact, and the image stays.
	c.do("DELETE", "/projects/accessories/repositories/app/artifacts/"+tag, nil, 200)
	a := c.do("GET", "/projects/accessories/repositories/app/artifacts/v1/accessories", nil, 200)
	if n := strings.Count(string(a.body), `"signature.cosign"`); n != 1 {
		c.t.Errorf("after one was deleted: %s", a.body)
	}
}

// retagged: a tag that is added to what is there is told, too.
func retagged(c harborClient) {
	c.project("retagged")
	c.site.Push(c.t, "retagged/app", "v1", webtest.Image{})
	hook := c.do("POST", "/projects/retagged/webhook/policies", object{
		"name": "ci", "enabled": true, "event_types": []string{"PUSH_ARTIFACT"},
		"targets": []object{{"type": "http", "address": "https://ci.absent.invalid/"}},
	}, 201).id()
	c.do("POST", "/projects/retagged/repositories/app/artifacts/v1/tags", object{"name": "stable"}, 201)
	var found struct{ Items []object }
	c.ask("GET", "/api/v1/projects/retagged/webhooks/"+hook+"/deliveries", nil, 200).into(&found)
	if len(found.Items) != 1 {
		c.t.Errorf("%d deliveries tell of the new tag", len(found.Items))
	}
}

func (c harborClient) made(name, kind, namespace string, duration int) (id, user, secret string) {
	c.t.Helper()
	a := c.do("POST", "/robots", object{
		"name": name, "level": kind, "duration": duration,
		"permissions": []object{{"kind": "project", "namespace": namespace, "access": []object{{"resource": "repository", "action": "pull"}}}},
	}, 201)
	var made struct{ Name, Secret string }
	a.into(&made)
	return a.id(), made.Name, made.Secret
}

func robotSecret(c harborClient) {
	c.project("secret")
	id, user, old := c.made("own", "project", "secret", -1)
	const own = "Own-secret-of-2026"
	c.do("PATCH", "/robots/"+id, object{"secret": own}, 200)
	if got := c.site.Status(c.t, user, own, "GET", "/v2/"); got != 200 {
		c.t.Errorf("the secret that it was given: %d", got)
	}
	if got := c.site.Status(c.t, user, old, "GET", "/v2/"); got != 401 {
		c.t.Errorf("the secret that it had: %d", got)
	}
	for _, weak := range []string{"short", "alllowercaseletters", strings.Repeat("Aa1", 100)} {
		c.do("PATCH", "/robots/"+id, object{"secret": weak}, 400)
	}
	var made struct{ Secret string }
	if c.do("PATCH", "/robots/"+id, object{}, 200).into(&made); made.Secret == "" || c.site.Status(c.t, user, made.Secret, "GET", "/v2/") != 200 {
		c.t.Errorf("another secret is %q", made.Secret)
	}
}

func robotOfAll(c harborClient) {
	id, _, _ := c.made("everywhere", "system", "*", 30)
	var robot object
	c.do("GET", "/robots/"+id, nil, 200).into(&robot)
	robot["description"] = "changed"
	c.do("PUT", "/robots/"+id, robot, 200)
	c.do("GET", "/robots/"+id, nil, 200).has(`"namespace":"*"`, `"description":"changed"`, `"duration":30`)
}

func refreshedRobot(c harborClient) {
	c.project("fresh")
	id, _, _ := c.made("yearly", "project", "fresh", 365)
	var before, after struct {
		Expires int64 `json:"expires_at"`
	}
	c.do("GET", "/robots/"+id, nil, 200).into(&before)
	c.do("PATCH", "/robots/"+id, object{}, 200)
	if c.do("GET", "/robots/"+id, nil, 200).into(&after); before != after || before.Expires <= 0 {
		c.t.Errorf("its end was %d, and is %d", before.Expires, after.Expires)
	}
}

func robotAgain(c harborClient) {
	c.project("again")
	first, user, old := c.made("ci", "project", "again", -1)
	c.do("POST", "/robots", object{"name": "ci", "level": "project", "duration": -1, "permissions": []object{{
		"kind": "project", "namespace": "again", "access": []object{{"resource": "repository", "action": "pull"}},
	}}}, 409)
	c.do("DELETE", "/robots/"+first, nil, 200)
	c.do("DELETE", "/robots/"+first, nil, 404)
	_, again, secret := c.made("ci", "project", "again", -1)
	if again != user || c.site.Status(c.t, user, old, "GET", "/v2/") != 401 || c.site.Status(c.t, user, secret, "GET", "/v2/") != 200 {
		c.t.Errorf("%s is made again as %s", user, again)
	}
}

func nestedImmutable(c harborClient) {
	id := c.project("nested")
	for _, repo := range []string{"nested/qa/svc/backend", "nested/release/svc/backend"} {
		c.site.Push(c.t, repo, "build-1", webtest.Image{Layers: []map[string]string{{"n": repo}}})
	}
	pattern := func(decoration, pattern string) object {
		return object{"kind": "doublestar", "decoration": decoration, "pattern": pattern}
	}
	c.do("POST", "/projects/"+id+"/immutabletagrules", object{
		"tag_selectors": []object{pattern("matches", "**")}, "scope_selectors": object{"repository": []object{pattern("repoExcludes", "qa/**")}},
	}, 201)
	policy := object{
		"algorithm": "or", "scope": object{"level": "project", "ref": json.Number(id)}, "trigger": object{"kind": "Schedule", "settings": object{"cron": ""}},
		"rules": []object{{
			"action": "retain", "template": "latestPushedK", "params": object{"latestPushedK": 1}, "tag_selectors": []object{pattern("matches", "v*")},
			"scope_selectors": object{"repository": []object{pattern("repoMatches", "**")}},
		}},
	}
	rule := c.do("POST", "/retentions", policy, 201).id()
	c.do("POST", "/retentions/"+rule+"/executions", object{"dry_run": false}, 201)
	for n := 0; c.do("GET", "/projects/nested/repositories/qa%252Fsvc%252Fbackend/artifacts/build-1", nil, 0).status != 404; n++ {
		if n == 200 {
			c.t.Fatal("what no rule keeps does not go")
		}
		time.Sleep(25 * time.Millisecond)
	}
	c.do("GET", "/projects/nested/repositories/release%252Fsvc%252Fbackend/artifacts/build-1", nil, 200).has(`"immutable":true`)
}

func goneRules(c harborClient) {
	id := c.project("gone-rules")
	c.do("GET", "/retentions/987654321", nil, 404)
	c.do("DELETE", "/retentions/987654321", nil, 404)
	c.do("PUT", "/projects/"+id+"/immutabletagrules/987654321", object{"tag_selectors": []object{}}, 0).hasNot("panic")
	c.do("DELETE", "/projects/"+id+"/immutabletagrules/987654321", nil, 404)
	c.do("GET", "/projects/"+id+"/immutabletagrules", nil, 200).has("[]")
	c.do("GET", "/replication/policies/987654321", nil, 404)
	c.do("GET", "/registries/987654321", nil, 404)
	c.do("GET", "/projects/"+id+"/webhook/policies/987654321", nil, 404)
	c.do("GET", "/labels/987654321", nil, 404)
	c.do("GET", "/robots/987654321", nil, 404)
}

func wrongQueries(c harborClient) {
	for _, q := range []string{"name", "=x", "name=[1~", "name={a b", "name=(a", "nosuch=1"} {
		a := c.do("GET", "/projects?q="+url.QueryEscape(q), nil, 0)
		if a.status >= 500 && a.status != 501 || a.status == 200 && strings.HasPrefix(q, "name=") && len(q) > 6 {
			c.t.Errorf("q=%s: %d %s", q, a.status, a.body)
		}
	}
	if a := c.do("GET", "/projects?sort=nosuch", nil, 0); a.status >= 500 {
		c.t.Errorf("sorted by nothing: %d", a.status)
	}
}

func queries(c harborClient) {
	c.project("asked")
	for _, name := range []string{"alpha", "beta", "gamma"} {
		c.site.Push(c.t, "asked/"+name, "v1", webtest.Image{Layers: []map[string]string{{"n": name}}})
	}
	for q, want := range map[string]string{
		"name=~et": "1", "name=asked/alpha": "1", "name={asked/alpha asked/beta}": "2", "name=~a": "3", "name=~zeta": "0",
	} {
		if got := c.do("GET", "/projects/asked/repositories?q="+url.QueryEscape(q), nil, 200).header.Get("X-Total-Count"); got != want {
			c.t.Errorf("%s finds %s, want %s", q, got, want)
		}
	}
	for q, want := range map[string]string{
		"tags=v1": "1", "tags=v2": "0", "tags=~v": "1", "tags=*": "1", "tags=nil": "0", "push_time=[2020-01-01~2099-01-01]": "1",
		"push_time=[2099-01-01~]": "0", "push_time=[~2020-01-01]": "0",
	} {
		if got := c.do("GET", "/projects/asked/repositories/beta/artifacts?q="+url.QueryEscape(q), nil, 200).header.Get("X-Total-Count"); got != want {
			c.t.Errorf("%s finds %s, want %s", q, got, want)
		}
	}
}

func memberTwice(c harborClient) {
	c.project("members")
	c.site.Users(c.t, "twice")
	one := object{"role_id": 2, "member_user": object{"username": "twice"}}
	c.do("POST", "/projects/members/members", one, 201)
	c.do("POST", "/projects/members/members", one, 409)
	c.do("POST", "/projects/members/members", object{"role_id": 2, "member_user": object{"username": "absent-user"}}, 404)
	c.do("POST", "/projects/members/members", object{"role_id": 77, "member_user": object{"username": "twice"}}, 400)
	c.do("GET", "/projects/members/members?entityname=twi", nil, 200).has(`"entity_name":"twice"`)
}

func quotaOfProject(c harborClient) {
	id := c.project("counted")
	var list []struct {
		Ref struct {
			ID   int64
			Name string
		}
	}
	if c.do("GET", "/quotas?reference=project&reference_id="+id, nil, 200).into(&list); len(list) != 1 || list[0].Ref.Name != "counted" {
		c.t.Errorf("quotas of project %s: %+v", id, list)
	}
	c.do("GET", "/quotas?reference=project&reference_id=987654321", nil, 200).has("[]")
	c.do("GET", "/quotas?reference=project&sort=-used.storage&page_size=2", nil, 200)
	c.do("GET", "/projects/"+id+"/summary", nil, 200).has(`"quota"`)
}

func seenByNobody(c harborClient) {
	c.do("POST", "/projects", object{"project_name": "opened", "metadata": object{"public": "true"}}, 201)
	c.project("closed-one")
	c.site.Push(c.t, "opened/app", "v1", webtest.Image{})
	nobody := harborClient{c.t, c.site, [2]string{}}
	nobody.do("GET", "/projects/opened/repositories/app/artifacts", nil, 200).has(`"v1"`)
	nobody.do("GET", "/projects?name=opened", nil, 200).has(`"name":"opened"`)
	nobody.do("GET", "/projects?name=closed-one", nil, 200).hasNot("closed-one")
	hidden := nobody.do("GET", "/projects/closed-one/repositories", nil, 0)
	absent := nobody.do("GET", "/projects/absent-one/repositories", nil, 0)
	if hidden.status != absent.status || hidden.status != 401 {
		c.t.Errorf("a private project is %d, one that there is not %d", hidden.status, absent.status)
	}
}

func namedByNumber(c harborClient) {
	c.project("some-number")
	c.do("POST", "/projects", object{"project_name": "4711"}, 201)
	r, err := http.NewRequestWithContext(c.t.Context(), "GET", c.site.URL+"/api/v2.0/projects/4711", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.who[0], c.who[1])
	r.Header.Set("X-Is-Resource-Name", "true")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var p struct{ Name string }
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Name != "4711" {
		c.t.Errorf("%d %q %v", resp.StatusCode, p.Name, err)
	}
}
