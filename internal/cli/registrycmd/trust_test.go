package registrycmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/registry/identity/jwttest"
)

// TestTrust has a rule take tokens of a CI system, changes it, and ends it.
func TestTrust(t *testing.T) {
	t.Parallel()
	p := people{t, serve(t, t.TempDir(), "--tls=off")}
	issuer := jwttest.Start(t)
	keys := filepath.Join(t.TempDir(), "jwks.json")
	token := issuer.Sign(t, jwttest.GitHub("https://registry.test", nil))
	file := filepath.Join(t.TempDir(), "token")
	for name, text := range map[string]string{keys: issuer.Set(), file: token + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status := func() int {
		t.Helper()
		time.Sleep(600 * time.Millisecond) // a change holds within a second
		got, _, _ := p.registry.as("ci", token, "POST", "/v2/team/app/blobs/uploads/")
		return got
	}
	p.run(0, "", "project", "create", "team")
	of := []string{"--project", "team", "--issuer", issuer.URL, "--audience", "https://registry.test", "--keys", keys}
	create := append([]string{"trust", "create", "ci"}, of...)
	p.run(125, "say what they may", create...)
	p.run(125, "write NAME=VALUE", append(create, "--push", "--claim", "repository")...)
	p.run(125, "no time to come", append(create, "--push", "--claim", "repository=octo/app", "--expires", "yesterday")...)
	p.run(1, "at least one claim", append(create, "--push")...)
	p.run(1, "a loopback address", "trust", "create", "ci", "--project", "team", "--push", "--issuer", issuer.URL,
		"--audience", "x", "--claim", "sub=**")
	p.run(1, "signs tokens for everybody", "trust", "create", "gh", "--push", "--audience", "x", "--claim", "ref=refs/heads/main",
		"--issuer", "https://token.actions.githubusercontent.com")
	p.run(1, "no such file", append(create[:len(create)-1], "absent", "--push", "--claim", "sub=**")...)
	p.run(0, "trust$team+ci\n", append(create, "--push", "--claim", "repository=octo/*", "--claim", "ref=refs/heads/main")...)
	p.run(1, "exists already", append(create, "--push", "--claim", "repository=octo/*")...)
	if got := status(); got != 202 {
		t.Errorf("a job pushes: %d", got)
	}
	p.run(0, "ref=refs/heads/main repository=octo/*", "trust", "list", "--project", "team")
	p.run(0, `"claims":{"ref":["refs/heads/main"],`, "trust", "list", "--project", "team", "--format", "json")
	p.run(0, "yes", "trust", "check", file, "--project", "team")
	p.run(0, "yes: trust$team+ci has rights of its own in the project", "access", "explain", "trust$team+ci", "push", "team/app")

	p.run(0, "", "trust", "set", "ci", "--project", "team", "--claim", "ref=refs/tags/v*", "--description", "releases")
	if got := status(); got != 401 {
		t.Errorf("a job of a branch pushes where tags may: %d", got)
	}
	p.run(0, `which does not match refs/tags/v*`, "trust", "check", file, "--project", "team")
	p.run(0, "", "trust", "set", "trust$team+ci", "--claim", "ref=refs/heads/main", "--pull", "--repository", "app")
	if got := status(); got != 403 {
		t.Errorf("a job pushes that may pull: %d", got)
	}
	p.run(0, "", "trust", "set", "ci", "--project", "team", "--push")
	p.run(0, "", "trust", "disable", "ci", "--project", "team")
	if got := status(); got != 401 {
		t.Errorf("a disabled rule takes tokens: %d", got)
	}
	p.run(0, "the rule is disabled", "trust", "check", file, "--project", "team")
	p.run(0, "", "trust", "enable", "trust$team+ci")
	if got := status(); got != 202 {
		t.Errorf("an enabled rule: %d", got)
	}
	p.run(0, "repo:octo/app:ref:refs/heads/main", "audit", "list", "--action", "sign-in")
	p.run(0, "", "trust", "rm", "ci", "--project", "team")
	p.run(1, `trust$team+ci" does not exist`, "trust", "rm", "ci", "--project", "team")
	if got := status(); got != 401 {
		t.Errorf("a rule that is removed takes tokens: %d", got)
	}
	if log := p.run(0, "trust.remove", "audit", "list"); !strings.Contains(log, "trust.set") {
		t.Errorf("the log says\n%s", log)
	}
}
