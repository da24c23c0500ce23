package browsertest

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestAdministrationIsAMenu: the header is one line on a desk, its menu is within the
// window of a phone too, and opens, leads on and closes by keyboard alone.
func TestAdministrationIsAMenu(t *testing.T) {
	b := open(t, webtest.Start(t, config.Config{}))
	axe := readAxe(t)
	b.signIn("admin")
	for _, width := range []int64{360, 1024, 1280, 1500} {
		b.screen(width, 800, "light")
		b.visit("/projects")
		if lines := eval[float64](b, `document.querySelector("header.top").offsetHeight / 16`); width > 1000 && lines > 4 {
			t.Errorf("at %d pixels the header is %.1f rem high", width, lines)
		}
		b.tabTo(".menu > summary")
		b.keys(kb.Enter)
		b.until(`document.querySelector(".menu").open`)
		b.shoot(fmt.Sprintf("menu-%d", width))
		if !eval[bool](b, `(() => {
			const box = document.querySelector(".menu > .card").getBoundingClientRect();
			return box.left >= 0 && box.right <= document.documentElement.clientWidth && box.height > 100;
		})()`) {
			t.Errorf("at %d pixels the menu is not all within the window", width)
		}
		for _, violation := range b.axe(axe) {
			t.Errorf("at %d pixels: %s", width, violation)
		}
		b.keys(kb.Escape)
		b.until(`!document.querySelector(".menu").open && document.activeElement.matches(".menu > summary")`)
	}
	b.keys(kb.Enter)
	b.tabTo(`.menu a[href="/jobs"]`)
	b.keys(kb.Enter)
	b.until(`location.pathname === "/jobs" && document.querySelector('.menu a[aria-current="page"]') !== null`)
	if !eval[bool](b, `document.querySelector(".menu > summary").classList.contains("current")`) {
		t.Error("nothing shows which room it is")
	}
}
