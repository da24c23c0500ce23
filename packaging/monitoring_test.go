package packaging

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"cove/registry/server"
	"cove/registry/server/config"
)

// metric is a name of ours within an expression.
var metric = regexp.MustCompile(`cove_registry_[a-z_]+`)

// TestAlertsAndDashboard loads the alert rules as Prometheus does, tries them, and
// holds every metric that they and the dashboard read against those of a registry.
func TestAlertsAndDashboard(t *testing.T) {
	rules, err := os.ReadFile("../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../deploy/grafana/registry.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	used := string(rules)
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			used += target.Expr + "\n"
		}
	}
	shown := metrics(t)
	names := metric.FindAllString(used, -1)
	if len(names) < 20 {
		t.Errorf("only %d metrics are read", len(names))
	}
	for _, name := range names {
		if !strings.Contains(shown, "\n"+name+"{") && !strings.Contains(shown, "\n"+name+" ") {
			t.Errorf("a registry has no metric %s", name)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool, of Debian's package prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// metrics is the page of a registry that has answered a request, with a quota.
func metrics(t *testing.T) string {
	t.Helper()
	const password = "correct horse battery"
	t.Setenv(server.AdminPasswordEnv, password)
	cfg := config.Config{Root: t.TempDir(), Listen: "127.0.0.1:0", TLS: config.TLS{Off: true}}
	cfg.Log.Level = "error"
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	ask := func(method, path, body string) string {
		req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Address()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
			req.SetBasicAuth("admin", password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return "\n" + string(b)
	}
	ask(http.MethodGet, "/livez", "")
	// A project without a limit has none to show.
	if answer := ask(http.MethodPut, "/api/v1/projects/library/quota", `{"limit": 1000000}`); !strings.Contains(answer, "1000000") {
		t.Errorf("setting a quota: %s", answer)
	}
	return ask(http.MethodGet, "/metrics", "")
}
