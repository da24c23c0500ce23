package api_test

import (
	"net/url"
	"strings"
	"time"

	"cove/registry/web/webtest"
)

// flaws is a database of vulnerabilities, of OSV.
const flaws = `{"id":"GHSA-1","aliases":["CVE-2024-1"],"summary":"a flaw in left-pad","severity":[{"type":"CVSS_V3",` +
	`"score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":{"ecosystem":"npm","name":"left-pad"},` +
	`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.3.0"}]}]}],"references":[{"type":"WEB","url":"https://example.com/a"}]}`

// until asks until an answer has a text.
func (c *client) until(in call, text string) {
	c.t.Helper()
	for range 400 {
		if strings.Contains(string(c.send(in, 200).body), text) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	c.t.Fatalf("%s never says %s", in.id, text)
}

// scans brings a database, finds a vulnerability, keeps its image back and lets it
// through.
func (c *client) scans() {
	t := c.t
	image := c.site.Push(t, "safe/app", "v1", webtest.Image{Layers: []map[string]string{
		{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.2.0","license":"WTFPL"}`},
	}})
	name := map[string]string{"artifact": "safe/app:v1"}
	project := map[string]string{"project": "safe"}
	c.send(call{id: "getScan", params: name}, 404)
	c.database()
	c.until(call{id: "listVulnerableArtifactsOfProject", params: project}, `"Critical":1`)
	var reports struct {
		Items []struct {
			State, Severity string
			Packages        int
			Held            bool
			Summary         struct{ Total, Fixable int }
			Vulnerabilities []struct {
				ID, Severity, Package, Title string
				FixVersion                   string
				Score                        float64
				Allowed                      bool
			}
		}
	}
	c.into(call{id: "getScan", params: name}, &reports)
	if len(reports.Items) != 1 || reports.Items[0].Packages != 1 || reports.Items[0].Summary.Fixable != 1 ||
		len(reports.Items[0].Vulnerabilities) != 1 {
		t.Fatalf("%+v", reports)
	}
	for id, params := range map[string]map[string]string{"exportVulnerabilities": nil, "exportVulnerabilitiesOfProject": project} {
		got := c.send(call{id: id, params: params, query: url.Values{"repositories": {"safe/*"}, "severity": {"high"}}}, 200)
		if kind := got.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" ||
			!strings.Contains(string(got.body), ",v1,CVE-2024-1,Critical,9.8,left-pad,1.2.0,npm,1.3.0,") {
			t.Errorf("%s: %s %s", id, kind, got.body)
		}
		c.send(call{id: id, params: params, query: url.Values{"severity": {"bad"}}}, 400)
	}
	if v := reports.Items[0].Vulnerabilities[0]; v.ID != "CVE-2024-1" || v.Severity != "Critical" ||
		v.FixVersion != "1.3.0" || v.Score != 9.8 || v.Title != "a flaw in left-pad" {
		t.Errorf("%+v", v)
	}
	second := c.site.Push(t, "safe/app", "v2", webtest.Image{Layers: []map[string]string{
		{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.2.1"}`},
	}})
	c.until(call{id: "listVulnerableArtifactsOfProject", params: project}, second.Digest.String())
	c.gates(project, name)
	var about struct {
		Severity, Title string
		Links           []string
		Artifacts       struct{ Items []struct{ Digest string } }
	}
	c.into(call{id: "getVulnerability", params: map[string]string{"vulnerability": "CVE-2024-1"}}, &about)
	if about.Severity != "Critical" || len(about.Links) != 1 || len(about.Artifacts.Items) != 2 ||
		about.Artifacts.Items[0].Digest != min(image.Digest.String(), second.Digest.String()) {
		t.Errorf("%+v", about)
	}
	c.send(call{id: "getVulnerability", params: map[string]string{"vulnerability": "CVE-1999-1"}}, 404)
	var overview struct {
		Scanned                    int
		Artifacts, Vulnerabilities map[string]int
		Databases                  []struct{ Name string }
	}
	c.into(call{id: "getSecurity"}, &overview)
	if overview.Artifacts["Critical"] != 2 || overview.Vulnerabilities["Critical"] != 1 || len(overview.Databases) != 1 {
		t.Errorf("%+v", overview)
	}
	c.send(call{id: "listVulnerableArtifacts", query: url.Values{"limit": {"1"}}}, 200)
	c.send(call{id: "listVulnerableArtifacts", query: url.Values{"after": {"here"}}}, 400)
	c.send(call{id: "scanArtifact", params: name}, 202)
	c.send(call{id: "scanAll"}, 202)
	c.bills(name)
	c.scanners(project)
	c.send(call{id: "deleteDatabase", params: map[string]string{"database": "osv"}}, 204)
	c.send(call{id: "deleteDatabase", params: map[string]string{"database": "osv"}}, 404)
}

// database imports one, whose body is no JSON object of the API.
func (c *client) database() {
	c.t.Helper()
	put := func(path, body string, want int) {
		c.t.Helper()
		c.site.Do(c.t, webtest.Call{Method: "PUT", Path: "/api/v1/security/databases/" + path, Body: []byte(body)}, want)
	}
	put("osv", "this is none", 400)
	put("O%20S", flaws, 400)
	put("osv", flaws, 200)
	c.called["importDatabase"] = true
	var all struct {
		Items []struct {
			Name, Form string
			Advisories int
		}
	}
	c.into(call{id: "listDatabases"}, &all)
	if len(all.Items) != 1 || all.Items[0].Form != "osv" || all.Items[0].Advisories != 1 {
		c.t.Errorf("%+v", all)
	}
}

// gates keep the image back, and let it through.
func (c *client) gates(project, name map[string]string) {
	t := c.t
	pull := func(want int) string {
		t.Helper()
		return string(c.site.Do(t, webtest.Call{Method: "GET", Path: "/v2/safe/app/manifests/v1"}, want))
	}
	pull(200)
	c.send(call{id: "setScanning", params: project, body: object{"scanOnPush": true, "severity": "high"}}, 400)
	wanted := object{"scanOnPush": true, "severity": "high", "unscanned": "block", "sbom": ""}
	c.send(call{id: "setScanning", params: project, body: wanted}, 204)
	var set struct {
		ScanOnPush          bool
		Severity, Unscanned string
	}
	if c.into(call{id: "getScanning", params: project}, &set); !set.ScanOnPush || set.Severity != "high" || set.Unscanned != "block" {
		t.Errorf("%+v", set)
	}
	if why := pull(403); !strings.Contains(why, "CVE-2024-1") || !strings.Contains(why, `"DENIED"`) {
		t.Errorf("the refusal: %s", why)
	}
	c.site.Do(t, webtest.Call{Method: "HEAD", Path: "/v2/safe/app/manifests/v1"}, 403)
	for _, of := range []struct {
		suffix string
		params map[string]string
	}{
		{"", map[string]string{"vulnerability": "CVE-2024-1"}},
		{"OfProject", map[string]string{"vulnerability": "CVE-2024-1", "project": "safe"}},
	} {
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		c.send(call{id: "setException" + of.suffix, params: of.params, body: object{"expires": until, "reason": "not reachable"}}, 204)
		pull(200)
		if got := c.send(call{id: "listExceptions" + of.suffix, params: project}, 200); !strings.Contains(string(got.body), "not reachable") {
			t.Errorf("%s", got.body)
		}
		if got := c.send(call{id: "getScan", params: name}, 200); !strings.Contains(string(got.body), `"allowed":true`) {
			t.Errorf("%s", got.body)
		}
		c.send(call{id: "deleteException" + of.suffix, params: of.params}, 204)
		c.send(call{id: "deleteException" + of.suffix, params: of.params}, 404)
		pull(403)
	}
	c.send(call{id: "setScanning", params: project, body: object{"scanOnPush": true}}, 204)
	pull(200)
}

// bills are SBOMs.
func (c *client) bills(name map[string]string) {
	spdx := c.send(call{id: "getSBOM", params: name}, 200)
	if !strings.Contains(string(spdx.body), "pkg:npm/left-pad@1.2.0") || !strings.Contains(string(spdx.body), "SPDX-2.3") {
		c.t.Errorf("%s", spdx.body)
	}
	cyclonedx := c.send(call{id: "getSBOM", params: name, query: url.Values{"form": {"cyclonedx"}}}, 200)
	if !strings.Contains(string(cyclonedx.body), `"specVersion": "1.6"`) {
		c.t.Errorf("%s", cyclonedx.body)
	}
	c.send(call{id: "getSBOM", params: name, query: url.Values{"form": {"syft"}}}, 400)
	var first, again struct{ Digest string }
	c.send(call{id: "attachSBOM", params: name}, 201).into(c.t, &first)
	c.send(call{id: "attachSBOM", params: name}, 201).into(c.t, &again)
	if first.Digest == "" || first.Digest != again.Digest {
		c.t.Errorf("attached %q and %q", first.Digest, again.Digest)
	}
	got := c.send(call{id: "getArtifact", params: name}, 200)
	if !strings.Contains(string(got.body), "application/spdx+json") {
		c.t.Errorf("no referrer: %s", got.body)
	}
}

// scanners adds a scanner, has a project choose it, and removes it.
func (c *client) scanners(project map[string]string) {
	t := c.t
	corp := map[string]string{"scanner": "corp"}
	wanted := object{"name": "corp", "url": "http://127.0.0.1:1/x", "auth": "bearer", "credential": "hush"}
	c.send(call{id: "createScanner", body: wanted}, 201)
	c.send(call{id: "createScanner", body: wanted}, 409)
	for _, wrong := range []object{
		{"name": "built-in", "url": "http://h"},
		{"name": "x", "url": "h"},
		{"name": "x", "url": "http://h", "auth": "digest"},
		{"name": "x", "url": "http://h", "auth": "basic", "credential": "no colon"},
		{"name": "x", "url": "http://h", "againDays": -1},
		{"name": "x", "url": "http://u:p@h"},
		{"name": "x", "url": "http://h", "credential": "of nothing"},
		{"name": "x", "url": "http://h", "auth": "bearer"},
		{"name": "x", "url": "http://h", "authorities": "none"},
	} {
		c.send(call{id: "createScanner", body: wrong}, 400)
	}
	var all struct{ Items []map[string]any }
	c.into(call{id: "listScanners"}, &all)
	if len(all.Items) != 1 || all.Items[0]["againDays"] != 1.0 || all.Items[0]["credential"] != nil {
		t.Errorf("%+v", all)
	}
	c.send(call{id: "setScanner", params: corp, body: object{"url": "http://127.0.0.1:2/x", "auth": "bearer"}}, 400)
	c.send(call{id: "setScanner", params: corp, body: object{"url": "http://127.0.0.1:1/x", "auth": "bearer", "againDays": 0}}, 200)
	var one map[string]any
	c.into(call{id: "getScanner", params: corp}, &one)
	if one["againDays"] != 0.0 || one["auth"] != "bearer" {
		t.Errorf("%+v", one)
	}
	var said struct {
		OK    bool
		Error string
	}
	c.into(call{id: "testScanner", params: corp}, &said)
	if said.OK || !strings.Contains(said.Error, "127.0.0.1:1") {
		t.Errorf("%+v", said)
	}
	c.send(call{id: "setScanning", params: project, body: object{"scanOnPush": true, "scanner": "absent"}}, 400)
	c.send(call{id: "setScanning", params: project, body: object{"scanOnPush": true, "scanner": "corp"}}, 204)
	c.send(call{id: "deleteScanner", params: corp}, 409)
	c.send(call{id: "setScanning", params: project, body: object{"scanOnPush": true}}, 204)
	c.send(call{id: "deleteScanner", params: corp}, 204)
	c.send(call{id: "deleteScanner", params: corp}, 404)
}
