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
	"cove/internal/cli/buildflags"
)

func TestBuildFlags(t *testing.T) {
	t.Setenv("FROM_HERE", "1")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := buildFlags{
		docker: dockerFlags{rm: true, contentTrust: true}, tags: []string{"a", "b"}, buildArgs: []string{"A=b=c", "FROM_HERE", "NOT_HERE"}, labels: []string{"l=1"},
		secrets: []string{"id=one,src=" + secret, "id=FROM_HERE", "id=two,env=FROM_HERE"}, network: "default", platforms: []string{"linux/arm64"},
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
	if o.Network != "" || o.Platforms[0].Architecture != "arm64" || o.Epoch == nil || o.Epoch.Unix() != 1700000000 || len(o.Names) != 2 {
		t.Errorf("got %+v", o)
	}
	for _, bad := range []buildFlags{
		{buildArgs: []string{"=x"}},
		{secrets: []string{"src=x"}},
		{secrets: []string{"id=x,src=/does/not/exist"}},
		{secrets: []string{"id=x,env=NOT_HERE"}},
		{platforms: []string{"a/b/c/d"}},
		{docker: dockerFlags{isolation: "hyperv"}},
	} {
		bad.docker.rm, bad.docker.contentTrust = true, true
		if _, err := bad.options(t.Context(), &app.App{}, "."); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// TestSourceDate: the flag goes before the build argument, that before the
// variable.
// TestSecretFlag: what is misspelt or contradicts itself is an error, never
// another secret than the one that was meant.
func TestSecretFlag(t *testing.T) {
	t.Setenv("TOKEN", "s3cret")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{
		"id=TOKEN,scr=" + file:                 `unknown key "scr"`,
		"id=TOKEN,required":                    `unknown key "required"`,
		"id=TOKEN,type=vault":                  `type "vault"`,
		"id=TOKEN,type=file,env=TOKEN":         "type=file takes its file from src",
		"id=TOKEN,type=file":                   "no such file",
		"id=TOKEN,":                            `unknown key ""`,
		"id=TOKEN,src=":                        "src has no value",
		"id=TOKEN,env":                         "env has no value",
		"src=" + file:                          "no id",
		"id=a,id=TOKEN":                        "id is given twice",
		"id=a,src=" + file + ",source=" + file: "source is given twice",
		"id=a,src=" + file + ",env=TOKEN":      "both a file and a variable",
		"id=a,env=NO_SUCH_VARIABLE":            "NO_SUCH_VARIABLE is not set",
	} {
		if _, err := buildflags.Secrets([]string{flag}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--secret %s: got %v, want an error with %q", flag, err, want)
		}
	}
	got, err := buildflags.Secrets([]string{
		"id=TOKEN", "id=a,source=" + file, "env=TOKEN,id=b", "type=env,id=c,src=TOKEN", "type=file,id=d,src=" + file,
	})
	value, content := []byte("s3cret"), []byte("from a file")
	want := map[string][]byte{"TOKEN": value, "a": content, "b": value, "c": value, "d": content}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

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
		{"", "context", map[string]string{}, "own"}, // as the argument, which the builder reads
		{"context", "", map[string]string{}, "error"},
		{"yesterday", "", nil, "error"},
		{"1e9", "", nil, "error"},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", tc.env)
		at, err := buildflags.SourceDate(t.Context(), tc.flag, dir, tc.args)
		got := "own"
		if tc.env == "context" && tc.args["SOURCE_DATE_EPOCH"] != "context" {
			t.Errorf("the variable %s became the arguments %v", tc.env, tc.args)
		}
		if err != nil {
			got = "error"
		} else if at != nil {
			got = strconv.FormatInt(at.Unix(), 10)
		}
		if got != tc.want {
			t.Errorf("flag %q, variable %q, argument %v: %s (%v), want %s", tc.flag, tc.env, tc.args, got, err, tc.want)
		}
	}
	if _, err := buildflags.SourceDate(t.Context(), "git", t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("outside of a repository: %v", err)
	}
}
