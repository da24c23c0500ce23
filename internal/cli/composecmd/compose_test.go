package composecmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/remote"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, body := range map[string]string{"d/config.json": `{"cliPluginsExtraDirs":["/x","/y"]}`, "h/.docker/config.json": `{broken`} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for env, want := range map[string]string{
		"":                               "",
		"HOME=DIR/h":                     "DIR/h/.docker/cli-plugins ",
		"HOME=DIR/h,DOCKER_CONFIG=DIR/d": "/x /y DIR/d/cli-plugins ",
		"DOCKER_CONFIG=DIR/e":            "DIR/e/cli-plugins ",
	} {
		env, want = strings.ReplaceAll(env, "DIR", dir), strings.ReplaceAll(want, "DIR", dir)
		getenv := func(name string) string {
			for kv := range strings.SplitSeq(env, ",") {
				if key, value, _ := strings.Cut(kv, "="); key == name {
					return value
				}
			}
			return ""
		}
		if got := strings.Join(folders(getenv), " "); got != want+strings.Join(systemFolders, " ") {
			t.Errorf("%s: %s", env, got)
		}
	}
}

// TestFind takes what can be executed, from folders of plugins before $PATH.
func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(sub string, mode os.FileMode) string {
		path := filepath.Join(dir, sub, "docker-compose")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("text", 0o644)
	if err := os.MkdirAll(filepath.Join(dir, "folder", "docker-compose"), 0o755); err != nil {
		t.Fatal(err)
	}
	inPath := put("bin", 0o755)
	path := ":" + filepath.Join(dir, "bin")
	unfit := []string{filepath.Join(dir, "text"), filepath.Join(dir, "folder"), filepath.Join(dir, "nothing")}
	if got := find(unfit, path, inPath+"x"); got != inPath {
		t.Errorf("in $PATH it is %s, want %s", got, inPath)
	}
	plugin := put("plugins", 0o755)
	if got := find(append(unfit, filepath.Dir(plugin)), path, ""); got != plugin {
		t.Errorf("the plugin is %s, want %s", got, plugin)
	}
	if got := find(unfit, "", plugin); got != plugin {
		t.Errorf("without docker's it is %s, want %s", got, plugin)
	}
	if got := find(unfit, "", filepath.Join(dir, "text", "docker-compose")); got != "" {
		t.Errorf("there is none, and it is %s", got)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{"A=b", "DOCKER_HOST=x", "DOCKER_CONTEXT=y", "DOCKER_CONFIG=/c", "DOCKER_TLS_VERIFY=1"}, "unix:///s")
	if diff := cmp.Diff([]string{"A=b", "DOCKER_CONFIG=/c", "DOCKER_HOST=unix:///s"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestNoCompose says where to get it. Its own flags end at the word compose.
func TestNoCompose(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	a := &app.App{Prog: "cove", Args: []string{"--root", "compose", "compose", "--root", "up"}}
	root := &cobra.Command{Use: "cove", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVar(&a.Root, "root", "", "")
	root.AddCommand(Compose(a))
	root.SetArgs(a.Args)
	err := root.ExecuteContext(t.Context())
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "docker-compose-plugin") || a.Root != "compose" {
		t.Errorf("with the root %q: %v", a.Root, err)
	}
}

// TestThere has compose here speak to a socket that leads there, and end as it does.
func TestThere(t *testing.T) {
	dir := t.TempDir()
	plugin := filepath.Join(dir, "docker-compose")
	script := "#!/bin/sh\necho \"$0 $@\"\ntest -S ${DOCKER_HOST#unix://} || exit 9\ncat\nexit 5\n"
	if err := os.WriteFile(plugin, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	e, err := remote.Parse("ssh://box")
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	err = there(t.Context(), &app.App{Prog: "cove", In: strings.NewReader("typed"), Out: &said, Err: &said}, e,
		command{plugin, []string{"up", "-d"}})
	var exit *app.Exit
	if want := plugin + " up -d\ntyped"; !errors.As(err, &exit) || exit.Code != 5 || said.String() != want {
		t.Errorf("it ends with %v and says %q, want %q", err, &said, want)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "cove-relay-*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
