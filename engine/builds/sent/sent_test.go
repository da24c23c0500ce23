package sent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
)

// project is a directory of files, by their names.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestWhatGoes: the context without what its rules leave out, and the files that say so.
func TestWhatGoes(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		".dockerignore": "*\n!src\nsrc/*.log\n!src/keep.log\n", "Dockerfile": "FROM scratch\n", "src/a": "", "src/x.log": "",
		"src/keep.log": "", "node_modules/deep/y": "", "other/Dockerfile": "FROM scratch\n", "other/Dockerfile.dockerignore": "src\n",
	})
	for file, want := range map[string]string{
		"":                       ".dockerignore Dockerfile src src/a src/keep.log",
		"other/Dockerfile":       ".dockerignore Dockerfile node_modules node_modules/deep/y other other/Dockerfile other/Dockerfile.dockerignore",
		dir + "/Dockerfile":      ".dockerignore Dockerfile src src/a src/keep.log",
		dir + "/other/../src/a":  ".dockerignore src src/a src/keep.log",
		dir + "/src/../src/none": "",
	} {
		c, err := Open(t.Context(), dir, file, nil)
		if want == "" {
			if !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("%s: %v", file, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var kept []string
		for _, name := range strings.Fields(".dockerignore Dockerfile node_modules node_modules/deep/y other other/Dockerfile " +
			"other/Dockerfile.dockerignore src src/a src/keep.log src/x.log") {
			if c.Keep(name) {
				kept = append(kept, name)
			}
		}
		if got := strings.Join(kept, " "); got != want || c.Text != nil {
			t.Errorf("%s takes %s, want %s", file, got, want)
		}
	}
}

// TestDockerfileFromElsewhere comes as its text, with rules of its own.
func TestDockerfileFromElsewhere(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"a": "", "b": ""})
	away := project(t, map[string]string{"D": "FROM x\n", "D.dockerignore": "a\n", "plain": "FROM y\n"})
	c, err := Open(t.Context(), dir, away+"/D", nil)
	if err != nil || string(c.Text) != "FROM x\n" || string(c.Ignore) != "a\n" || c.Dockerfile != "" || c.Keep("a") || !c.Keep("b") {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = Open(t.Context(), dir, away+"/plain", nil); err != nil || string(c.Text) != "FROM y\n" || c.Ignore != nil || !c.Keep("a") {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = Open(t.Context(), dir, "-", strings.NewReader("FROM z\n")); err != nil || string(c.Text) != "FROM z\n" || !c.Keep("a") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{".dockerignore": "a\n", "a": "", "b": ""})
	c, err := Named(t.Context(), "n", dir)
	if err != nil || c.Keep("a") || !c.Keep("b") || !c.Keep(".dockerignore") {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Named(t.Context(), "n", dir+"/none"); err == nil {
		t.Error("what is not there is a context")
	}
	for where, want := range map[string]bool{"-": true, "https://h/x.tar": true, "git@h:x.git": true, ".": false, "/x": false} {
		if Elsewhere(where) != want {
			t.Errorf("%s: %v", where, !want)
		}
	}
}
