package registrycmd

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
)

// pushImage pushes a whole image by the protocol.
func (p *process) pushImage(repo, tag string, img distributiontest.Image) {
	p.t.Helper()
	for dgst, b := range img.Blobs {
		if status, _, body := p.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), b); status != 201 {
			p.t.Fatalf("push: %d %s", status, body)
		}
	}
	status, _, body := p.do("PUT", "/v2/"+repo+"/manifests/"+tag, img.Manifest.Body, "Content-Type", img.Manifest.Descriptor.MediaType)
	if status != 201 {
		p.t.Fatalf("push: %d %s", status, body)
	}
}

// TestProjectThatIsAProxy makes one as one makes a project.
func TestProjectThatIsAProxy(t *testing.T) {
	t.Parallel()
	far, near := serve(t, t.TempDir(), "--tls=off"), serve(t, t.TempDir(), "--tls=off")
	far.pushImage("team/app", "v1", distributiontest.NewImage(t, 1, 300))
	step := func(stdin string, code int, want string, args ...string) {
		t.Helper()
		out, errs, got := here(t, stdin, append(args, "--root", near.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%v: %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
	}
	upstream := "http://" + far.Address
	step(testPassword+"\n", 0, "", "project", "create", "hub", "--proxy", upstream, "--proxy-user", "admin", "--proxy-password-stdin")
	step("", 0, "hub    "+far.Address+"   admin   *              5m0s    for ever", "proxy", "ls")
	if status, _, body := near.do("GET", "/v2/hub/team/app/manifests/v1", nil); status != 200 {
		t.Errorf("manifest: %d %s", status, body)
	}
	step("", 1, `project "hub" exists`, "project", "create", "hub", "--proxy", upstream)
	step("", 125, "are for --proxy", "project", "create", "x", "--proxy-user", "admin")
	step("", 1, "HOST[:PORT]", "project", "create", "x", "--proxy", "a b")
	step("", 1, `"x"`, "project", "public", "x") // nothing is left of one that could not be made
	step("", 0, "", "project", "create", "open", "--public", "--proxy", "https://index.docker.io/v1/")
	step("", 0, "open   docker.io", "proxy", "ls")
	step("", 0, "open      yes", "project", "ls")
}

// TestProxyStory pulls from a registry through another one, stops the first, and
// pulls again; by skopeo too, if it is here.
func TestProxyStory(t *testing.T) {
	t.Parallel()
	far, near := serve(t, t.TempDir(), "--tls=off"), serve(t, t.TempDir(), "--tls=off")
	img := distributiontest.NewImage(t, 1, 3000, 500_000)
	far.pushImage("team/app", "v1", img)
	expect := func(stdin string, code int, want string, args ...string) {
		t.Helper()
		out, errs, got := here(t, stdin, append(append([]string{"proxy"}, args...), "--root", near.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("proxy %v: %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
	}
	expect(testPassword+"\n", 0, "", "create", "mirror", far.Address, "--user", "admin", "--password-stdin", "--fresh", "0s")
	expect("", 0, "mirror   "+far.Address+"   admin   *              0s      for ever", "ls")
	expect("", 1, "holds the images whose name has no project", "create", "library", far.Address)
	expect("", 1, "HOST[:PORT]", "create", "x", "a b")
	expect("", 125, "--rate", "create", "x", "docker.io", "--rate", "fast")
	pull := func() {
		t.Helper()
		for dgst, b := range img.Blobs {
			if status, _, got := near.do("GET", "/v2/mirror/team/app/blobs/"+dgst.String(), nil); status != 200 || digest.FromBytes(got) != dgst {
				t.Errorf("blob: %d, %d of %d bytes", status, len(got), len(b))
			}
		}
		if status, _, body := near.do("GET", "/v2/mirror/team/app/manifests/v1", nil); status != 200 || string(body) != string(img.Manifest.Body) {
			t.Errorf("manifest: %d %s", status, body)
		}
	}
	pull()
	if skopeo, err := exec.LookPath("skopeo"); err == nil {
		out, err := exec.CommandContext(t.Context(), skopeo, "copy", "--src-tls-verify=false", "--src-creds", "admin:"+testPassword,
			"docker://"+near.Address+"/mirror/team/app:v1", "dir:"+t.TempDir()).CombinedOutput()
		if err != nil {
			t.Errorf("skopeo: %v\n%s", err, out)
		}
	}
	if status, _, body := near.do("POST", "/v2/mirror/team/app/blobs/uploads/", nil); status != 405 {
		t.Errorf("a push: %d %s", status, body)
	}
	far.Stop()
	pull()
	if _, header, _ := near.do("HEAD", "/v2/mirror/team/app/manifests/v1", nil); header.Get("Age") == "" {
		t.Errorf("it has no age: %v", header)
	}
	expect("", 0, "", "rm", "mirror")
	pull()
	expect("", 1, "is no proxy", "rm", "mirror")
}
