package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// TestWhere finds where a command works, and leaves its other arguments.
func TestWhere(t *testing.T) {
	config := t.TempDir()
	file := filepath.Join(config, "cove", "contexts", "box.json")
	err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700),
		os.WriteFile(file, []byte(`{"Endpoints":{"docker":{"Host":"ssh://box"}}}`), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", config)
	for _, tc := range []struct {
		env, args   string
		where, rest string
		fails       error
	}{
		{args: "ps -a", rest: "ps -a"},
		{args: "-H ssh://a ps -H", where: "ssh://a", rest: "ps -H"},
		{args: "-D --host=ssh://a --root /x ps", where: "ssh://a", rest: "-D --root /x ps"},
		{args: "--root -H -H ssh://a ps", where: "ssh://a", rest: "--root -H ps"},
		{args: "-c box ps -c", where: "ssh://box", rest: "ps -c"},
		{args: "--context box history -H x", where: "ssh://box", rest: "history -H x"},
		{args: "history -H x", rest: "history -H x"},
		{env: "COVE_CONTEXT=box", args: "ps", where: "ssh://box", rest: "ps"},
		{env: "COVE_CONTEXT=box", args: "--context default ps", rest: "ps"},
		{env: "COVE_CONTEXT=box COVE_HOST=ssh://b", args: "ps", where: "ssh://b", rest: "ps"},
		{env: "COVE_HOST=ssh://b", args: "-c box ps", where: "ssh://box", rest: "ps"},
		{env: "COVE_HOST=ssh://b", args: "--here ps", rest: "ps"},
		{env: "COVE_CONTEXT=none", args: "ps", fails: errdefs.ErrNotFound},
		{env: "COVE_CONTEXT=none", args: "context ls", rest: "context ls"},
		{env: "DOCKER_HOST=ssh://c DOCKER_CONTEXT=none", args: "ps", rest: "ps"},
		{args: "-H ssh://a -c box ps", fails: errdefs.ErrInvalid},
		{args: "-H", fails: errdefs.ErrInvalid},
		{args: "-H ssh://-a ps", fails: errdefs.ErrInvalid},
	} {
		for _, name := range []string{"COVE_HOST", "COVE_CONTEXT"} {
			t.Setenv(name, "")
		}
		for kv := range strings.FieldsSeq(tc.env) {
			name, value, _ := strings.Cut(kv, "=")
			t.Setenv(name, value)
		}
		a := &app.App{Args: strings.Fields(tc.args)}
		e, err := Cove(here).where(a)
		if !errors.Is(err, tc.fails) {
			t.Errorf("%s %s: %v, want %v", tc.env, tc.args, err, tc.fails)
		}
		if rest := strings.Join(a.Args, " "); err == nil && (e.String() != tc.where || rest != tc.rest) {
			t.Errorf("%s %s: at %s with %q, want %s with %q", tc.env, tc.args, e, rest, tc.where, tc.rest)
		}
		if err == nil && tc.where != "" && strings.Join(a.Again(), " ") != "--host "+tc.where+" "+tc.rest {
			t.Errorf("%s: another binary gets %q", tc.args, a.Again())
		}
	}
}
