package registrycmd

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestJobCommands looks at the jobs of a registry that runs.
func TestJobCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	for _, step := range []struct {
		want string
		code int
		args []string
	}{
		{"audit-retention", 0, []string{"job", "schedules"}},
		{`"cron":"40 2 * * *"`, 0, []string{"job", "schedules", "--format", "json"}},
		{"JOB", 0, []string{"job", "ls", "--state", "failed"}},
		{"", 0, []string{"job", "ls", "--format", "{{.ID}}"}},
		{"there is no job 12", 1, []string{"job", "show", "12"}},
		{"there is no job 12", 1, []string{"job", "stop", "12"}},
		{"there is no job 12", 1, []string{"job", "retry", "12"}},
		{"is no job", 125, []string{"job", "show", "first"}},
		{"ask for at least one", 125, []string{"job", "ls", "-n", "0"}},
	} {
		out, errs, code := here(t, "", append(step.args, "--root", p.root)...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(step.args, " "), code, step.code, step.want, out, errs)
		}
	}
}

// TestTagCommands moves a tag, keeps it, and brings back what it named.
func TestTagCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	first, second := push(t, p, "team/app", "v1", "one"), push(t, p, "team/app", "v1", "two")
	step := func(want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(t, "", append(args, "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return strings.TrimSpace(out)
	}
	if got := step("", 0, "tag", "history", "team/app:v1", "--format", "{{.Digest}} {{.Previous}} {{.By}}"); got !=
		second+" "+first+" admin\n"+first+"  admin" {
		t.Errorf("history\n%s", got)
	}
	step("v1    "+first[:19], 0, "tag", "history", "team/app")
	step("it was not deleted", 1, "tag", "restore", "team/app:v1")
	step("names "+first, 0, "tag", "rollback", "team/app:v1")
	step("names "+second, 0, "tag", "rollback", "team/app:v1", "--to", second)
	step("names no tag", 125, "tag", "rollback", "team/app")
	step("does not exist", 1, "tag", "history", "team/absent")
	step("ask for at least one", 125, "tag", "history", "team/app", "-n", "0")
	rule := step("", 0, "immutable", "add", "team", "--tags", "v*", "--repositories", "app")
	step("repositories app, tags v*", 0, "immutable", "ls", "team")
	step("is immutable: rule "+rule, 1, "tag", "rollback", "team/app:v1")
	step("use a glob", 1, "immutable", "add", "team", "--tags", "[v")
	step("is no rule", 125, "immutable", "rm", "team", "first")
	step("", 0, "immutable", "rm", "team", rule)
	if code, _, body := p.as("admin", testPassword, "DELETE", "/v2/team/app/manifests/"+second); code != 202 {
		t.Fatalf("%d %s", code, body)
	}
	step(second, 0, "tag", "deleted", "team/app")
	step(second+" is back", 0, "tag", "restore", "team/app@"+second)
	if got := step("", 0, "tag", "deleted", "team/app", "-q"); got != "" {
		t.Errorf("still deleted: %s", got)
	}
	step("nothing of team/app was deleted", 1, "tag", "restore", "team/app")
}

// push pushes an index of nothing, which differs by its text, and returns its digest.
func push(t *testing.T, p *process, repo, tag, text string) string {
	t.Helper()
	const index = "application/vnd.oci.image.index.v1+json"
	body := []byte(`{"schemaVersion":2,"mediaType":"` + index + `","manifests":[],"annotations":{"text":"` + text + `"}}`)
	if code, _, answer := p.do("PUT", "/v2/"+repo+"/manifests/"+tag, body, "Content-Type", index); code != 201 {
		t.Fatalf("push: %d %s", code, answer)
	}
	return digest.FromBytes(body).String()
}
