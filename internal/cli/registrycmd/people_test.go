package registrycmd

import (
	"strings"
	"testing"
	"time"
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
	for asked, want := range map[string]string{
		"alice push team/api-x":    "yes: alice has the role developer in the project, in repositories that match api-*",
		"alice pull team/x":        "yes: alice is in the group backend, which has the role deployer in the project",
		"alice push team/x":        "no: no role, group or rule gives it",
		"admin delete team/x":      "yes: admin is a system administrator, who may do everything",
		"alice system:read-audit":  "yes: alice has the role auditor in all projects",
		"alice member:update team": "no: no role",
	} {
		p.run(0, want, append([]string{"access", "explain"}, strings.Fields(asked)...)...)
	}
	p.run(0, `"allowed":false,"rule":"nothing"`, "access", "explain", "", "pull", "team/x", "--format", "json")
	p.run(1, "is nothing to do", "access", "explain", "alice", "fly", "team")
	p.run(1, "does not exist", "access", "explain", "nobody", "pull", "team")
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

// TestRobotsAndTokens makes accounts of programs and tokens of users, signs in with
// each, and ends it.
func TestRobotsAndTokens(t *testing.T) {
	t.Parallel()
	p := people{t, serve(t, t.TempDir(), "--tls=off")}
	status := func(name, secret, method, path string) int {
		t.Helper()
		time.Sleep(600 * time.Millisecond) // a change holds within a second
		got, _, _ := p.registry.as(name, secret, method, path)
		return got
	}
	const uploads = "/v2/team/app/blobs/uploads/"
	p.run(0, "", "project", "create", "team")
	p.run(125, "say what it may", "robot", "create", "ci", "--project", "team")
	p.run(125, "no time to come", "robot", "create", "ci", "--project", "team", "--push", "--expires", "yesterday")
	p.run(1, "does not exist", "robot", "create", "ci", "--project", "absent", "--push")
	name, secret, _ := strings.Cut(p.run(0, "robot$team+ci\n", "robot", "create", "ci", "--project", "team", "--push", "--expires", "90d"), "\n")
	if got := status(name, secret, "POST", uploads); got != 202 {
		t.Errorf("%s pushes: %d", name, got)
	}
	p.run(0, "robot$team+ci   artifact:create", "robot", "list", "--project", "team")
	p.run(0, `"rights":["artifact:create"`, "robot", "list", "--project", "team", "--format", "json")
	next := p.run(0, "cove_robot_", "robot", "rotate", "ci", "--project", "team")
	if old, now := status(name, secret, "POST", uploads), status(name, next, "POST", uploads); old != 401 || now != 202 {
		t.Errorf("after a rotation: %d with the old secret, %d with the new one", old, now)
	}
	p.run(0, "", "robot", "disable", "robot$team+ci")
	if got := status(name, next, "POST", uploads); got != 401 {
		t.Errorf("a disabled robot pushes: %d", got)
	}
	p.run(0, "", "robot", "enable", "ci", "--project", "team")
	p.run(0, "", "robot", "expire", "ci", "never", "--project", "team")
	p.run(0, "", "robot", "rm", "ci", "--project", "team")
	p.run(1, `robot$team+ci" does not exist`, "robot", "rm", "ci", "--project", "team")
	p.run(0, "robot$all", "robot", "create", "all", "--pull")

	p.run(0, "", "user", "add", "alice", "--random")
	p.run(0, "", "member", "add", "team", "alice", "developer")
	token := p.run(0, "cove_pat_", "token", "create", "alice", "laptop", "--right", "pull")
	if pull, push := status("alice", token, "GET", "/v2/team/app/tags/list"), status("alice", token, "POST", uploads); pull == 403 || push != 403 {
		t.Errorf("a token that pulls: %d, and pushes: %d", pull, push)
	}
	p.run(0, "laptop", "token", "list", "alice")
	p.run(0, "", "token", "rm", "alice", "laptop")
	if got := status("alice", token, "GET", "/v2/"); got != 401 {
		t.Errorf("a removed token signs in: %d", got)
	}
}

// TestLinkOfARunningServer: a link names the registry by the name that its server was
// started with, also for a command that is told the root alone.
func TestLinkOfARunningServer(t *testing.T) {
	t.Parallel()
	p := people{t, serve(t, t.TempDir(), "--tls=off", "--hostname", "registry.example.com")}
	p.run(0, "", "user", "add", "alice", "--random")
	if got := p.run(0, "", "user", "link", "alice"); !strings.HasPrefix(got, "http://registry.example.com/password?token=") {
		t.Errorf("the link is %s", got)
	}
}
