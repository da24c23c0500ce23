package peer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"

	"cove/errdefs"
)

// TestReadFile: links in what was received lead nowhere else.
func TestReadFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{outside: "mine", filepath.Join(dir, "Dockerfile"): "FROM scratch", filepath.Join(dir, "big"): strings.Repeat("x", 100)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"in": "Dockerfile", "out": outside, "up": "../" + filepath.Base(outside)} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]error{
		"Dockerfile": nil, "in": nil, "nope": errdefs.ErrNotFound, "out": errdefs.ErrInvalid, "up": errdefs.ErrInvalid,
		"big": errdefs.ErrExhausted, "folder": errdefs.ErrInvalid, "../x": errdefs.ErrInvalid,
	} {
		text, err := ReadFile(dir, name, 50)
		if !errors.Is(err, kind) || kind == nil && string(text) != "FROM scratch" {
			t.Errorf("%s: %q %v, want %v", name, text, err, kind)
		}
	}
}

// TestFilter: files become root's, without the attributes that name rights or labels
// of the client's machine, and nothing but files, directories and links is written.
func TestFilter(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]bool{
		0o644: true, fs.ModeDir | 0o755: true, fs.ModeSymlink | 0o777: true, fs.ModeSetuid | 0o755: true,
		fs.ModeDevice | 0o600: false, fs.ModeDevice | fs.ModeCharDevice: false, fs.ModeNamedPipe: false, fs.ModeSocket: false,
	} {
		st := &fstypes.Stat{Mode: uint32(mode), Uid: 1000, Gid: 1000, Xattrs: map[string][]byte{
			"user.a": nil, "security.capability": nil, "security.selinux": nil, "trusted.overlay.opaque": nil,
		}}
		if got := acceptable(st); got != want || st.Uid != 0 || st.Gid != 0 || len(st.Xattrs) != 2 {
			t.Errorf("%v: %v %v", mode, got, st)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	md := metadata.MD{}
	encode(md, "followpaths", []string{"a b", "ü"})
	encode(md, "exclude-patterns", nil)
	if got := md["followpaths"]; len(md) != 2 || got[0] != "a+b" || got[1] != "%C3%BC" || md["followpaths-encoded"][0] != "1" {
		t.Errorf("%v", md)
	}
	if !IsUpload("http://buildkit-session/x") || IsUpload("http://example.com/x") {
		t.Error("what an upload is")
	}
}
