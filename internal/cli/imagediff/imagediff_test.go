package imagediff

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	engineimages "cove/engine/images"
	"cove/errdefs"
)

// TestShowDiff: lines for people, in which nothing of a name reaches the terminal, and
// JSON for programs.
func TestShowDiff(t *testing.T) {
	t.Parallel()
	d := engineimages.Diff{
		Config: []engineimages.Detail{{What: "Env A", Before: "1"}},
		Files: []engineimages.Change{
			{
				Kind:  engineimages.Added,
				Path:  "/new\x1b[31m",
				After: &engineimages.File{Mode: 0o640, UID: 1, Digest: digest.FromString("a"), Size: 1},
			},
			{Kind: engineimages.Deleted, Path: "/l", Before: &engineimages.File{Mode: fs.ModeSymlink | 0o777, Link: "to"}},
			{Kind: engineimages.Changed, Path: "/c", Details: []engineimages.Detail{{What: "size", Before: "1", After: "2"}}},
		},
	}
	var out bytes.Buffer
	if err := Show(&out, d, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"file 0640 1:0 1 bytes\n", "D /l  symlink 0777 0:0 → to\n", "C /c  size 1 → 2\n", "config Env A: 1 → none\n",
		"1 added, 1 changed, 1 deleted; 1 settings differ\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	if err := Show(&out, engineimages.Diff{}, ""); err != nil || out.String() != "the images do not differ\n" {
		t.Errorf("%q %v", out.String(), err)
	}
	out.Reset()
	if err := Show(&out, d, "json"); err != nil || !strings.Contains(out.String(), `"mode": "0640"`) {
		t.Errorf("%s %v", out.String(), err)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	if err := errors.Join(CheckFormat(""), CheckFormat("json")); err != nil {
		t.Error(err)
	}
	if err := CheckFormat("table"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
}
