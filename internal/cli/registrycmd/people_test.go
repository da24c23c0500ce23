package registrycmd

import (
	"strings"
	"testing"
)

// people runs commands on one registry, in this process, beside its server.
type people struct {
	*testing.T
	registry *process
}

// run is a command that ends with a code and says want; its output is returned.
func (p people) run(code int, want string, args ...string) string {
	p.Helper()
	out, errs, got := here(p.T, "", append(args, "--root", p.registry.root)...)
	if got != code || !strings.Contains(out+errs, want) {
		p.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
	}
	return strings.TrimSpace(out)
}

// TestWhoIsWhat gives users and groups roles, built in and made, in all of a
// project and in a part of it.
func TestWhoIsWhat(t *testing.T) {
	t.Parallel()
	p := people{t, serve(t, t.TempDir(), "--tls=off")}
	p.run(0, "", "user", "add", "alice", "--random")
	p.run(0, "", "project", "create", "team")
	p.run(0, "", "member", "add", "team", "alice", "developer", "--repository", "api-*")
	p.run(0, "", "group", "add", "backend")
	p.run(0, "", "group", "join", "backend", "alice")
	p.run(0, "alice", "group", "users", "backend")
	p.run(0, "backend   1", "group", "list")
	p.run(1, `right "fly"`, "role", "set", "deployer", "--right", "fly")
	p.run(0, "", "role", "set", "deployer", "--right", "pull,tag:create")
	p.run(0, `{"name":"deployer","rights":["repository:pull","tag:create"]`, "role", "list", "--format", "json")
	p.run(0, "", "member", "set", "team", "backend", "deployer", "--group")
	p.run(1, `role "king"`, "member", "set", "team", "alice", "king")
	if got := p.run(0, "", "member", "list", "team"); got != "NAME      KIND    ROLE        REPOSITORIES\n"+
		"alice     user    developer   api-*\nbackend   group   deployer    *" {
		t.Errorf("members:\n%s", got)
	}
	p.run(0, "", "member", "add", "--all-projects", "alice", "auditor")
	p.run(0, "alice", "member", "list", "--all-projects", "-q")
	p.run(1, "is in use", "role", "rm", "deployer")
	p.run(0, "", "member", "rm", "team", "alice")
	p.run(0, "", "member", "rm", "team", "backend", "--group")
	if got := p.run(0, "", "member", "list", "team", "-q"); got != "" {
		t.Errorf("members after all left: %q", got)
	}
	p.run(0, "", "role", "rm", "deployer")
	p.run(0, "", "group", "rm", "backend")
	p.run(125, "accepts 3 arg", "member", "add", "team", "alice")
}
