package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// flaws is a database of vulnerabilities, of OSV, whose texts are hostile.
const flaws = `{"id":"CVE-2024-1","summary":"<script>alert(1)</script>","affected":[{"package":{"ecosystem":"npm","name":"left-pad"},` +
	`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.3.0"}]}]}],"references":[{"type":"WEB","url":"https://example.com/a"}],` +
	`"database_specific":{"severity":"HIGH"}}`

// TestVulnerabilitiesOnPages finds one, keeps its image back and lets it through.
func TestVulnerabilitiesOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "boss", "reader")
	s.Project(t, "team", false, map[string]string{"boss": "project-admin", "reader": "guest"})
	image := s.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{
		{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.2.0"}`},
	}})
	admin, boss, reader := s.As(t, "admin"), s.As(t, "boss"), s.As(t, "reader")
	if body := admin.Get("/security", 200); !strings.Contains(body, "no database of vulnerabilities yet") {
		t.Errorf("without a database: %s", body)
	}
	if body := reader.Get("/scans/team/app:v1", 200); !strings.Contains(body, "not scanned yet") {
		t.Errorf("before a scan: %s", body)
	}
	// Without a database nothing is found, which does not mean that there is nothing.
	boss.Get("/scans/team/app:v1", 200)
	boss.Post("/scans/team/app:v1", url.Values{}, 303)
	for range 400 {
		if strings.Contains(boss.Get("/scans/team/app:v1", 200), "No database to ask yet") {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	for _, path := range []string{"/scans/team/app:v1", "/artifacts/team/app:v1"} {
		if body := boss.Get(path, 200); !strings.Contains(body, "No database to ask yet") ||
			strings.Contains(body, "No vulnerability is known") {
			t.Errorf("%s without a database: %s", path, body)
		}
	}
	s.Do(t, webtest.Call{Method: http.MethodPut, Path: "/api/v1/security/databases/osv", Body: []byte(flaws)}, 200)
	boss.Get("/scans/team/app:v1", 200)
	boss.Post("/scans/team/app:v1", url.Values{}, 303)
	for range 400 {
		if strings.Contains(reader.Get("/scans/team/app:v1", 200), "left-pad") {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if body := reader.Body; !strings.Contains(body, "CVE-2024-1") || !strings.Contains(body, "1.3.0") ||
		strings.Contains(body, "<script>alert") {
		t.Errorf("the scan: %s", body)
	}
	if body := reader.Get("/artifacts/team/app:v1", 200); !strings.Contains(body, "/scans/team/app@"+image.Digest.String()) ||
		!strings.Contains(body, "High 1") {
		t.Errorf("the artifact: %s", body)
	}
	for _, path := range []string{"/security", "/security/vulnerabilities/CVE-2024-1"} {
		if body := admin.Get(path, 200); !strings.Contains(body, image.Digest.String()) {
			t.Errorf("%s: %s", path, body)
		}
		reader.Get(path, 403)
	}
	admin.Get("/security/vulnerabilities/CVE-1999-1", 404)
	admin.Get("/security?after=here", 400)
	admin.Get("/security", 200)
	admin.Post("/security/scan", url.Values{}, 303)

	const page = "/projects/team/scanning"
	if body := reader.Get(page, 200); strings.Contains(body, "Save") || !strings.Contains(body, "No gate") {
		t.Errorf("a guest's: %s", body)
	}
	boss.Get(page, 200)
	boss.Post(page, url.Values{"severity": {"High"}}, 303)
	if body := boss.Follow(200); !strings.Contains(body, "choose what becomes of images") {
		t.Errorf("no choice: %s", body)
	}
	boss.Post(page, url.Values{"severity": {"High"}, "unscanned": {"block"}, "on_push": {"1"}, "sbom": {"spdx"}}, 303)
	if body := boss.Follow(200); !strings.Contains(body, `value="High" selected`) || !strings.Contains(body, `value="block" selected`) ||
		!strings.Contains(body, `value="spdx" selected`) || !strings.Contains(body, "checked") {
		t.Errorf("what was set: %s", body)
	}
	pull := func(want int) {
		t.Helper()
		s.Do(t, webtest.Call{Method: http.MethodGet, Path: "/v2/team/app/manifests/v1"}, want)
	}
	pull(403)
	if body := reader.Get("/scans/team/app:v1", 200); !strings.Contains(body, "keeps this image back") {
		t.Errorf("held: %s", body)
	}
	boss.Get(page, 200)
	boss.Post("/projects/team/exceptions", url.Values{"vulnerability": {"CVE-2024-1"}, "until": {"2120-01-02"}, "reason": {"not reachable"}}, 303)
	if body := boss.Follow(200); !strings.Contains(body, "not reachable") {
		t.Errorf("the exception: %s", body)
	}
	pull(200)
	boss.Post("/projects/team/exceptions", url.Values{"vulnerability": {"CVE-2024-1"}, "until": {"soon"}}, 400)
	boss.Get(page, 200)
	boss.Post("/projects/team/exceptions/remove", url.Values{"vulnerability": {"CVE-2024-1"}}, 303)
	pull(403)
	boss.Get(page, 200)
	boss.Post(page, url.Values{"on_push": {"1"}}, 303)
	pull(200)
}

// TestScannersOnPages adds a scanner, opens its form again, changes it and removes it.
func TestScannersOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	admin := s.As(t, "admin")
	admin.Get("/security", 200)
	admin.Post("/security/scanners", url.Values{
		"name": {"corp"}, "url": {"http://127.0.0.1:1/x"}, "auth": {"bearer"}, "credential": {"hush"}, "again": {"7"}, "default": {"1"},
		"registry": {"http://registry.example.com"},
	}, 303)
	page := admin.Get("/security?scanner=corp", 200)
	if strings.Contains(page, "hush") {
		t.Error("the page shows a credential")
	}
	form := formIn(t, page, "/security/scanners")
	if form.Get("url") != "http://127.0.0.1:1/x" || form.Get("auth") != "bearer" || form.Get("again") != "7" || form.Get("default") != "1" ||
		form.Get("registry") != "http://registry.example.com" {
		t.Errorf("the form has %v", form)
	}
	admin.Post("/security/scanners", form, 303)
	again := formIn(t, admin.Get("/security?scanner=corp", 200), "/security/scanners")
	form.Del("form_token") // of the post before
	if again.Encode() != form.Encode() {
		t.Errorf("saved as it was, the form has %v, and had %v", again, form)
	}
	again.Set("again", "0")
	admin.Post("/security/scanners", again, 303)
	form.Set("again", "3")
	admin.Post("/security/scanners", form, 303)
	if page := admin.Get("/security", 200); !strings.Contains(page, "does not scan again by itself") {
		t.Errorf("of two changes at once the second counts:\n%s", page)
	}
	admin.Post("/security/scanners/test", url.Values{"name": {"corp"}}, 303)
	if page := admin.Get("/security", 200); !strings.Contains(page, "127.0.0.1:1/x: ") {
		t.Errorf("a scanner that is away:\n%s", page)
	}
	admin.Post("/security/scanners/remove", url.Values{"name": {"corp"}}, 303)
	if page := admin.Get("/security", 200); !strings.Contains(page, "There are none: the registry scans by itself.") {
		t.Errorf("after the removal:\n%s", page)
	}
}
