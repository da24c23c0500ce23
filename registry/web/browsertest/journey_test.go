package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// until waits for a condition in the page, which may be on its way to another one.
func (b browser) until(condition string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if met, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition)); err == nil && met {
			return
		}
	}
	b.Fatalf("it never comes true: %s\n%s", condition, b.text())
}

// says waits for a text on the page.
func (b browser) says(text string) {
	b.Helper()
	b.until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// focused waits until the field of a name has the focus, and the page is all there.
func (b browser) focused(name string) {
	b.Helper()
	b.until(fmt.Sprintf(`document.readyState === "complete" && document.activeElement.name === %q`, name))
}

// keys presses keys, wherever the focus is.
func (b browser) keys(keys string) {
	b.Helper()
	b.run(chromedp.KeyEvent(keys))
}

// tabTo goes on by the tabulator until what a selector finds has the focus, as who
// has no mouse does, and checks that the focus can be seen.
func (b browser) tabTo(selector string) {
	b.Helper()
	for range 80 {
		b.keys(kb.Tab)
		if eval[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			if outline := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
				b.Errorf("%s has the focus, and nothing shows it", selector)
			}
			return
		}
	}
	b.Fatalf("the tabulator does not lead to %s", selector)
}

// TestJourneyByKeyboard goes from the sign-in to a new project with a member, and
// out again, without a mouse.
func TestJourneyByKeyboard(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.visit("/")
	b.focused("name")
	b.keys("admin" + kb.Tab + "wrong" + kb.Enter)
	b.says("Wrong user name or password.")
	b.focused("password")
	b.keys(webtest.Password + kb.Enter) // the name is kept, the password has the focus
	b.says("Push your first image")

	b.tabTo(`a.skip`)
	b.keys(kb.Enter)
	b.until(`document.activeElement.id === "main"`)
	b.tabTo(`a[href="/start?client=podman"]`)
	b.keys(kb.Enter)
	b.says("podman push")

	b.visit("/projects")
	b.tabTo("summary.primary")
	b.keys(kb.Enter)
	b.tabTo(`input[name=name]`)
	b.keys("payments" + kb.Enter)
	b.says("Project payments is there.")
	b.tabTo(`a[href="/projects/payments/members"]`)
	b.keys(kb.Enter)
	b.says("Add a member")
	b.tabTo(`input[name=user]`)
	b.keys("ada" + kb.Tab)
	b.keys("m") // maintainer, in the list of roles
	b.keys(kb.Tab + kb.Enter)
	b.says("ada is now Maintainer.")

	b.visit("/projects")
	b.tabTo(`#find`)
	b.keys("pay")
	b.until(`location.pathname === "/search" && document.querySelector('#main a[href="/projects/payments"]') !== null`)
	b.tabTo(`.bottom form[action="/sign-out"] button`)
	b.keys(kb.Enter)
	b.until(`location.pathname === "/sign-in"`)
	b.visit("/account")
	b.until(`location.pathname === "/sign-in"`)
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}

// TestTagsInABrowser filters while typing, shows more, deletes by a click and
// takes it back.
func TestTagsInABrowser(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	for i := range 70 {
		s.Push(t, "library/app", fmt.Sprintf("v%d", i), webtest.Image{Layers: []map[string]string{{"n": fmt.Sprint(i % 3)}}})
	}
	b := open(t, s)
	b.screen(1280, 900, "dark")
	b.signIn("admin")
	b.visit("/repositories/library/app")
	rows := `document.querySelectorAll("#rows tr").length`
	if n := eval[int](b, rows); n != 50 {
		t.Errorf("%d rows at first", n)
	}
	b.run(chromedp.Click(`#more a`))
	b.until(rows + " === 70 && document.querySelector('#more a') === null")
	b.until(`document.querySelectorAll("time:not([title])").length === 0`) // all are in the reader's zone
	b.run(chromedp.SendKeys(`#filter`, "v6"))
	b.until(rows + " === 11")
	if at := eval[string](b, "location.search"); !strings.Contains(at, "match=v6") {
		t.Errorf("the filter is not in the address: %q", at)
	}
	b.run(chromedp.Click(`input[value="v60"]`), chromedp.Click(`input[value="v61"]`), chromedp.Click(`#bulk button.bad`))
	b.says("2 tags are deleted: v61, v60")
	b.says("68 tags")
	b.run(chromedp.Click(`.notice button`))
	b.says("2 tags are back.")
	b.says("70 tags")
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}

// TestLanguageAndColours are chosen at the foot of a page and stay.
func TestLanguageAndColours(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.signIn("admin")
	ground := `getComputedStyle(document.body).backgroundColor`
	light := eval[string](b, ground)
	b.run(chromedp.SetValue(`select[name=theme]`, "dark"))
	b.until(`document.documentElement.dataset.theme === "dark" && document.readyState === "complete"`)
	if dark := eval[string](b, ground); dark == light {
		t.Error("the colours stay")
	}
	b.run(chromedp.SetValue(`select[name=language]`, "zh"))
	b.until(`document.documentElement.lang === "zh" && document.readyState === "complete"`)
	b.visit("/projects")
	b.says("项目")
	b.says("新建项目")
	b.shoot("projects-chinese")
}

// TestNoScriptOfAStrangerRuns shows hostile texts in a browser whose pages allow no
// script but ours (T14).
func TestNoScriptOfAStrangerRuns(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	b := open(t, s)
	b.signIn("admin")
	for i, text := range []string{
		`<script>window.owned=1</script>`, `"><img src=x onerror="window.owned=1">`, `<svg onload="window.owned=1">`,
		`" autofocus onfocus="window.owned=1`, `<iframe srcdoc="<script>parent.owned=1</script>"></iframe>`,
		`" hx-on:click="window.owned=1" hx-trigger="load" hx-get="/users`, `<meta http-equiv="refresh" content="0;url=data:text/html,x">`,
	} {
		repo := fmt.Sprintf("library/hostile%d", i)
		img := s.Push(t, repo, "v1", webtest.Image{
			Layers: []map[string]string{{text: text, "page.html": text}}, Steps: []string{text},
			Config:      ocispec.ImageConfig{Env: []string{"A=" + text}, Cmd: []string{text}, Labels: map[string]string{text: text}},
			Annotations: map[string]string{text: text},
		})
		s.Push(t, repo, "", webtest.Image{Subject: &img, Type: "application/x" + text})
		for _, path := range []string{"/artifacts/" + repo + ":v1", "/files/" + repo + ":v1", "/files/" + repo + ":v1?path=page.html"} {
			b.visit(path)
			if owned := eval[bool](b, "window.owned !== undefined"); owned {
				t.Errorf("%s: a script ran", path)
			}
			if at := eval[string](b, "location.pathname"); !strings.HasPrefix(path, at) {
				t.Errorf("%s led to %s", path, at)
			}
		}
	}
	for _, fault := range b.faults.all() {
		t.Error(fault) // a violation of the policy would be markup that came through
	}
}
