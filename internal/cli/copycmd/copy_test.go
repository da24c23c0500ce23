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

// runCopy is the command with these arguments.
func runCopy(t *testing.T, args ...string) (out, shown string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := Copy(&app.App{Prog: "cove", Root: t.TempDir(), Out: &stdout, Err: &stderr})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetContext(t.Context())
	err = cmd.Execute()
	return stdout.String(), stderr.String(), err
}

func TestCopy(t *testing.T) {
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
	layer := img.Layers[0].Digest.Encoded()[:12]
	out, shown, err := runCopy(t, "oci:"+src+":v1", "oci:"+dst)
	if err != nil || !strings.HasPrefix(out, "latest: digest: "+dgst+" size: ") ||
		!strings.HasPrefix(shown, "Copying oci:"+src+":v1 to oci:"+dst+":latest\n") ||
		!strings.Contains(shown, layer+": Pushed\n") {
		t.Errorf("%q, %q, %v", out, shown, err)
	}
	if _, shown, err = runCopy(t, "oci:"+src, "oci:"+dst); err != nil || !strings.Contains(shown, layer+": Layer already exists\n") {
		t.Errorf("again: %q, %v", shown, err)
	}
	if out, shown, err = runCopy(t, "-q", "--platform", "linux/amd64", "oci:"+src, "oci:"+dst+":two"); err != nil ||
		out != dgst+"\n" || shown != "" {
		t.Errorf("quietly: %q, %q, %v", out, shown, err)
	}
	for _, args := range [][]string{
		{"oci:" + src}, {"UPPER", "oci:" + dst}, {"oci:" + src, "oci:"}, {"--platform", "moon", "oci:" + src, "oci:" + dst},
	} {
		if out, _, err := runCopy(t, args...); !errors.Is(err, errdefs.ErrInvalid) || out != "" {
			t.Errorf("%q: %q, %v", args, out, err)
		}
	}
}
