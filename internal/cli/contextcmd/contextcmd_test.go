package contextcmd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// do executes one command about contexts.
func do(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := &cobra.Command{Use: "cove", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Noun(&app.App{Prog: "cove", In: strings.NewReader(""), Out: &out, Err: &bytes.Buffer{}}))
	root.SetArgs(append([]string{"context"}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestContexts makes them, looks at them, uses them and forgets them.
func TestContexts(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("COVE_HOST", "")
	t.Setenv("COVE_CONTEXT", "")
	file := filepath.Join(t.TempDir(), "file")
	for _, tc := range []struct {
		args  string
		out   string
		fails error
	}{
		{args: "show", out: "default\n"},
		{args: "create one --description first --docker host=ssh://me@one", out: "one\n"},
		{args: "create one", fails: errdefs.ErrExists},
		{args: "create default", fails: errdefs.ErrInvalid},
		{args: "create ../x", fails: errdefs.ErrInvalid},
		{args: "create bad --docker host=ssh://-x", fails: errdefs.ErrInvalid},
		{args: "create bad --docker ca=/x", fails: errdefs.ErrUnsupported},
		{args: "create two --from one", out: "two\n"},
		{args: "update two --docker host=ssh://two", out: "two\n"},
		{args: "update none", fails: errdefs.ErrNotFound},
		{args: "use two", out: "two\n"},
		{args: "use none", fails: errdefs.ErrNotFound},
		{args: "show", out: "two\n"},
		{args: "ls -q", out: "default\none\ntwo\n"},
		{
			args: "ls", out: "NAME      DESCRIPTION    DOCKER ENDPOINT   ERROR\ndefault   This machine                     \n" +
				"one       first          ssh://me@one      \ntwo *     first          ssh://two         \n",
		},
		{args: "ls --format {{.Name}}{{.Current}}", out: "default\none\ntwotrue\n"},
		{args: "inspect -f {{.Name}}:{{.Endpoints.docker.Host}}:{{.Metadata.Description}}", out: "two:ssh://two:first\n"},
		{args: "inspect ../two", out: "[]\n", fails: errdefs.ErrNotFound},
		{args: "export one " + file},
		{args: "export one " + file, fails: errdefs.ErrExists},
		{args: "import one " + file, fails: errdefs.ErrExists},
		{args: "import three " + file, out: "three\n"},
		{args: "inspect -f {{.Name}}:{{.Endpoints.docker.Host}} three", out: "three:ssh://me@one\n"},
		{args: "rm two", fails: errdefs.ErrConflict},
		{args: "rm -f two three", out: "two\nthree\n"},
		{args: "rm default", fails: errdefs.ErrInvalid},
		{args: "show", out: "default\n"},
		{args: "use default", out: "default\n"},
	} {
		out, err := do(t, strings.Fields(tc.args)...)
		if !errors.Is(err, tc.fails) || out != tc.out {
			t.Errorf("%s: %v, and says\n%q, want\n%q", tc.args, err, out, tc.out)
		}
	}
	t.Setenv("COVE_CONTEXT", "other")
	if out, err := do(t, "show"); err != nil || out != "other\n" {
		t.Errorf("the environment's is %q, %v", out, err)
	}
}

// TestImportRefuses what is no archive of a context, or leads to an option of ssh.
func TestImportRefuses(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte{0}, 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := do(t, "import", "one", file); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("an empty archive: %v", err)
	}
	if _, err := unarchive("one", strings.NewReader("nonsense")); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("nonsense: %v", err)
	}
}
