package registrycmd

import (
	"strings"
	"testing"
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
