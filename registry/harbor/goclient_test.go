package harbor_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestHarborsGoClient has Harbor's own client drive the façade, on both databases. It is a
// module of its own.
func TestHarborsGoClient(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			cfg := config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.0/8"}}} // the registry is its own other one
			if engine == "postgres" {
				cfg.Database = metadatatest.Postgres(t).New(t)
			}
			c := harborClient{t, webtest.Start(t, cfg), [2]string{"admin", webtest.Password}}
			for _, name := range []string{"team", "lists", "mirror"} {
				c.do("POST", "/projects", object{"project_name": name}, 201)
			}
			for i := range 3 {
				layers := []map[string]string{{"n": fmt.Sprint(i)}}
				c.site.Push(t, "team/app", fmt.Sprintf("v%d", i+1), webtest.Image{Layers: layers})
				c.site.Push(t, "team/other", fmt.Sprintf("v%d", i+1), webtest.Image{Layers: layers})
				c.site.Push(t, "lists/"+string(rune('a'+i)), "v1", webtest.Image{Layers: layers})
			}
			c.site.Push(t, "lists/a", "", webtest.Image{Layers: []map[string]string{{"n": "untagged"}}})
			c.do("POST", "/projects/lists/repositories/a/artifacts/v1/tags", object{"name": "w1"}, 201)
			cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-timeout", "5m", "./...")
			cmd.Dir = "../../e2e/clients/harbor"
			cmd.Env = append(os.Environ(), "COVE_HARBOR_URL="+c.site.URL, "COVE_HARBOR_PASSWORD="+webtest.Password)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
