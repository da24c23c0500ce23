package browsertest

import (
	"fmt"
	"strings"
	"testing"

	cdproto "github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// looks lists what is wrong with how a page looks now, whatever it shows.
func (b browser) looks(where, axe string) {
	b.Helper()
	b.shoot(where)
	if cut := eval[string](b, cutTables); cut != "" {
		b.Errorf("%s: a table is cut: %s", where, cut)
	}
	if over := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		b.Errorf("%s is %d pixels wider than the screen", where, over)
	}
	for _, v := range b.axe(axe) {
		b.Errorf("%s: %s", where, v)
	}
}

// states are what pages show besides what is there: how to come to each, and what it says.
var states = []struct {
	name, says string
	reach      func(b browser)
}{
	{"not-found", "Not found", func(b browser) { b.visit("/repositories/payments/absent") }},
	{"no-address", "Not found", func(b browser) { b.visit("/no/such/page") }},
	{"bad-request", "That cannot be right", func(b browser) { b.visit("/compare/payments/worker:build-1?with=") }},
	{"form-error", "exists", func(b browser) {
		b.visit("/projects")
		b.run(chromedp.Click("summary.primary"), chromedp.SendKeys(`form[action="/projects"] input[name=name]`, "payments"),
			chromedp.Click(`form[action="/projects"] button`))
	}},
	{"new-project", "Create the project", func(b browser) {
		b.visit("/projects")
		b.run(chromedp.Click("summary.primary"))
	}},
	{"confirm", "refused within a second", func(b browser) {
		b.visit("/projects/payments/robots")
		b.run(chromedp.Click(`details.drop > summary.bad`))
	}},
	{"make", "Create the robot", func(b browser) {
		b.visit("/projects/payments/robots")
		b.run(chromedp.Click(`.make > summary`))
	}},
	{"secret", "ci-", func(b browser) {
		b.visit("/account/tokens")
		b.run(chromedp.Click(`.make > summary`), chromedp.SendKeys(`.make input[name=name]`, fmt.Sprintf("ci-%d", eval[int](b, "Date.now()"))),
			chromedp.Click(`.make input[value=pull]`), chromedp.Click(`.make button`), chromedp.WaitVisible(".made"))
	}},
	{"chosen", "Chosen: 3", func(b browser) {
		b.visit("/repositories/payments/worker")
		b.run(chromedp.Click(`input[value="build-47"]`), chromedp.Click(`input[value="build-48"]`), chromedp.Click(`input[value="build-49"]`))
	}},
	{"undo", "Undo", func(b browser) {
		b.visit("/repositories/payments/worker")
		b.run(chromedp.Click(`#rows input[name=tag]`), chromedp.Click(`#bulk button.bad`))
	}},
	{"loading", "worker", func(b browser) {
		b.visit("/repositories/payments/worker")
		eval[bool](b, `document.querySelector("#filter").classList.add("htmx-request"), true`)
	}},
	{"unreachable", "does not answer", func(b browser) {
		b.visit("/repositories/payments/worker")
		eval[bool](b, `document.body.dispatchEvent(new CustomEvent("htmx:sendError", {bubbles: true})), true`)
	}},
	{"menu", "Audit log", func(b browser) {
		b.visit("/projects")
		b.run(chromedp.Click(".menu > summary"))
	}},
	{"search-empty", "Press /", func(b browser) { b.visit("/search") }},
	{"file-cut", "beginning of the file", func(b browser) { b.visit("/files/payments/checkout/api:v1.4.2?path=bin/sh") }},
}

// TestStates looks at what a page shows besides its data: that there is nothing, that it
// fails, that it is refused, what is asked before something goes and what is said after it.
func TestStates(t *testing.T) {
	axe := readAxe(t)
	s, _ := filled(t)
	b := open(t, s)
	b.signIn("admin")
	for _, one := range states {
		for _, as := range []struct {
			width int64
			theme string
		}{{360, "dark"}, {1280, "light"}} {
			b.screen(as.width, 900, as.theme)
			one.reach(b)
			b.says(one.says)
			b.looks(fmt.Sprintf("state-%s-%d-%s", one.name, as.width, as.theme), axe)
		}
	}
	// who may not
	grace := open(t, s)
	grace.signIn("grace")
	for _, path := range []string{"/users", "/projects/empty/members", "/jobs"} {
		grace.visit(path)
		grace.looks("state-forbidden"+strings.ReplaceAll(path, "/", "-"), axe)
	}
	for _, path := range []string{"/projects", "/projects/payments", "/repositories/payments/worker", "/account/tokens"} {
		grace.visit(path)
		grace.looks("state-developer"+strings.ReplaceAll(path, "/", "-"), axe)
	}
	// who has not signed in, and who begins
	visitor := open(t, s)
	for _, path := range []string{"/projects", "/start", "/search?q=debian", "/repositories/base-images/debian"} {
		visitor.visit(path)
		visitor.looks("state-visitor"+strings.NewReplacer("/", "-", "?", "-").Replace(path), axe)
	}
	fresh := open(t, webtest.Start(t, config.Config{}))
	fresh.signIn("admin")
	for _, path := range []string{"/", "/projects", "/jobs", "/replication", "/security", "/usage", "/account/tokens", "/groups", "/labels", "/audit", "/gc"} {
		fresh.visit(path)
		fresh.looks("state-fresh"+strings.ReplaceAll(path, "/", "-"), axe)
	}
}

// TestLooksOfReaders opens pages as those read them who have set something of their own:
// colours of the system's, no motion, twice the size, paper.
func TestLooksOfReaders(t *testing.T) {
	axe := readAxe(t)
	s, pages := filled(t)
	b := open(t, s)
	b.signIn("admin")
	media := func(medium string, features ...string) {
		p := emulation.SetEmulatedMediaParams{Media: medium}
		for i := 0; i < len(features); i += 2 {
			p.Features = append(p.Features, &emulation.MediaFeature{Name: features[i], Value: features[i+1]})
		}
		b.run(command(emulation.SetEmulatedMedia, p))
	}
	for _, name := range []string{"projects", "tags", "artifact", "usage", "members", "system", "replication-run"} {
		b.run(chromedp.EmulateViewport(640, 450)) // 1280 pixels at twice the size
		media("", "prefers-reduced-motion", "reduce")
		b.visit(pages[name])
		b.looks("reader-zoom-"+name, axe)
		b.run(chromedp.EmulateViewport(1280, 900))
		media("print")
		b.shoot("reader-print-" + name)
		if shown := eval[int](b, `[...document.querySelectorAll("header.top, footer.bottom, button")].filter((e) => e.checkVisibility()).length`); shown > 0 {
			t.Errorf("%s: %d things to press are on paper", name, shown)
		}
		media("", "forced-colors", "active", "prefers-color-scheme", "dark")
		b.looks("reader-forced-"+name, axe)
	}
}

// TestNothingTypedIsLost ends a session while a form is filled in: after the sign-in that
// follows, the form has what was typed, and none of its secrets.
func TestNothingTypedIsLost(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	s.Project(t, "shop", false, map[string]string{"ada": "project-admin"})
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.signIn("ada")
	b.visit("/projects/shop/webhooks")
	b.run(chromedp.SendKeys(`.make input[name=name]`, "deploy"), chromedp.SendKeys(`.make input[name=url]`, "https://ci.example.com/hook"),
		chromedp.SendKeys(`.make input[name=secret]`, "hush"), chromedp.Click(`.make input[value=PULL_ARTIFACT]`))
	b.run(command(network.ClearBrowserCookies, cdproto.Empty{}))
	b.run(chromedp.Click(`.make button`))
	b.until(`document.querySelector('.fault a[href^="/sign-in"]') !== null`)
	b.shoot("state-interrupted-1280-light")
	if kept := eval[string](b, `JSON.stringify(sessionStorage) + document.documentElement.outerHTML`); strings.Contains(kept, "hush") {
		t.Error("a secret was kept")
	}
	b.run(chromedp.Click(`.fault a.primary`))
	b.focused("name")
	b.run(chromedp.SendKeys(`input[name=name]`, "ada"), chromedp.SendKeys(`input[name=password]`, webtest.Password+"\n"))
	b.until(`location.pathname === "/projects/shop/webhooks" && document.readyState === "complete"`)
	b.until(`document.querySelector(".make input[name=name]").value === "deploy"`)
	if got := eval[string](b, `[...document.querySelectorAll(".make [name]")].filter((f) => f.type !== "hidden" && (f.type !== "checkbox" || f.checked) && f.value).map((f) => f.name + "=" + f.value).join(" ")`); !strings.Contains(got,
		"url=https://ci.example.com/hook") || !strings.Contains(got, "event=PULL_ARTIFACT") || strings.Contains(got, "hush") {
		t.Errorf("the form has %q", got)
	}
	b.says("What you had typed")
	b.shoot("state-restored-1280-light")
	// what was taken does not come again
	b.run(chromedp.Click(`.make button`))
	b.says("The webhook is created.")
	b.visit("/projects/shop/webhooks")
	b.run(chromedp.Click(`.make > summary`))
	if again := eval[string](b, `document.querySelector(".make input[name=name]").value`); again != "" {
		t.Errorf("what was sent is in the form again: %q", again)
	}
	// a form is sent once, however fast it is pressed
	sent := eval[int](b, `(() => {
		let n = 0;
		const form = document.querySelector(".make form");
		document.addEventListener("submit", (e) => { if (!e.defaultPrevented) { n++; e.preventDefault(); } });
		form.noValidate = true;
		for (let i = 0; i < 3; i++) form.requestSubmit();
		return n;
	})()`)
	if sent != 1 {
		t.Errorf("a form was sent %d times", sent)
	}
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}

// TestBackAndForward goes through a search as it is typed, and back.
func TestBackAndForward(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Push(t, "shop/till", "v1", webtest.Image{})
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.signIn("admin")
	b.visit("/projects")
	b.run(chromedp.SendKeys("#find", "till"))
	b.until(`document.querySelector('#main a[href="/repositories/shop/till"]') !== null`)
	b.run(chromedp.Click(`#main a[href="/repositories/shop/till"]`))
	b.says("docker pull")
	b.run(chromedp.NavigateBack())
	b.until(`location.pathname === "/search" && document.querySelector('#main a[href="/repositories/shop/till"]') !== null`)
	b.run(chromedp.NavigateBack())
	b.until(`location.pathname === "/projects" && document.querySelector("#rows") !== null`)
	b.run(chromedp.NavigateForward())
	b.until(`location.pathname === "/search" && document.querySelector('#main a[href="/repositories/shop/till"]') !== null`)
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}
