package builder

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// canary is what no image may hold and no build may change.
const canary = "canary-of-the-host"

// TestHostile is T22: Dockerfiles, contexts and images that try to read or
// write the host. Every case may fail or succeed; none may reach the canary
// that lies beside the context, or make anything outside the builder's root.
func TestHostile(t *testing.T) {
	t.Parallel()
	n := 0
	run := func(name, dockerfile string, setup func(t *testing.T, w *world, out string)) {
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			out := filepath.Join(t.TempDir(), "out")
			if err := os.Mkdir(out, 0o755); err != nil {
				t.Fatal(err)
			}
			secret := filepath.Join(out, "secret")
			if err := os.WriteFile(secret, []byte(canary), 0o644); err != nil {
				t.Fatal(err)
			}
			w.write(map[string]string{"ok": "fine"})
			if setup != nil {
				setup(t, w, out)
			}
			b, err := w.build(strings.ReplaceAll(dockerfile, "OUT", out))
			if err == nil {
				for p, f := range b.files {
					if strings.Contains(f, canary) {
						t.Errorf("the image holds the canary as %s", p)
					}
				}
			} else if strings.Contains(err.Error(), canary) {
				t.Errorf("the error tells the canary: %v", err)
			}
			if data, err := os.ReadFile(secret); string(data) != canary {
				t.Errorf("the canary was changed: %q %v", data, err)
			}
			if entries, _ := os.ReadDir(out); len(entries) != 1 {
				t.Errorf("the build made something outside: %v", entries)
			}
		})
	}
	link := func(name, target string) func(*testing.T, *world, string) {
		return func(t *testing.T, w *world, out string) {
			p := filepath.Join(w.dir, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(strings.ReplaceAll(target, "OUT", out), p); err != nil {
				t.Fatal(err)
			}
		}
	}

	// Sources that point out of the context.
	for i, src := range []string{
		"OUT/secret", "../out/secret", "../../../../../../../../../OUT/secret", "/OUT/secret", "./..//..//OUT/secret", "ok/../../OUT/secret",
		"..", "../*", "../../*/out/*", "/", "/../..", `["../out/secret"]`, "/proc/self/environ", "/etc/shadow", "....//....//etc/shadow",
	} {
		run(fmt.Sprintf("source %d", i), "FROM base\nCOPY "+strings.Trim(src, `["]`)+" /x\n", nil)
		run(fmt.Sprintf("add %d", i), "FROM base\nADD "+strings.Trim(src, `["]`)+" /x/\n", nil)
		run(fmt.Sprintf("mount %d", i), "FROM base\nRUN --mount=type=bind,source="+strings.Trim(src, `["]`)+",target=/m,rw secret /m /x\n", nil)
	}
	// Links in the context.
	for i, target := range []string{"OUT/secret", "OUT", "../../../../../../../../../../..OUT", "/", "/proc/self/root", "/proc/self/cwd", "..", "../.."} {
		run(fmt.Sprintf("link %d", i), "FROM base\nCOPY l /x\n", link("l", target))
		run(fmt.Sprintf("below a link %d", i), "FROM base\nCOPY l/secret /x\nCOPY l/OUT/secret /y\n", link("l", target))
		run(fmt.Sprintf("pattern below a link %d", i), "FROM base\nCOPY l/* /x/\nCOPY --parents **/secret /y/\n", link("l", target))
		run(fmt.Sprintf("all with a link %d", i), "FROM base\nCOPY . /x\nRUN copy /x/l/secret /y\n", link("l", target))
		run(fmt.Sprintf("link as .dockerignore %d", i), "FROM base\nCOPY . /x\n", link(".dockerignore", target))
		run(fmt.Sprintf("mount of a link %d", i), "FROM base\nRUN --mount=source=l,target=/m,rw secret /m /x\n", link("l", target))
	}
	// Destinations, in an image whose links point out.
	image := func(files map[string]string) func(*testing.T, *world, string) {
		return func(_ *testing.T, w *world, out string) {
			at := map[string]string{"etc/passwd": "x:x:0:0::/:/x\n"}
			for k, v := range files {
				at[strings.ReplaceAll(k, "OUT", out)] = v
			}
			w.image("evil", `{"WorkingDir":"/l","User":"0"}`, at)
		}
	}
	for i, target := range []string{"OUT", "../../../../../../../../../../OUT", "/proc/self/root/OUT", "/proc/1/root/OUT", "l", "l/l/l"} {
		for _, df := range []string{
			"COPY ok /l/made", "COPY ok /l/", "COPY ok l", "WORKDIR /l/made", "ADD ok /l/x/y/made", "COPY --chown=x ok /l/made", "COPY --from=evil /l/secret /x", "COPY --from=evil /l /x",
		} {
			run(fmt.Sprintf("image link %d %s", i, df), "FROM evil\n"+df+"\n", image(map[string]string{"l -> " + target: ""}))
		}
		run(fmt.Sprintf("passwd link %d", i), "FROM evil\nCOPY --chown=root ok /x\n", func(_ *testing.T, w *world, out string) {
			w.image("evil", `{}`, map[string]string{"etc/passwd -> " + strings.ReplaceAll(target, "OUT", out) + "/secret": ""})
		})
	}
	for i, dest := range []string{"../../../../../../OUT/made", "/../../OUT/made", "/proc/self/root/OUT/made", "//OUT/made", "/x/../../../OUT/made/"} {
		run(fmt.Sprintf("destination %d", i), "FROM scratch\nCOPY ok "+dest+"\nWORKDIR "+dest+"2\n", nil)
		run(fmt.Sprintf("cache target %d", i), "FROM base\nRUN --mount=type=cache,target="+dest+",id=../../../OUT/id write /x y\n", nil)
		run(fmt.Sprintf("heredoc name %d", i), "FROM base\nCOPY <<"+dest+" /x/\nhi\n"+dest+"\n", nil)
		run(fmt.Sprintf("heredoc program %d", i), "FROM base\nRUN <<"+dest+"\n#!x\n"+dest+"\n", nil)
		run(fmt.Sprintf("secret target %d", i), "FROM base\nRUN --mount=type=secret,id="+dest+" true\n", nil)
	}
	// Archives.
	for i, h := range []tar.Header{
		{Name: "../../../../../../../../OUT/made"},
		{Name: "/OUT/made"},
		{Name: "a/../../../../../OUT/made"},
		{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUT"},
		{Name: "l", Typeflag: tar.TypeLink, Linkname: "../../../../OUT/secret"},
		{Name: "l", Typeflag: tar.TypeLink, Linkname: "OUT/secret"},
		{Name: "dev", Typeflag: tar.TypeChar},
		{Name: ".wh..wh..opq"},
		{Name: "d/.wh.x"},
		{Name: "sock", Typeflag: 's'},
		{Name: "huge", Size: 1 << 60},
		{Name: ".", Typeflag: tar.TypeSymlink, Linkname: "OUT"},
		{Name: "..", Typeflag: tar.TypeDir},
	} {
		run(fmt.Sprintf("archive %d", i), "FROM base\nADD a.tar /x/\nRUN copy /x/l/secret /y\nCOPY ok /x/l/made\n", func(t *testing.T, w *world, out string) {
			h.Name, h.Linkname = strings.ReplaceAll(h.Name, "OUT", out), strings.ReplaceAll(h.Linkname, "OUT", out)
			h.Mode, h.ModTime = 0o4777, time.Unix(1, 0)
			var b bytes.Buffer
			tw := tar.NewWriter(&b)
			if err := tw.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			_ = tw.WriteHeader(&tar.Header{Name: "l/made", Mode: 0o644})
			b.Write(make([]byte, 1024))
			w.write(map[string]string{"a.tar": b.String()})
		})
	}
	// Files that are none.
	run("pipe", "FROM base\nCOPY p /x\nCOPY . /y\n", func(t *testing.T, w *world, _ string) {
		if err := unix.Mkfifo(filepath.Join(w.dir, "p"), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	run("Dockerfile is a pipe", "FROM base\nCOPY Dockerfile /x\nADD Dockerfile /y\n", func(t *testing.T, w *world, _ string) {
		if err := unix.Mkfifo(filepath.Join(w.dir, "Dockerfile"), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	run("disk device", "FROM base\nCOPY d /x\nADD d /y\n", func(t *testing.T, w *world, _ string) {
		if err := unix.Mknod(filepath.Join(w.dir, "d"), unix.S_IFBLK|0o600, int(unix.Mkdev(8, 0))); err != nil {
			t.Skip("needs mknod:", err)
		}
	})
	run("whiteout device", "FROM base\nCOPY d /etc/passwd\n", func(t *testing.T, w *world, _ string) {
		if err := unix.Mknod(filepath.Join(w.dir, "d"), unix.S_IFCHR|0o600, 0); err != nil {
			t.Skip("needs mknod:", err)
		}
	})
	t.Logf("%d hostile cases", n)
	if n < 150 {
		t.Errorf("only %d cases", n)
	}
}

// TestHostileRedirect: a public address that leads to the host's own.
func TestHostileRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hit := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit = true }))
	defer srv.Close()
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433", "0x7f.1", "[::]"} {
		if _, err := w.build("FROM base\nADD http://" + host + port + "/f /x\n"); err == nil {
			t.Errorf("%s was fetched from", host)
		}
	}
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "224.0.0.1"} {
		if _, err := w.build("FROM base\nADD http://" + host + "/latest/meta-data/ /x/\n"); err == nil {
			t.Errorf("%s was fetched from", host)
		}
		if _, err := w.build("FROM base\nADD http://" + host + "/f /x\n"); err == nil || !strings.Contains(err.Error(), "may not fetch") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if hit {
		t.Error("the host's own server was reached")
	}
}
