package verifycmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cove/engine/builds/verify"
	engineimages "cove/engine/images"
	"cove/internal/cli/app"
	"cove/internal/cli/imagediff"
)

func TestReport(t *testing.T) {
	t.Parallel()
	file := []engineimages.Change{{Kind: engineimages.Changed, Path: "/a", Details: []engineimages.Detail{{What: "mode", Before: "0644", After: "0600"}}}}
	for want, r := range map[string]verify.Result{
		"sha256:a was built again, byte for byte, as its word says": {Diff: engineimages.Diff{Before: "sha256:a", After: "sha256:a"}, Exact: true, By: "its word"},
		"the manifests differ (sha256:a, sha256:b)":                 {Diff: engineimages.Diff{Before: "sha256:a", After: "sha256:b"}},
		"C /a  mode 0644 → 0600":                                    {Diff: engineimages.Diff{Files: file}},
		"its word leaves out labels: give":                          {Diff: engineimages.Diff{Files: file}, By: "its word", Left: []string{"labels"}},
	} {
		var out bytes.Buffer
		f := flags{}
		if err := f.report(&app.App{Out: &out}, r); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q, %v", want, out.String(), err)
		}
	}
}

// TestTroubleIsTwo: what is called wrongly is no difference.
func TestTroubleIsTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--format", "table", "app"},
		{"--platform", "a/b/c/d", "app"},
		{"--progress", "odd", "app", "."},
		{"--build-arg", "=x", "app"},
		{"--label", "=", "app"},
		{"--build-context", "x", "app"},
		{"--secret", "odd", "app"},
		{"--lock", "none", "app"},
	} {
		cmd := Verify(&app.App{Prog: "build", Root: t.TempDir(), Err: &bytes.Buffer{}})
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		var exit *app.Exit
		if err := cmd.ExecuteContext(t.Context()); !errors.As(err, &exit) || exit.Code != imagediff.CodeTrouble {
			t.Errorf("%v: %v", args, err)
		}
	}
}
