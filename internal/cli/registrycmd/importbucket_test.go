package registrycmd

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/content/s3store/s3test"
	"cove/distribution/distributiontest"
)

// TestImportFromBuckets has the registry of CNCF Distribution, as Debian has it, store images in a bucket, and takes
// them over: by the service itself into another prefix, and through this machine into a folder.
func TestImportFromBuckets(t *testing.T) {
	t.Parallel()
	service := s3test.Start(t)
	theirs, ours := service.Config(), service.Config()
	images := []distributiontest.Image{distributiontest.NewImage(t, 11, 3000), distributiontest.NewImage(t, 12, 300_000, 7)}
	theirRegistry(t, service, theirs.Bucket, theirs.Prefix, images)

	config := filepath.Join(t.TempDir(), "registry.yaml")
	text := fmt.Sprintf("tls: {off: true}\nstorage:\n  s3: {endpoint: %q, bucket: %q, prefix: %q, credentials: %q, ca: %q}\n",
		ours.Endpoint, ours.Bucket, ours.Prefix, ours.Credentials, ours.CA)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	from := "s3://" + theirs.Bucket + "/" + theirs.Prefix
	for name, c := range map[string]struct{ serve, flags []string }{
		"by the service": {[]string{"--config", config, "--tls=off"}, []string{"--config", config}},
		"through here": {[]string{"--tls=off"}, []string{
			"--endpoint", theirs.Endpoint, "--region", "us-east-1", "--credentials", theirs.Credentials, "--ca", theirs.CA,
		}},
	} {
		root := t.TempDir()
		serve(t, root, c.serve...).Stop()
		for _, want := range []string{"found 2 repositories, 2 manifests and 2 tags; added 2 manifests, ", "added 0 manifests, "} {
			out, errs, code := here(t, "", append([]string{"import", from, "--root", root}, c.flags...)...)
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%s: %d, want %q\n%s%s", name, code, want, out, errs)
			}
		}
		p := serve(t, root, c.serve...)
		for i, img := range images {
			repo := fmt.Sprintf("/v2/team/app%d", i)
			if _, _, body := p.do(http.MethodGet, repo+"/manifests/v1", nil); string(body) != string(img.Manifest.Body) {
				t.Errorf("%s: the manifest is %s", name, body)
			}
			for dgst, b := range img.Blobs {
				if status, _, body := p.do(http.MethodGet, repo+"/blobs/"+dgst.String(), nil); string(body) != string(b) {
					t.Errorf("%s: %s: %d, %d bytes", name, dgst, status, len(body))
				}
			}
		}
		p.Stop()
	}
}

// theirRegistry puts images below a prefix, and ends.
func theirRegistry(t *testing.T, service *s3test.Server, bucket, prefix string, images []distributiontest.Image) {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("needs docker-registry: make deps-test installs it")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, scheme: "http", Address: l.Addr().String(), client: &http.Client{Transport: &http.Transport{}}}
	secrets, errRead := os.ReadFile(service.Credentials)
	fields := strings.Fields(string(secrets)) // [default] key = K secret = S
	config := filepath.Join(t.TempDir(), "theirs.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nhttp: {addr: %q, secret: none}\nstorage:\n  s3: {accesskey: %q, secretkey: %q, "+
		"region: us-east-1, regionendpoint: %q, bucket: %q, rootdirectory: /%s, skipverify: true}\n",
		p.Address, fields[3], fields[6], service.Endpoint, bucket, prefix)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil || errRead != nil || l.Close() != nil {
		t.Fatal(err, errRead)
	}
	p.cmd = exec.CommandContext(context.Background(), program, "serve", config)
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.stderr.String())
		}
	})
	waitFor(t, "their registry", func() bool { status, _, _ := p.do(http.MethodGet, "/v2/", nil); return status == http.StatusOK })
	for i, img := range images {
		p.pushInSteps(fmt.Sprintf("/v2/team/app%d", i), img)
	}
	p.Kill()
}

// pushInSteps is a push to a registry that takes no blob by one request.
func (p *process) pushInSteps(repo string, img distributiontest.Image) {
	p.t.Helper()
	for dgst, b := range img.Blobs {
		_, header, _ := p.do(http.MethodPost, repo+"/blobs/uploads/", nil)
		at := header.Get("Location") + "&digest=" + dgst.String()
		if status, _, body := p.do(http.MethodPut, at, b, "Content-Type", "application/octet-stream"); status != http.StatusCreated {
			p.t.Fatalf("%s: %d %s", at, status, body)
		}
	}
	m := img.Manifest
	if status, _, body := p.do(http.MethodPut, repo+"/manifests/v1", m.Body, "Content-Type", m.Descriptor.MediaType); status != http.StatusCreated {
		p.t.Fatalf("%d %s", status, body)
	}
}
