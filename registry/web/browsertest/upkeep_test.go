package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestUpkeepByKeyboard compares two images, gives a repository and a project other names,
// makes and changes an endpoint and a rule of replication, and collects, without a mouse.
func TestUpkeepByKeyboard(t *testing.T) {
	s := webtest.Start(t, config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.0/8"}}})
	s.Push(t, "shop/till", "v1", webtest.Image{Layers: []map[string]string{{"old": "1"}}})
	s.Push(t, "shop/till", "v2", webtest.Image{Layers: []map[string]string{{"new": "2"}}})
	b := open(t, s)
	b.screen(1280, 900, "light")
	b.signIn("admin")

	b.visit("/artifacts/shop/till:v1")
	b.tabTo(`input[name=with]`)
	b.keys("v2" + kb.Enter)
	b.until(`location.pathname.startsWith("/compare/") && document.body.innerText.includes("/new")`)

	b.visit("/history/shop/till")
	b.tabTo(`details.card:not(.danger) > summary`)
	b.keys(kb.Enter)
	b.tabTo(`form[action^="/repositories/rename/"] input[name=to]`) // it is all selected, and typed over
	b.keys("shop/counter" + kb.Enter)
	b.says("shop/till is called shop/counter now.")

	b.visit("/projects/shop/settings")
	b.tabTo(`form[action="/projects/shop/rename"] input[name=to]`)
	b.keys("store" + kb.Enter)
	b.says("shop is called store now.")
	b.visit("/projects/store/settings")
	b.tabTo(`form[action="/projects/store/release"] button`)
	b.keys(kb.Enter)
	b.says("The name shop is free now.")

	endpoint(b)

	b.visit("/system")
	b.tabTo(`a[href="/gc"]`)
	b.keys(kb.Enter)
	b.says("What nothing needs any more")
	b.tabTo(`a[href="/gc?dry=1"]`)
	b.keys(kb.Enter)
	b.says("Nothing would go now.")
	b.tabTo(`form[action="/gc"] button`)
	b.keys(kb.Enter)
	b.says("A server collects.")
	b.says("Done") // the page asks by itself
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
}

// endpoint makes another registry and a rule for it, and changes both.
func endpoint(b browser) {
	b.Helper()
	b.visit("/replication")
	b.tabTo(`#endpoint input[name=name]`)
	b.keys("other" + kb.Tab + b.site.URL + kb.Enter)
	b.says("other is added.")
	b.tabTo(`a[href="/replication?endpoint=other#endpoint"]`)
	b.keys(kb.Enter)
	b.says("Change endpoint other")
	b.tabTo(`#endpoint input[name=user]`)
	b.keys("admin" + kb.Tab + webtest.Password + kb.Enter)
	b.says("Endpoint other is changed.")
	b.tabTo(`form[action="/replication/endpoints/test"] button`)
	b.keys(kb.Enter)
	b.says("other answers")

	b.tabTo(`#rule input[name=name]`)
	b.keys("mirror")
	b.tabTo(`#rule input[name=repositories]`)
	b.keys("store/**")
	b.tabTo(`#rule input[name=except_tags]`)
	b.keys(" ")
	b.tabTo(`#rule input[name=namespace]`) // round, past the end of the page
	b.keys("copies" + kb.Enter)
	b.says("The rule mirror is added.")
	b.tabTo(`a[href="/replication?rule=mirror#rule"]`)
	b.keys(kb.Enter)
	b.until(`document.querySelector("#rule input[name=repositories]")?.value === "store/**"`)
	if !eval[bool](b, `document.querySelector("#rule input[name=except_tags]").checked`) {
		b.Error("the rule is opened again with something else")
	}
	b.tabTo(`#rule input[name=namespace]`)
	b.keys("kept" + kb.Enter)
	b.says("Rule mirror is changed.")
}
