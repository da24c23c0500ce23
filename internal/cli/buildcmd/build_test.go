package buildcmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/internal/cli/app"
)

func TestBuildFlags(t *testing.T) {
	t.Setenv("FROM_HERE", "1")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := buildFlags{
		tags: []string{"a", "b"}, buildArgs: []string{"A=b=c", "FROM_HERE", "NOT_HERE"}, labels: []string{"l=1"},
		secrets: []string{"id=one,src=" + secret, "id=FROM_HERE", "id=two,env=FROM_HERE"}, network: "default", platform: "linux/arm64",
	}
	o, err := f.options(t.Context(), &app.App{}, ".")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"A": "b=c", "FROM_HERE": "1"}, o.BuildArgs); diff != "" {
		t.Errorf("build arguments: %s", diff)
	}
	if diff := cmp.Diff(map[string][]byte{"one": []byte("s3cret"), "FROM_HERE": []byte("1"), "two": []byte("1")}, o.Secrets); diff != "" {
		t.Errorf("secrets: %s", diff)
	}
	if o.Network != "" || o.Platform.Architecture != "arm64" || o.Epoch == nil || o.Epoch.Unix() != 1700000000 || len(o.Names) != 2 {
		t.Errorf("got %+v", o)
	}
	for _, bad := range []buildFlags{
		{buildArgs: []string{"=x"}},
		{secrets: []string{"src=x"}},
		{secrets: []string{"id=x,src=/does/not/exist"}},
		{secrets: []string{"id=x,env=NOT_HERE"}},
		{platform: "a/b/c/d"},
	} {
		if _, err := bad.options(t.Context(), &app.App{}, "."); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// TestSourceDate: the flag goes before the build argument, that before the
// variable.
func TestSourceDate(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "-q"}, {"-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "--allow-empty", "-m", "x", "--date", "@1"},
	} {
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=@1500000000 +0000")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
	}
	argument := map[string]string{"SOURCE_DATE_EPOCH": "5"}
	for _, tc := range []struct {
		flag, env string
		args      map[string]string
		want      string // seconds, "own" for none, "error"
	}{
		{"", "", nil, "own"},
		{"", "17", nil, "17"},
		{"", "17", argument, "own"}, // the builder reads the argument
		{"42", "17", argument, "42"},
		{"2020-01-02T03:04:05Z", "", nil, "1577934245"},
		{"2020-01-02T05:04:05.9+02:00", "", nil, "1577934245"},
		{"git", "17", argument, "1500000000"},
		{"", "17x", nil, "error"},
		{"yesterday", "", nil, "error"},
		{"1e9", "", nil, "error"},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", tc.env)
		at, err := sourceDate(t.Context(), tc.flag, dir, tc.args)
		got := "own"
		if err != nil {
			got = "error"
		} else if at != nil {
			got = strconv.FormatInt(at.Unix(), 10)
		}
		if got != tc.want {
			t.Errorf("flag %q, variable %q, argument %v: %s (%v), want %s", tc.flag, tc.env, tc.args, got, err, tc.want)
		}
	}
	if _, err := sourceDate(t.Context(), "git", t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("outside of a repository: %v", err)
	}
}
