package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/internal/accounts"
	"cove/layers/mount"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// putInLayer makes what a line says in a layer: "passwd UID" (app of that number), "link NAME TARGET",
// "gone NAME", "opaque NAME", "pipe NAME", "dir NAME".
func putInLayer(t *testing.T, layer int, dir, line string) {
	t.Helper()
	words := strings.Fields(line)
	at := filepath.Join(dir, words[1])
	in := func() int {
		fd, err := tree.Open(filepath.Dir(at))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	var err error
	switch words[0] {
	case "passwd":
		at = filepath.Join(dir, "etc/passwd")
		err = errors.Join(os.MkdirAll(filepath.Dir(at), 0o755),
			os.WriteFile(at, fmt.Appendf(nil, "app:x:%s:7:%d:/home:/bin/sh\n", words[1], layer), 0o644))
	case "link":
		err = errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(words[2], at))
	case "gone":
		err = os.MkdirAll(filepath.Dir(at), 0o755)
		err = errors.Join(err, whiteout.Make(in(), filepath.Base(at)))
	case "opaque":
		err = os.MkdirAll(at, 0o755)
		err = errors.Join(err, whiteout.MakeOpaque(in(), filepath.Base(at), false))
	case "pipe":
		err = errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), unix.Mkfifo(at, 0o644))
	case "dir":
		err = os.MkdirAll(at, 0o755)
	}
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

// TestAccountWithoutAMount wants from the layers what the kernel shows of them.
func TestAccountWithoutAMount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
	for name, tt := range map[string]struct {
		layers []string // lowest first; the last is written to
		uid    uint32   // 0 is nobody
		links  bool     // the kernel has to be asked
	}{
		"one layer":                       {layers: []string{"passwd 5", ""}, uid: 5},
		"the upper one counts":            {layers: []string{"passwd 5", "passwd 6", ""}, uid: 6},
		"what a container wrote":          {layers: []string{"passwd 5", "passwd 8"}, uid: 8},
		"below layers without":            {layers: []string{"passwd 5", "dir etc", "dir usr", ""}, uid: 5},
		"removed":                         {layers: []string{"passwd 5", "gone etc/passwd", ""}},
		"removed and made again":          {layers: []string{"passwd 5", "gone etc/passwd", "passwd 6", ""}, uid: 6},
		"removed with its directory":      {layers: []string{"passwd 5", "gone etc", ""}},
		"a directory made anew":           {layers: []string{"passwd 5", "opaque etc", ""}},
		"a directory made anew, with one": {layers: []string{"passwd 5", "opaque etc; passwd 6", ""}, uid: 6},
		"none at all":                     {layers: []string{"dir usr", ""}},
		"a directory of its name":         {layers: []string{"passwd 5", "gone etc/passwd", "dir etc/passwd", ""}, links: true},
		"a pipe":                          {layers: []string{"pipe etc/passwd", ""}, links: true},
		"elsewhere in the image":          {layers: []string{"passwd 5; link etc/shadowed passwd", "link run/p ../etc/passwd", ""}, uid: 5},
		"a link":                          {layers: []string{"link etc/passwd /etc/users; dir usr", "dir etc", ""}, links: true},
		"a directory that is a link":      {layers: []string{"dir usr/etc; link etc usr/etc", ""}, links: true},
		"a link over a directory":         {layers: []string{"passwd 5", "link etc usr", ""}, links: true},
		"a link out":                      {layers: []string{"link etc/passwd ../../../../../etc/passwd", ""}, links: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount.Mount{Type: "overlay"}
			for i, lines := range tt.layers {
				dir := t.TempDir()
				for line := range strings.SplitSeq(lines, ";") {
					if strings.TrimSpace(line) != "" {
						putInLayer(t, i, dir, line)
					}
				}
				if i == len(tt.layers)-1 {
					m.Upper, m.Work = dir, t.TempDir()
					break
				}
				m.Lower = append([]string{dir}, m.Lower...)
			}
			err := inLayers(m, func(open accounts.Opener) error {
				_, err := account(open, "0", nil)
				return err
			})
			if errors.Is(err, errNotPlain) != tt.links || err != nil && !tt.links {
				t.Errorf("asked of the layers: %v", err)
			}
			var shown runspec.User
			byKernel := With(t.Context(), m, func(root int) (err error) {
				shown, err = account(accounts.In(root), "app", []string{"9"})
				return err
			})
			who, err := Account(t.Context(), m, "app", "9")
			if (err == nil) != (tt.uid != 0) || who.UID != tt.uid {
				t.Errorf("uid %d, %v", who.UID, err)
			}
			if fmt.Sprint(who, err) != fmt.Sprint(shown, byKernel) {
				t.Errorf("%v, %v; mounted it is %v, %v", who, err, shown, byKernel)
			}
		})
	}
}
