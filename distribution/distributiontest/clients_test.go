package distributiontest_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
)

// unpackable is an image that other tools can unpack: one file in one layer.
func unpackable(t *testing.T) distributiontest.Image {
	t.Helper()
	var raw, packed bytes.Buffer
	tw := tar.NewWriter(&raw)
	text := bytes.Repeat([]byte("cove "), 100_000)
	if err := tw.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	_, _ = tw.Write(text)
	_ = tw.Close()
	zw := gzip.NewWriter(&packed)
	_, _ = zw.Write(raw.Bytes())
	_ = zw.Close()
	conf, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(raw.Bytes())}},
		Config:   ocispec.ImageConfig{Cmd: []string{"/hello"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := distributiontest.Blob(ocispec.MediaTypeImageConfig, conf)
	layer := distributiontest.Blob(ocispec.MediaTypeImageLayerGzip, packed.Bytes())
	return distributiontest.Image{
		Blobs:  map[digest.Digest][]byte{config.Digest: conf, layer.Digest: packed.Bytes()},
		Config: config, Layers: []ocispec.Descriptor{layer},
		Manifest: distributiontest.NewManifest(t, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			Config: config, Layers: []ocispec.Descriptor{layer},
		}),
	}
}

// tool runs a program of another project, which must be installed.
type tool struct {
	t    *testing.T
	name string
	args []string
}

func newTool(t *testing.T, name string, args ...string) tool {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s: it is not installed, so the server was not tried with it", name)
	}
	return tool{t, name, args}
}

func (c tool) run(args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.name, append(append([]string(nil), c.args...), args...)...)
	home := c.t.TempDir()
	auth := filepath.Join(home, "auth.json")
	if err := os.WriteFile(auth, []byte("{}"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "HOME="+home, "REGISTRY_AUTH_FILE="+auth)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return string(out)
}

func serveImage(t *testing.T) (host string, img distributiontest.Image) {
	t.Helper()
	img = unpackable(t)
	host = distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(memstore.New(time.Now)))
	c := distributiontest.NewClient(t, client.Config{})
	err := distributiontest.To(c.Repository(host, "team/app"), client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img))
	if err != nil {
		t.Fatal(err)
	}
	return host, img
}

// TestSkopeo copies an image out, in under another name, as docker's type and
// as an index, lists and deletes, by skopeo.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	skopeo := newTool(t, "skopeo", "--insecure-policy")
	host, img := serveImage(t)
	dir := t.TempDir()
	at := func(ref string) string { return "docker://" + host + "/" + ref }
	skopeo.run("copy", "--src-tls-verify=false", at("team/app:v1"), "oci:"+dir+":v1")
	skopeo.run("copy", "--dest-tls-verify=false", "oci:"+dir+":v1", at("other/app:v2"))
	skopeo.run("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format=v2s2", at("team/app:v1"), at("team/app:docker"))
	if got := strings.TrimSpace(skopeo.run("inspect", "--tls-verify=false", "--format={{.Digest}}", at("other/app:v2"))); got != img.Manifest.Descriptor.Digest.String() {
		t.Errorf("after the way through skopeo the digest is %s, was %s", got, img.Manifest.Descriptor.Digest)
	}
	if out := skopeo.run("list-tags", "--tls-verify=false", at("team/app")); !strings.Contains(out, `"docker"`) || !strings.Contains(out, `"v1"`) {
		t.Errorf("list-tags: %s", out)
	}
	skopeo.run("delete", "--tls-verify=false", at("other/app:v2"))
	c := distributiontest.NewClient(t, client.Config{})
	if _, err := c.Repository(host, "other/app").Stat(t.Context(), "v2"); err == nil {
		t.Error("deleted by skopeo and still there")
	}
	desc, _, err := c.Repository(host, "team/app").Resolve(t.Context(), "docker")
	if err != nil || desc.MediaType != "application/vnd.docker.distribution.manifest.v2+json" {
		t.Errorf("docker's type: %+v, %v", desc, err)
	}
}

// TestPodman pulls and pushes by podman, which unpacks and packs again.
func TestPodman(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: podman unpacks layers")
	}
	dir := t.TempDir()
	podman := newTool(t, "podman", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs")
	host, _ := serveImage(t)
	podman.run("pull", "--quiet", "--tls-verify=false", host+"/team/app:v1")
	podman.run("tag", host+"/team/app:v1", host+"/podman/app:v2")
	podman.run("push", "--quiet", "--tls-verify=false", host+"/podman/app:v2")
	c := distributiontest.NewClient(t, client.Config{})
	repo := c.Repository(host, "podman/app")
	_, body, err := repo.Resolve(t.Context(), "v2")
	if err != nil {
		t.Fatal(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	dst := memstore.New(time.Now)
	for _, desc := range append(m.Layers, m.Config) {
		if err := repo.FetchBlob(t.Context(), dst, desc, nil); err != nil {
			t.Error(err)
		}
		if _, err := content.ReadBlob(t.Context(), dst, desc); err != nil {
			t.Error(err)
		}
	}
	podman.run("rmi", "--all", "--force")
}

var _ distribution.Registry = (*distributiontest.Memory)(nil)
