package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// TestIntroduce adds a person to images that know them, somebody of their name or number,
// nobody, or keep accounts elsewhere.
func TestIntroduce(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: owners of files, and mounts")
	}
	me := Person{Name: "ada", Group: "people", UID: 1001, GID: 1002, Home: "/home/ada", Else: "/work"}
	for name, tt := range map[string]struct {
		passwd, group         string // of the image; "" is none, "-> x" a link
		homes, dirs           []string
		wantPasswd, wantGroup string // in the directory that is written to
	}{
		"unknown": {
			passwd: "root:x:0:0:root:/root:/bin/sh\n", group: "root:x:0:",
			wantPasswd: "root:x:0:0:root:/root:/bin/sh\nada:*:1001:1002:ada:/work:/bin/sh\n",
			wantGroup:  "root:x:0:\npeople:x:1002:ada\n",
		},
		"nobody at all": {
			wantPasswd: "ada:*:1001:1002:ada:/work:/bin/sh\n", wantGroup: "people:x:1002:ada\n",
		},
		"the name is known": {passwd: "ada:x:5:5::/:/bin/sh\n", group: "people:x:5:\n"},
		"the id is known":   {passwd: "app:x:1001:5::/:/bin/sh\n", group: "app:x:1002:\n"},
		"one of the two":    {passwd: "app:x:1001:5::/:/bin/sh\n", wantGroup: "people:x:1002:ada\n"},
		"kept elsewhere":    {passwd: "-> /run/passwd", group: "-> /run/group"},
		"at home in the image": {
			group: "app:x:1002:\n", dirs: []string{"home/ada"}, wantPasswd: "ada:*:1001:1002:ada:/home/ada:/bin/sh\n",
		},
		"at home in a mount": {
			group: "app:x:1002:\n", homes: []string{"/home/ada"}, wantPasswd: "ada:*:1001:1002:ada:/home/ada:/bin/sh\n",
		},
	} {
		lower, upper := t.TempDir(), t.TempDir()
		for _, dir := range append(tt.dirs, "etc") {
			if err := os.MkdirAll(filepath.Join(lower, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for file, text := range map[string]string{"etc/passwd": tt.passwd, "etc/group": tt.group} {
			path := filepath.Join(lower, file)
			var err error
			if len(text) > 3 && text[:3] == "-> " {
				err = os.Symlink(text[3:], path)
			} else if text != "" {
				if err = os.WriteFile(path, []byte(text), 0o640); err == nil {
					err = os.Chown(path, 7, 8)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		p := me
		p.Homes = tt.homes
		root := mount.Mount{Type: "overlay", Upper: upper, Work: t.TempDir(), Lower: []string{lower}}
		for range 2 { // a second time changes nothing
			if err := Introduce(t.Context(), root, p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for file, want := range map[string]string{"etc/passwd": tt.wantPasswd, "etc/group": tt.wantGroup} {
			got, _ := os.ReadFile(filepath.Join(upper, file))
			if string(got) != want {
				t.Errorf("%s: %s is %q, want %q", name, file, got, want)
			}
			if tt.passwd == "" || tt.wantPasswd == "" {
				continue
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(upper, file), &st); err != nil || st.Uid != 7 || st.Gid != 8 || st.Mode&0o7777 != 0o640 {
				t.Errorf("%s: %s: %+v, %v: not as the image's", name, file, st, err)
			}
		}
	}
}
