package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/content/fsstore"
	"cove/distribution/distributiontest"
	"cove/internal/strictyaml"
	"cove/registry/auth"
)

// onSmallDisk is a registry on a file system of its own.
func onSmallDisk(t *testing.T, options string) place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a file system")
	}
	t.Setenv(AdminPasswordEnv, testPassword)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return place{t: t, root: filepath.Join(dir, "root")}
}

// ask is a request of the administrator, over HTTP.
func (p place) ask(s *Server, method, path string, body []byte, header ...string) (int, http.Header, []byte) {
	p.t.Helper()
	ts := httptest.NewServer(s.handler)
	defer ts.Close()
	req, err := http.NewRequestWithContext(p.t.Context(), method, ts.URL+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth("admin", testPassword)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := ts.Client().Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, got
}

func (p place) want(what string, got int, want int) {
	p.t.Helper()
	if got != want {
		p.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// pushImage pushes over HTTP and returns the first status that is no success.
func (p place) pushImage(s *Server, img distributiontest.Image, tag string) int {
	p.t.Helper()
	for dgst, b := range img.Blobs {
		if status, _, _ := p.ask(s, "POST", "/v2/team/app/blobs/uploads/?digest="+dgst.String(), b); status != 201 {
			return status
		}
	}
	status, _, _ := p.ask(s, "PUT", "/v2/team/app/manifests/"+tag, img.Manifest.Body, "Content-Type", img.Manifest.Descriptor.MediaType)
	return status
}

// reads expects that all of an image is said to be there, and can be pulled.
func (p place) reads(s *Server, img distributiontest.Image, tag string) {
	p.t.Helper()
	for dgst, b := range img.Blobs {
		status, _, _ := p.ask(s, "HEAD", "/v2/team/app/blobs/"+dgst.String(), nil)
		p.want("HEAD", status, 200)
		status, _, got := p.ask(s, "GET", "/v2/team/app/blobs/"+dgst.String(), nil)
		if p.want("GET", status, 200); !bytes.Equal(got, b) {
			p.t.Errorf("%d bytes, want %d", len(got), len(b))
		}
	}
	for _, method := range []string{"HEAD", "GET"} {
		status, _, _ := p.ask(s, method, "/v2/team/app/manifests/"+tag, nil)
		p.want(method+" of the manifest", status, 200)
	}
}

// fillUp takes the room, or the inodes, that are left, as other programs do.
func fillUp(t *testing.T, dir string) (empty func()) {
	t.Helper()
	var made []string
	for _, size := range []int{1 << 20, 4096, 1, 0} {
		for b := make([]byte, size); ; {
			name := filepath.Join(dir, fmt.Sprint("filler", len(made)))
			made = append(made, name)
			if err := os.WriteFile(name, b, 0o600); err != nil {
				break
			}
		}
	}
	return func() {
		for _, name := range made {
			_ = os.Remove(name) // the last of each size may not have been made
		}
	}
}

// TestFullDiskIsEmptied fills the disk by pushes, or by what is not the registry's, and
// until there are no inodes: pulls go on, what did not fit is gone at once, a
// delete works, also after a restart, and then a push does.
func TestFullDiskIsEmptied(t *testing.T) {
	for name, options := range map[string]string{"by pushes": "size=64m,nr_inodes=1000", "by others": "size=64m,nr_inodes=1000", "inodes": "size=64m,nr_inodes=140"} {
		t.Run(name, func(t *testing.T) {
			p := onSmallDisk(t, options)
			cfg := p.config()
			cfg.GC.Grace, cfg.GC.Lease = strictyaml.Duration(time.Millisecond), strictyaml.Duration(time.Millisecond)
			images := map[string]distributiontest.Image{}
			must(t, p.start(cfg, func(s *Server) {
				for seed := uint64(1); ; seed++ {
					tag := fmt.Sprint("v", seed)
					img := distributiontest.NewImage(t, seed<<8, 9_000_000, 100)
					status := p.pushImage(s, img, tag)
					if status != 201 {
						p.want("a push to a full disk", status, http.StatusInsufficientStorage)
						break
					}
					if images[tag] = img; name != "by pushes" && seed == 2 {
						break
					}
				}
				if name != "by pushes" {
					fillUp(t, filepath.Dir(p.root))
				}
				p.full(s, images)
			}))
			must(t, p.start(cfg, func(s *Server) {
				p.full(s, images)
				status, _, body := p.ask(s, "DELETE", "/v2/team/app/manifests/"+images["v1"].Manifest.Descriptor.Digest.String(), nil)
				if p.want("DELETE", status, 202); t.Failed() {
					t.Logf("%s", body)
				}
				p.reads(s, images["v2"], "v2")
				freed := 0
				for range 5 {
					time.Sleep(2 * time.Millisecond) // grace, and the lease, of a real clock
					got, err := s.registry.Collect(t.Context())
					if err != nil {
						t.Error(err)
					}
					freed += got.Blobs
				}
				if freed < 3 {
					t.Errorf("%d contents were collected", freed)
				}
				next := distributiontest.NewImage(t, 3, 1_000_000) // the reserve takes its part of what was freed first
				p.want("a push after the delete", p.pushImage(s, next, "next"), 201)
				p.reads(s, next, "next")
			}))
		})
	}
}

// TestFullDiskKeepsAccounts: on a disk that others filled an operator can still
// let people in and keep them out, whether or not the registry runs.
func TestFullDiskKeepsAccounts(t *testing.T) {
	for name, options := range map[string]string{"room": "size=40m,nr_inodes=1000", "inodes": "size=40m,nr_inodes=140"} {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, running %t", name, running), func(t *testing.T) {
				p := onSmallDisk(t, options)
				img := distributiontest.NewImage(t, 1, 100_000)
				change := func() {
					must(t, Administer(t.Context(), p.config(), func(s Services) error {
						ctx, op := t.Context(), auth.Operator()
						must(t, s.Accounts.Add(ctx, op, "ann", testPassword, false))
						must(t, s.Accounts.SetPassword(ctx, op, "ann", testPassword+"2"))
						must(t, s.Projects.Create(ctx, op, "new", true))
						must(t, s.Projects.SetRole(ctx, op, "new", "ann", "developer"))
						must(t, s.Projects.Remove(ctx, op, "new"))
						must(t, s.Accounts.Remove(ctx, op, "ann"))
						_, err := s.Accounts.ResetAdmin(ctx, op)
						must(t, err)
						return s.Accounts.SetPassword(ctx, op, "admin", testPassword)
					}))
				}
				must(t, p.start(p.config(), func(s *Server) {
					p.want("a push", p.pushImage(s, img, "v1"), 201)
					fillUp(t, filepath.Dir(p.root))
					if running {
						change()
						p.want("a push to a full disk", p.pushImage(s, distributiontest.NewImage(t, 2, 100_000), "v2"), http.StatusInsufficientStorage)
					}
				}))
				if !running {
					change()
				}
				must(t, p.start(p.config(), func(s *Server) {
					status, _, body := p.ask(s, "DELETE", "/v2/team/app/manifests/"+img.Manifest.Descriptor.Digest.String(), nil)
					if p.want("DELETE", status, 202); t.Failed() {
						t.Logf("%s", body)
					}
				}))
			})
		}
	}
}

// full expects what a full disk allows, and that nothing more is taken of it.
func (p place) full(s *Server, images map[string]distributiontest.Image) {
	p.t.Helper()
	large := distributiontest.NewImage(p.t, 7, 30_000_000)
	status := p.pushImage(s, large, "large")
	p.want("a push", status, http.StatusInsufficientStorage)
	status, header, _ := p.ask(s, "POST", "/v2/team/app/blobs/uploads/", nil)
	if status == http.StatusAccepted {
		status, _, _ = p.ask(s, "PATCH", header.Get("Location"), make([]byte, 40_000_000))
	}
	p.want("a chunk", status, http.StatusInsufficientStorage)
	for in, err := range s.state.storage.Bytes.(*fsstore.Store).Ingests(p.t.Context()) {
		p.t.Errorf("left of a write that did not fit: %+v, %v", in, err)
	}
	for tag, img := range images {
		p.reads(s, img, tag)
	}
	if status, _, body := p.ask(s, "GET", "/token?service=cove-registry&scope=repository:team/app:pull", nil); status != 200 {
		p.t.Errorf("a token: %d %s", status, body)
	}
	if err := s.state.db.Roomy(); err != nil && !errors.Is(err, unix.ENOSPC) {
		p.t.Error(err)
	}
}
