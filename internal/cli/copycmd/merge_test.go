package copycmd

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/internal/cli/app"
)

func runMerge(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := Merge(&app.App{Prog: "build", Root: t.TempDir(), Out: &stdout, Err: &stderr})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetContext(t.Context())
	err = cmd.Execute()
	return stdout.String(), err
}

func TestMerge(t *testing.T) {
	t.Parallel()
	src, dst := filepath.Join(t.TempDir(), "src"), filepath.Join(t.TempDir(), "dst")
	img := distributiontest.NewImage(t, 1, 5000)
	d, err := layout.Create(src)
	if err != nil {
		t.Fatal(err)
	}
	store := copy.Store{Content: distributiontest.StoreOf(t, img)}
	dgst := img.Manifest.Descriptor.Digest.String()
	if _, err := copy.Copy(t.Context(), d, store, dgst, copy.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	source, target := "oci:"+src+":v1", "oci:"+dst+":v1"
	out, err := runMerge(t, "--dry-run", "--annotation", "index:a=b", source)
	if err != nil || !strings.Contains(out, dgst) || !strings.Contains(out, `"a": "b"`) {
		t.Errorf("%s %v", out, err)
	}
	if out, err := runMerge(t, "-t", target, source); err != nil ||
		!strings.HasPrefix(out, target+": digest: sha256:") {
		t.Errorf("%s %v", out, err)
	}
	if out, err := runMerge(t, "-q", "-t", target, "--append", source); err != nil ||
		!strings.HasPrefix(out, "sha256:") {
		t.Errorf("%s %v", out, err)
	}
	for _, args := range [][]string{
		{source},
		{"--dry-run", "--append", source},
		{"-t", "UPPER", source},
		{"-t", target, "UPPER"},
		{"-t", target, "--annotation", "manifest:a=b", source},
		{"-t", target, "--annotation", "odd", source},
	} {
		if _, err := runMerge(t, args...); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
