package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestPagesKeepThemselvesUpToDate: what happens elsewhere is seen without a reload, what
// has the focus keeps it, and the stream is closed when the session ends.
func TestPagesKeepThemselvesUpToDate(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	first := s.Job(t)
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.signIn("admin")
	b.visit("/jobs")
	b.until(`streams.size === 1 && [...streams.values()][0].readyState === EventSource.OPEN`)
	b.until(`(document.querySelector('#rows a[href="` + first + `"]').focus(), true)`)
	rows := eval[int](b, `(window.stays = true, document.querySelectorAll("#rows > tr").length)`)
	second := s.Job(t)
	b.until(`document.querySelector('#rows a[href="` + second + `"]') !== null`)
	if now := eval[int](b, `document.querySelectorAll("#rows > tr").length`); now <= rows || !eval[bool](b, "window.stays === true") {
		t.Errorf("%d rows after %d, or the page was loaded again", now, rows)
	}
	if at := eval[string](b, `document.activeElement.getAttribute("href")`); at != first {
		t.Errorf("the focus is on %q, it was on %q", at, first)
	}
	b.visit("/system")
	b.until(`streams.size === 1 && [...streams.keys()][0] === "/live/system"`)
	// Another window signs out.
	eval[bool](b, `fetch("/sign-out", {method: "POST", body: new URLSearchParams(new FormData(
		document.querySelector('form[action="/sign-out"]')))}).then(() => true)`)
	b.until(`[...streams.values()].every((stream) => stream.readyState === EventSource.CLOSED)`)
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}

// TestUsageByKeyboard: the areas of the treemap are links that the tabulator finds, and
// their names say what they are.
func TestUsageByKeyboard(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	for _, project := range []string{"payments", "base"} {
		s.Project(t, project, false, nil)
		s.Push(t, project+"/app", "v1", webtest.Image{Layers: []map[string]string{{"for": project}}})
	}
	b, axe := open(t, s), readAxe(t)
	b.signIn("admin")
	for _, width := range []int64{360, 1280} {
		b.screen(width, 900, "light")
		b.visit("/usage")
		for _, violation := range b.axe(axe) {
			t.Errorf("at %d pixels: %s", width, violation)
		}
		b.tabTo(`.treemap a`)
		if name := eval[string](b, `document.activeElement.querySelector("title").textContent`); !strings.Contains(name, " B, ") {
			t.Errorf("an area is called %q", name)
		}
		if box := eval[int](b, `document.activeElement.closest("svg").getBoundingClientRect().width`); box < 300 {
			t.Errorf("at %d pixels the map is %d wide", width, box)
		}
		b.keys(kb.Enter)
		b.until(`/^\/projects\/(payments|base)\/usage$/.test(location.pathname)`)
	}
}
