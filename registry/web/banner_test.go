package web_test

import (
	"strings"
	"testing"

	"cove/registry/banner"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestBanner: what the operator says is above the page of a visitor and of who has
// signed in, as text, and Harbor's clients read it too.
func TestBanner(t *testing.T) {
	for until, shown := range map[string]bool{"": true, "2020-01-01": false} {
		site := webtest.Start(t, config.Config{Banner: banner.Banner{Message: "We <b>move</b>", Kind: "warning", Until: until}})
		pages := []string{site.Visitor(t).Get("/sign-in", 200)}
		pages = append(pages, site.As(t, "admin").Get("/projects", 200))
		for i, page := range pages {
			if got := strings.Contains(page, "We &lt;b&gt;move&lt;/b&gt;"); got != shown || strings.Contains(page, "<b>move") {
				t.Errorf("until %q, page %d: shown %v", until, i, got)
			}
		}
		info := string(site.Do(t, webtest.Call{Method: "GET", Path: "/api/v2.0/systeminfo"}, 200))
		if !strings.Contains(info, `"banner_message":"{\"closable\":false`) || !strings.Contains(info, `\"type\":\"warning\"`) {
			t.Errorf("Harbor's: %s", info)
		}
	}
}
