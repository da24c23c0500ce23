package registrycmd

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/metadata"
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
		{"", 0, []string{"job", "pause", "webhook", "scan"}},
		{"webhook,true", 0, []string{"job", "queues", "--format", "{{.Kind}},{{.Paused}}"}},
		{"", 0, []string{"job", "resume", "webhook", "scan"}},
		{"webhook,false", 0, []string{"job", "queues", "--format", "{{.Kind}},{{.Paused}}"}},
		{"DUE SINCE", 0, []string{"job", "queues"}},
		{"there is no kind of jobs", 1, []string{"job", "pause", "hooks"}},
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

// TestWebhookCommands makes webhooks, tests, changes and removes them.
func TestWebhookCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	push(t, p, "team/app", "v1", "one")
	step := func(want string, code int, stdin string, args ...string) string {
		t.Helper()
		out, errs, got := here(t, stdin, append([]string{"webhook"}, append(args, "--root", p.root)...)...)
		if got != code || !strings.Contains(out+errs, want) || strings.Contains(out+errs, "canary") {
			t.Errorf("registry webhook %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return strings.TrimSpace(out)
	}
	// A name that is not there is no forbidden address.
	step("", 0, "canary-secret\ncanary-header\n", "create", "team", "ci", "https://absent.invalid/hook",
		"--secret-stdin", "--auth-header-stdin", "--event", "push_artifact", "--payload", "cloudevents")
	step("is a loopback address", 1, "", "create", "team", "inside", "http://[::ffff:127.0.0.1]/")
	step("has another webhook", 1, "", "create", "team", "ci", "https://absent.invalid/")
	step("is none of", 1, "", "create", "team", "x", "https://absent.invalid/", "--event", "push")
	step("ci     yes       cloudevents   https://absent.invalid/hook   PUSH_ARTIFACT", 0, "", "ls", "team")
	step(`"hasAuthorization":true,"hasSecret":true`, 0, "", "ls", "team", "--format", "json")
	delivery := step("", 0, "", "test", "team", "ci")
	step(delivery, 0, "", "deliveries", "team", "ci")
	step("", 0, "", "stop", "team", "ci", delivery)
	for code := 0; code == 0; { // one that is on its way has two seconds to end
		_, _, code = here(t, "", "webhook", "stop", "team", "ci", delivery, "--root", p.root)
	}
	step("has ended", 1, "", "stop", "team", "ci", delivery)
	step("", 0, "", "retry", "team", "ci", delivery)
	step("DELIVERY", 0, "", "attempts", "team", "ci")
	step("", 0, "", "set", "team", "ci", "--enabled=false", "--no-secret", "--name", "cd", "--url", "https://absent.invalid/cd")
	step("false true false https://absent.invalid/cd cd", 0, "", "ls", "team", "--format", "{{.Enabled}} {{.HasAuth}} {{.HasSecret}} {{.URL}} {{.Name}}")
	step("is disabled", 1, "", "test", "team", "cd")
	step("given and removed at once", 125, "", "set", "team", "cd", "--no-secret", "--secret-stdin")
	step("is no delivery", 125, "", "stop", "team", "cd", "first")
	step("ask for at least one", 125, "", "deliveries", "team", "cd", "-n", "0")
	step("is none of", 125, "", "deliveries", "team", "cd", "--state", "odd")
	step("has no webhook", 1, "", "rm", "team", "ci")
	step("", 0, "", "rm", "team", "cd")
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

// TestQuotaCommands limits a project, meets the limit, and counts anew.
func TestQuotaCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	push(t, p, "team/app", "v1", "one")
	push(t, p, "team/app", "v2", "two")
	push(t, p, "small/app", "v1", "one")
	step := func(want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(t, "", append(append([]string{"quota"}, args...), "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry quota %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return out
	}
	step("none", 0, "show", "team")
	step("", 0, "set", "--default", "1GiB")
	if out := step("1GiB (default)", 0, "list"); strings.Index(out, "team") > strings.Index(out, "small") {
		t.Errorf("the largest is not the first:\n%s", out)
	}
	if out := step("", 0, "list", "-q"); out != "team\nsmall\nlibrary\n" {
		t.Errorf("names:\n%s", out)
	}
	step("", 0, "set", "team", "small", "300")
	step(`"limit":300,"own":true`, 0, "show", "team", "--format", "json")
	const index = "application/vnd.oci.image.index.v1+json"
	body := []byte(`{"schemaVersion":2,"mediaType":"` + index + `","manifests":[],"annotations":{"text":"three"}}`)
	code, _, answer := p.do("PUT", "/v2/team/app/manifests/v3", body, "Content-Type", index)
	if code != 413 || !strings.Contains(string(answer), `"DENIED"`) ||
		!strings.Contains(string(answer), "may use 300 bytes and uses") {
		t.Errorf("beyond the limit: %d %s", code, answer)
	}
	if code, _, answer := p.do("PUT", "/v2/small/app/manifests/v3", body, "Content-Type", index); code != 201 {
		t.Errorf("within the limit: %d %s", code, answer)
	}
	step("", 0, "set", "team", "none")
	if code, _, answer := p.do("PUT", "/v2/team/app/manifests/v3", body, "Content-Type", index); code != 201 {
		t.Errorf("without a limit: %d %s", code, answer)
	}
	step("", 0, "set", "team", "default")
	step("1GiB (default)", 0, "show", "team")
	step("does not exist", 1, "show", "absent")
	step("does not exist", 1, "set", "absent", "none")
	step("use a size as 10GiB", 125, "set", "team", "much")
	step("name projects, or use --default", 125, "set", "10GiB")
	step("name projects, or use --default", 125, "set", "team", "10GiB", "--default")
	step("does not exist", 1, "recount", "absent")
	if out := step("COUNTED", 0, "explain", "team", "team/app", "team/app:v1"); len(strings.Split(out, "\n")) != 5 {
		t.Errorf("explained:\n%s", out)
	}
	step("has no tag v9", 1, "explain", "team/app:v9")
	step("does not exist", 1, "explain", "absent")
	step("team      yes", 0, "recount")
	spoil(t, p, "UPDATE project_usage SET used = used + 5 WHERE used > 200")
	step("is not counted right", 1, "recount")
	step(`"project":"team","equal":false,"digests":0,"used":-5,"waiting":0,"mended":true`, 0, "recount", "team", "--mend",
		"--format", "json")
	step("team      yes", 0, "recount", "team", "--mend")
	if out, _, _ := here(t, "", "audit", "list", "--action", "quota.mend", "--root", p.root); !strings.Contains(out, "team") {
		t.Errorf("it is not in the audit log: %s", out)
	}
}

// TestRetentionCommands adds rules, looks at what would go, and has it go.
func TestRetentionCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	first := push(t, p, "team/app", "v1", "one")
	push(t, p, "team/app", "v2", "two")
	step := func(want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(t, "", append(args, "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return strings.TrimSpace(out)
	}
	step("0 artifacts would go", 0, "retention", "preview", "team")
	step("use one of", 125, "retention", "add", "team", "--keep", "odd")
	step("takes a number", 125, "retention", "add", "team", "--keep", "latestPushedK")
	rule := step("", 0, "retention", "add", "team", "--keep", "latestPushedK=1", "--tags", "v*", "--untagged")
	step("have no schedule", 0, "retention", "ls", "team")
	step("", 0, "retention", "schedule", "team", "30 3 * * 0", "--zone", "Europe/Berlin")
	step("30 3 * * 0 (Europe/Berlin)", 0, "retention", "ls", "team")
	step("latestPushedK=1 of repositories **, tags v* and without a tag", 0, "retention", "ls", "team")
	step("is not known", 1, "retention", "schedule", "team", "@daily", "--zone", "Nowhere/Else")
	if got := step("1 artifact would go", 0, "retention", "preview", "team", "--format", "{{.Digest}} {{.Why}}"); got !=
		first+" [rule 1: number 2 of latestPushedK, keeps 1]" {
		t.Errorf("the plan: %s", got)
	}
	job := step("", 0, "retention", "run", "team")
	for range 100 {
		if out, _, _ := here(t, "", "job", "show", job, "--root", p.root); strings.Contains(out, "deleted 1 artifacts") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	step("deleted 1 artifact", 0, "job", "show", job)
	step("(Retention)", 0, "tag", "deleted", "team/app")
	step(first+" is back", 0, "tag", "restore", "team/app@"+first)
	step("is no rule", 125, "retention", "rm", "team", "first")
	step("", 0, "retention", "rm", "team", rule)
	step("has no rule", 1, "retention", "rm", "team", rule)
	step("", 0, "retention", "schedule", "team", "never")
	step("does not exist", 1, "retention", "run", "absent")
}

// spoil changes the database of a registry that runs, as nothing in it would.
func spoil(t *testing.T, p *process, stmt string) {
	t.Helper()
	db, err := metadata.Open(t.Context(), metadata.Config{DSN: filepath.Join(p.root, "registry.db")})
	if err == nil {
		err = db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			_, err := tx.Tx.Exec(ctx, stmt)
			return err
		})
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
