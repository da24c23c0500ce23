package registrycmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
)

// TestSignCommands trusts a key, has only signed images pulled, signs one, and takes the
// key back, all beside a running server.
func TestSignCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	dgst := digest.Digest(pushImage(t, p, "team/app", "v1", layerOf(t, "hello", "hello")))
	key, other := signaturetest.New(t, "ecdsa"), signaturetest.New(t, "ed25519")
	dir := t.TempDir()
	file := filepath.Join(dir, "release.pub")
	if err := os.WriteFile(file, key.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	step := func(want string, code int, args ...string) {
		t.Helper()
		out, errs, got := here(t, string(other.PEM), append(append([]string{}, args...), "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
	}
	pull := func(want int) {
		t.Helper()
		for _, method := range []string{"GET", "HEAD"} {
			if code, _, body := p.do(method, "/v2/team/app/manifests/v1", nil, "Accept", "*/*"); code != want {
				t.Errorf("%s: %d, want %d: %s", method, code, want, body)
			}
		}
	}
	step("has no key whose signatures count", 1, "sign", "policy", "set", "team", "--required")
	step("say --required", 125, "sign", "policy", "set", "team")
	step("no such file", 1, "sign", "key", "add", "team", file+".gone")
	step("say --name", 125, "sign", "key", "add", "team", "-")
	step("sha256:", 0, "sign", "key", "add", "team", file)
	step("sha256:", 0, "sign", "key", "add", "team", "-", "--name", "second")
	step("already", 1, "sign", "key", "add", "team", file, "--name", "again")
	step("release   key    ECDSA P-256", 0, "sign", "key", "ls", "team")
	step("", 0, "sign", "policy", "set", "team", "--required")
	step("team      yes           release,second", 0, "sign", "policy", "show", "team")
	step("team      no       yes ", 0, "project", "ls")
	step("it is not signed; it is not pulled", 0, "sign", "ls", "team/app:v1")
	pull(403)
	a := signaturetest.Simple(t, nil, key.Sign(t, signaturetest.Payload(dgst)))
	for _, b := range a.Blobs {
		if code, _, body := p.do("POST", "/v2/team/app/blobs/uploads/?digest="+digest.FromBytes(b).String(), b, "Content-Type", "application/octet-stream"); code != 201 {
			t.Fatalf("push: %d %s", code, body)
		}
	}
	if code, _, body := p.do("PUT", "/v2/team/app/manifests/"+signature.TagOf(dgst), a.Manifest.Body, "Content-Type", a.Manifest.Descriptor.MediaType); code != 201 {
		t.Fatalf("push: %d %s", code, body)
	}
	pull(200)
	step("team/app:v1   cosign   -        yes      release   -", 0, "sign", "ls", "team/app:v1")
	step("is signed by key release", 0, "sign", "ls", "team/app@"+dgst.String())
	step(`"counts":true`, 0, "sign", "ls", "team/app:v1", "--format", "json")
	step("", 0, "sign", "key", "rm", "team", "release")
	step("has no key", 1, "sign", "key", "rm", "team", "release")
	pull(403)
	step("it was not made by a key that is trusted", 0, "sign", "ls", "team/app:v1")
	step("", 0, "sign", "policy", "set", "team", "--required=false")
	pull(200)
	step("is not REPOSITORY:TAG", 1, "sign", "ls", "team/app")
}
