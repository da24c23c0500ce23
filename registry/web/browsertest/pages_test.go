package browsertest

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// filled is a registry with something on every page.
func filled(t *testing.T) (s *webtest.Site, pages map[string]string) {
	t.Helper()
	s = webtest.Start(t, config.Config{Accounts: config.Accounts{Registration: config.RegistrationApproval}})
	s.Users(t, "ada.lovelace", "grace", "katherine")
	s.Project(t, "payments", false, map[string]string{"ada.lovelace": "project-admin", "grace": "developer"})
	s.Project(t, "base-images", true, map[string]string{"katherine": "maintainer"})
	s.Project(t, "empty", false, nil)
	img := s.Push(t, "payments/checkout/api", "v1.4.2", webtest.Image{
		Layers: []map[string]string{
			{"bin/": "", "bin/sh": strings.Repeat("sh", 40000), "etc/": "", "etc/os-release": "NAME=\"cove\"\n", "etc/passwd": "root:x:0:0::/root:/bin/sh\n"},
			{"app/": "", "app/server.js": strings.Repeat("console.log(42)\n", 900), "app/README.md": "# Checkout\n\nTakes payments.\n"},
			{"app/config.json": `{"port": 8080}`},
		},
		Steps: []string{
			"/bin/sh -c #(nop) ADD file:0a1b2c3d4e5f in / ",
			"RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* # buildkit",
			"COPY config.json /app/ # buildkit",
		},
		Config: ocispec.ImageConfig{
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_VERSION=22.11.0"},
			Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"node", "/app/server.js"}, WorkingDir: "/app", User: "node",
			ExposedPorts: map[string]struct{}{"8080/tcp": {}}, Labels: map[string]string{"org.opencontainers.image.source": "https://git.example.com/payments/checkout"},
		},
		Annotations: map[string]string{"org.opencontainers.image.created": "2026-03-01T12:00:00Z"},
	})
	s.Push(t, "payments/checkout/api", "wasteful", webtest.Image{
		Layers: []map[string]string{
			{"var/cache/": "", "var/cache/packages.tar": strings.Repeat("p", 900_000), "app/config.json": `{"port": 80}`},
			{"var/cache/.wh.packages.tar": "", "app/config.json": `{"port": 8080}`, "app/server": strings.Repeat("s", 70_000)},
		},
		Steps: []string{"RUN /bin/sh -c apt-get update && apt-get install -y curl # buildkit", "RUN /bin/sh -c rm -rf /var/cache/* && make # buildkit"},
	})
	s.API(t, "PUT", "/descriptions/payments/checkout/api", `{"text":"# Checkout\n\nTakes payments, and asks *nobody* else. See [the handbook](https://docs.example.com/checkout).\n\n- `+"`v1`"+` is what runs\n- `+"`latest`"+` is what comes next\n\n| port | what |\n|---|---|\n| 8080 | HTTP |"}`, 200)
	s.Push(t, "payments/checkout/api", "", webtest.Image{Subject: &img, Type: "application/vnd.dev.cosign.artifact.sig.v1+json"})
	arm := s.Push(t, "payments/checkout/api", "", webtest.Image{Layers: []map[string]string{{"arm": "64"}}})
	img.Platform, arm.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}, &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	s.Index(t, "payments/checkout/api", "latest", img, arm)
	old := s.Push(t, "payments/checkout/api", "v1.4.1", webtest.Image{Layers: []map[string]string{{"old": "1"}}})
	s.Do(t, webtest.Call{Method: "DELETE", Path: "/v2/payments/checkout/api/manifests/" + old.Digest.String()}, 202)
	for i := range 60 {
		s.Push(t, "payments/worker", fmt.Sprintf("build-%d", i), webtest.Image{Layers: []map[string]string{{"n": fmt.Sprint(i / 10)}}})
	}
	s.Push(t, "base-images/debian", "12", webtest.Image{})
	s.Chart(t, "payments/charts/shop", "1.2.3")
	s.Model(t, "payments/models/small-talk", "v2")
	s.DockerModel(t, "payments/models/smol", "latest")
	s.Generic(t, "payments/a-repository-with-a-name-that-is-longer-than-most-screens-of-phones-are-wide/and-it-goes-on/report", "nightly-2026-11-29-with-a-long-tag-too")
	s.API(t, "POST", "/projects/payments/robots", `{"name":"ci","rights":["push"],"repositories":["checkout/*","worker"],"description":"builds and pushes"}`, 201)
	s.API(t, "POST", "/robots", `{"name":"mirror","rights":["pull"],"repositories":["base-images/*"],"expiresAt":"2036-01-01T00:00:00Z"}`, 201)
	s.API(t, "POST", "/projects/payments/trust", `{"name":"ci","issuer":"https://token.actions.githubusercontent.com","audience":"https://registry.example.com",
		"claims":{"repository":["octo/checkout","octo/worker"],"ref":["refs/heads/main"]},"rights":["push","label:list"],"repositories":["checkout/*"],"description":"jobs of the main branch"}`, 201)
	s.API(t, "POST", "/trust", `{"name":"nodes","issuer":"https://kubernetes.example.com","audience":"registry","claims":{"sub":["system:serviceaccount:**"]},"rights":["pull"]}`, 201)
	s.API(t, "POST", "/me/tokens", `{"name":"laptop","rights":["pull"],"repositories":"payments/*"}`, 201)
	s.API(t, "POST", "/groups", `{"name":"backend"}`, 201)
	s.API(t, "PUT", "/groups/backend/users/grace", "", 204)
	s.API(t, "PUT", "/projects/payments/members/backend", `{"role":"guest","group":true,"repositories":"checkout/*"}`, 204)
	for i, l := range []string{"stable", "needs review", "a-label-with-a-name-that-is-longer-than-what-a-phone-shows-in-one-line", "旧版"} {
		s.API(t, "POST", []string{"/labels", "/projects/payments/labels"}[i%2], fmt.Sprintf(
			`{"name":%q,"color":%q,"description":"moves tags"}`, l, []string{"#1a7f37", "#cf222e", "#000000", "#ffffff"}[i]), 201)
		s.API(t, "POST", "/artifact-labels/payments/checkout/api:v1.4.2", fmt.Sprintf(`{"name":%q}`, l), 204)
	}
	s.API(t, "POST", "/labels", `{"name":"to be deleted"}`, 201)
	s.API(t, "PUT", "/roles/deployer", `{"rights":["pull","tag:create"],"description":"moves tags"}`, 204)
	s.API(t, "PUT", "/proxies/hub", `{"upstream":"docker.io/library","user":"reader","password":"secret","repositories":["debian","alpine"]}`, 204)
	s.API(t, "POST", "/security/scanners", `{"name":"another","url":"https://scanner.absent.invalid/"}`, 201)
	s.API(t, "POST", "/queues/retention/pause", "", 204)
	var waiting string
	s.Change(t, func(ctx context.Context, tx *metadata.Tx) error {
		id, _, err := jobs.Add(ctx, tx, jobs.New{Kind: "retention", Subject: "payments", Project: "payments", By: "grace", Due: time.Now().Add(time.Hour)})
		waiting = fmt.Sprint("/jobs/", id)
		return err
	})
	return s, map[string]string{
		"replication-proxy": "/replication?proxy=hub", "job-waiting": waiting,
		"start": "/start", "projects": "/projects", "project": "/projects/payments", "project-empty": "/projects/empty",
		"labels": "/projects/payments/labels", "labels-none": "/projects/empty/labels", "labels-global": "/labels",
		"labelled": "/repositories/payments/checkout/api?label=stable", "labelled-none": "/repositories/payments/worker?label=stable",
		"members": "/projects/payments/members", "settings": "/projects/payments/settings", "repository": "/repositories/payments/worker",
		"tags": "/repositories/payments/checkout/api", "artifact": "/artifacts/payments/checkout/api:v1.4.2", "index": "/artifacts/payments/checkout/api:latest",
		"files": "/files/payments/checkout/api:v1.4.2", "file": "/files/payments/checkout/api:v1.4.2?path=app/README.md",
		"space": "/space/payments/checkout/api:wasteful", "space-none": "/space/payments/checkout/api:v1.4.2",
		"search": "/search?q=check", "search-none": "/search?q=nothing-like-it", "users": "/users", "account": "/account", "audit": "/audit",
		"chart": "/artifacts/payments/charts/shop:1.2.3", "chart-files": "/files/payments/charts/shop:1.2.3?path=shop",
		"model": "/artifacts/payments/models/small-talk:v2", "docker-model": "/artifacts/payments/models/smol:latest",
		"generic": "/artifacts/payments/a-repository-with-a-name-that-is-longer-than-most-screens-of-phones-are-wide/and-it-goes-on/report:nightly-2026-11-29-with-a-long-tag-too",
		"long":    "/repositories/payments/a-repository-with-a-name-that-is-longer-than-most-screens-of-phones-are-wide/and-it-goes-on/report",
		"history": "/history/payments/checkout/api", "policies": s.Policies(t, "payments"),
		"usage": "/usage", "project-usage": "/projects/payments/usage", "repository-usage": "/usage/payments/checkout/api?tag=latest",
		"webhook": s.Webhook(t, "payments", "https://ci.absent.invalid/hook"), "webhooks": "/projects/payments/webhooks", "webhooks-none": "/projects/empty/webhooks",
		"replication": "/replication", "replication-run": s.Replication(t), "replication-rule": "/replication?rule=copies",
		"replication-endpoint": "/replication?endpoint=self", "garbage": "/gc?dry=1", "renamed": s.Renamed(t),
		"compare":   "/compare/payments/checkout/api:v1.4.2?with=payments/vulnerable:v1",
		"retention": "/projects/payments/retention", "jobs": "/jobs", "jobs-none": "/jobs?state=failed", "job": s.Job(t),
		"security": "/security", "scanning": s.Scans(t, "payments"), "scan": "/scans/payments/vulnerable:v1", "scan-index": "/scans/payments/checkout/api:latest",
		"signing": s.Signing(t, "sealed"), "signed": "/artifacts/sealed/app:v1", "unsigned": "/artifacts/sealed/app:v2",
		"vulnerability": "/security/vulnerabilities/CVE-2021-44906",
		"robots":        "/projects/payments/robots", "system-robots": "/robots", "tokens": "/account/tokens", "groups": "/groups", "roles": "/roles", "access": "/access?user=grace&verb=push&object=payments/worker",
		"trust": "/projects/payments/trust", "trust-rule": "/projects/payments/trust/ci", "trust-none": "/projects/empty/trust", "system-trust": "/trust", "system": "/system", "provider-test": "/sign-in/oidc/test",
		"error": "/projects/absent",
	}
}

// cutTables says which table is wider than its frame, though no keyboard can move it.
const cutTables = `[...document.querySelectorAll(".scroll:not([tabindex])")].filter((box) =>
	box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent.trim().slice(0, 40)).join(", ")`

// sideways says which table a phone would have to be moved sideways for.
const sideways = `[...document.querySelectorAll(".scroll")].filter((box) =>
	box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent.trim().slice(0, 40)).join(", ")`

// TestPagesAreForEveryone looks at each page in both colours, on a phone, a tablet, a
// laptop and a wide screen: axe-core finds nothing, nothing is cut, and no script
// fails.
func TestPagesAreForEveryone(t *testing.T) {
	axe := readAxe(t)
	s, pages := filled(t)
	b := open(t, s)
	looked := 0
	look := func(t *testing.T, name, path string) {
		t.Helper()
		for _, width := range []int64{360, 768, 1440, 2560} {
			for _, theme := range []string{"light", "dark"} {
				if os.Getenv("COVE_SCREENSHOTS_ALL") == "" && (width == 360) != (theme == "dark") {
					continue // every width and either theme once are enough for a test
				}
				b.screen(width, 900, theme)
				b.visit(path)
				looked++
				where := fmt.Sprintf("%s-%d-%s", name, width, theme)
				b.shoot(where)
				if cut := eval[string](b, cutTables); cut != "" {
					t.Errorf("%s: a table is cut: %s", where, cut)
				}
				if wide := eval[string](b, sideways); width == 360 && wide != "" {
					t.Errorf("%s: a table is wider than a phone: %s", where, wide)
				}
				if over := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s is %d pixels wider than the screen", where, over)
				}
				if width == 2560 || width == 768 {
					continue // as the others but for the width
				}
				for _, v := range b.axe(axe) {
					t.Errorf("%s: %s", where, v)
				}
			}
		}
	}
	look(t, "sign-in", "/sign-in")
	look(t, "register", "/register")
	look(t, "password", s.PasswordLink(t, "katherine"))
	b.signIn("admin")
	for name, path := range pages {
		t.Run(name, func(t *testing.T) { look(t, name, path) })
	}
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
	t.Logf("%d looks", looked)
}

// foreignWords lists texts that the page itself says, and says in English: more than one
// word beside each other of letters alone, where no code stands.
const foreignWords = `(() => {
	const said = [], own = "td, dd, li, div, span, a, h1, h2, h3, label, legend, summary, button, th, p, option, nav, .hint, .empty, .badge";
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const at = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
		if (at === null || at.closest("code, pre, samp, kbd, time, script, style, .user, [lang]:not(html)") !== null) continue;
		if (at.closest(own) === null || /[\u4e00-\u9fff]/.test(at.textContent)) continue;
		if (/[A-Za-z]{3,}( |[,;] \d+ )[A-Za-z]{2,}/.test(text)) said.push(text.slice(0, 60));
	}
	return said.join(" | ");
})()`

// notOurs are names that are the same in every language, what filled gives things for
// names and descriptions, what the resolver of names says, and what a job noted when it
// ran, for all who read it.
var notOurs = regexp.MustCompile(`^(Docker Hub|Helm Chart|GitHub Actions|docker model|project "absent"|jobs of the main branch|` +
	`needs review|A shop for|Answers questions|builds and pushes|moves tags|Prototype pollution|Before 1.2.6|` +
	`Ada Lovelace|GitLab CI|group |authority sha256:|release sha256:|repository:pull tag:create|` +
	`Takes payments, and asks|the handbook|is what runs|is what comes next|# Checkout|` +
	`ci.absent.invalid: lookup)`)

// TestPagesInChinese looks at each page on a phone in Chinese, in both colours: nothing is
// cut, axe-core finds nothing, and nothing that the page itself says is in English.
func TestPagesInChinese(t *testing.T) {
	axe := readAxe(t)
	s, pages := filled(t)
	b := open(t, s)
	b.screen(360, 800, "light")
	b.signIn("admin")
	b.run(chromedp.SetValue("select[name=language]", "zh"))
	b.until("document.documentElement.lang === \"zh\" && document.readyState === \"complete\"")
	for name, path := range pages {
		b.visit(path)
		b.shoot(name + "-360-zh")
		if wide := eval[string](b, sideways); wide != "" {
			t.Errorf("%s: a table is wider than a phone: %s", name, wide)
		}
		if over := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%s is %d pixels wider than the screen", name, over)
		}
		for _, theme := range []string{"light", "dark"} {
			b.screen(360, 800, theme)
			for _, v := range b.axe(axe) {
				t.Errorf("%s in Chinese, %s: %s", name, theme, v)
			}
		}
		b.screen(360, 800, "light")
		for text := range strings.SplitSeq(eval[string](b, foreignWords), " | ") {
			if text != "" && !notOurs.MatchString(text) {
				t.Errorf("%s says in English: %s", name, text)
			}
		}
	}
}
