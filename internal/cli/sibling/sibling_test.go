package sibling

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// TestSiblingsAreBesideThisProgram, and nowhere else: $PATH may have anybody's build.
func TestSiblingsAreBesideThisProgram(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := Path("build"); err != nil || path != filepath.Join(filepath.Dir(exe), "build") {
		t.Errorf("%s, %v", path, err)
	}
	for name, run := range map[string]func() error{
		"registry": func() error { return Registry(&app.App{Prog: "cove"}).RunE(nil, []string{"serve"}) },
		"build":    func() error { return Build(&app.App{Prog: "cove", Args: []string{"build", "."}}).RunE(nil, nil) },
		"changes": func() error {
			_, err := Changes(context.Background(), []string{"CMD x"}, ocispec.Image{})
			return err
		},
	} {
		err := run()
		program := name
		if name == "changes" {
			program = "build"
		}
		if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "needs the program "+program) {
			t.Errorf("%s without its program: %v", name, err)
		}
	}
}

// TestNothingExecutesItself: a program that took itself for the one that links more would
// execute itself without end.
func TestNothingExecutesItself(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := become(filepath.Base(exe), "cove", "import"); !errors.Is(err, errdefs.ErrNotLinked) {
		t.Errorf("become itself: %v", err)
	}
}

// answered is what the other end says to a question.
func answered(t *testing.T, ask string, config ocispec.ImageConfig, fails error) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := AnswerChanges(func(_ context.Context, instructions []string, of ocispec.Image) (engine.Changed, error) {
		config.Env = append(config.Env, instructions...)
		config.WorkingDir = of.Architecture
		return engine.Changed{ImageConfig: config}, fails
	})(&app.App{In: strings.NewReader(ask), Out: &out})
	cmd.SetContext(t.Context())
	err := cmd.RunE(cmd, nil)
	return out.String(), err
}

// TestAnswers: a config, or why the instructions are refused, which is no failure of
// the program.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const ask = `{"Instructions":["ENV A=b"],"Platform":{"os":"linux","architecture":"arm64"}}`
	text, err := answered(t, ask, ocispec.ImageConfig{Cmd: []string{"x"}}, nil)
	var a answer
	if err == nil {
		err = json.Unmarshal([]byte(text), &a)
	}
	if err != nil || a.Invalid != "" || a.Config.WorkingDir != "arm64" || a.Config.Env[0] != "ENV A=b" || a.Config.Cmd[0] != "x" {
		t.Errorf("%s, %v", text, err)
	}
	text, err = answered(t, ask, ocispec.ImageConfig{}, errdefs.Errorf(errdefs.ErrInvalid, "no such instruction"))
	if err != nil || !strings.Contains(text, `"Invalid":"no such instruction"`) {
		t.Errorf("refused: %s, %v", text, err)
	}
	if text, err = answered(t, ask, ocispec.ImageConfig{}, errors.New("broken")); err == nil || text != "" {
		t.Errorf("failed: %q, %v", text, err)
	}
	if text, err = answered(t, "nonsense", ocispec.ImageConfig{}, nil); err == nil || text != "" {
		t.Errorf("no question: %q, %v", text, err)
	}
}
