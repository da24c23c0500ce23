package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
	"cove/errdefs"
	"cove/images/remote"
	"cove/images/trust"
	"cove/reference"
)

func TestRuleOfAName(t *testing.T) {
	t.Parallel()
	p := trust.Policy{
		{Prefix: "*", File: "all"},
		{Prefix: "r.example.com", File: "registry"},
		{Prefix: "r.example.com/team", File: "team"},
		{Prefix: "r.example.com/team/app", File: "app"},
	}
	for name, want := range map[string]string{
		"r.example.com/team/app": "app", "r.example.com/team/app/web": "app", "r.example.com/team/apple": "team",
		"r.example.com/teams/x": "registry", "r.example.com:5000/team/app": "all", "docker.io/library/redis": "all",
	} {
		if r, ok := p.For(name); !ok || r.File != want {
			t.Errorf("%s: %+v, want %s", name, r, want)
		}
	}
	if r, ok := p[2:].For("docker.io/library/redis"); ok {
		t.Errorf("without a rule: %+v", r)
	}
}

// TestVerify asks a registry over HTTP, with the signature at the index, at the image,
// and nowhere.
func TestVerify(t *testing.T) {
	t.Parallel()
	const repo = "team/app"
	reg := distributiontest.NewMemory(memstore.New(nil))
	host := distributiontest.Serve(t, t.Context(), reg)
	from := distributiontest.NewClient(t, client.Config{Insecure: []string{host}}).Repository(host, repo)
	ours, other := signaturetest.New(t, "ecdsa"), signaturetest.New(t, "ecdsa")
	file := filepath.Join(t.TempDir(), "release.pub")
	if err := os.WriteFile(file, ours.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(seed uint64) digest.Digest {
		return signaturetest.PushImage(t, reg, repo, distributiontest.NewImage(t, seed, 20)).Digest
	}
	sign := func(by signaturetest.Signer, of digest.Digest) digest.Digest {
		signaturetest.Push(t, reg, repo, signaturetest.Simple(t, nil, by.Sign(t, signaturetest.Payload(of))), signature.TagOf(of))
		return of
	}
	bundled := in(9)
	desc := distributiontest.NewImage(t, 9, 20).Manifest.Descriptor
	signaturetest.Push(t, reg, repo, signaturetest.Referrer(t, signaturetest.TypeBundle, signaturetest.TypeBundle, desc,
		ours.Bundle(t, signaturetest.Statement(bundled, signaturetest.SignPredicate))))
	asks := remote.Rule{Prefix: host + "/team", Keys: []string{file}, File: "/etc/cove/config.yaml"}
	for name, tt := range map[string]struct {
		rule remote.Rule
		of   []digest.Digest
		says string
	}{
		"image":          {asks, []digest.Digest{in(1), sign(ours, in(2))}, ""},
		"index":          {asks, []digest.Digest{sign(ours, in(3)), in(4)}, ""},
		"bundle":         {asks, []digest.Digest{bundled}, ""},
		"nobody":         {asks, []digest.Digest{in(5), in(6)}, "it is not signed; /etc/cove/config.yaml asks for a signature by one of " + file},
		"somebody else":  {asks, []digest.Digest{in(7), sign(other, in(8))}, "it was not made by a key that is trusted"},
		"another prefix": {remote.Rule{Prefix: "r.example.com", Keys: []string{file}}, []digest.Digest{in(5)}, ""},
		"unsigned":       {remote.Rule{Prefix: host, Unsigned: true}, []digest.Digest{in(5)}, ""},
		"refused":        {remote.Rule{Prefix: "*", File: "f"}, []digest.Digest{sign(ours, in(2))}, "no image is taken from *, says f"},
		"no key file":    {remote.Rule{Prefix: "*", Keys: []string{file + ".gone"}}, []digest.Digest{in(5)}, "no such file"},
	} {
		err := trust.Policy{tt.rule}.Verify(t.Context(), from, reference.Reference{Registry: host, Repository: repo}, tt.of)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if denied := errors.Is(err, errdefs.ErrDenied); denied != (tt.says != "" && name != "no key file") {
			t.Errorf("%s: %v is a refusal: %v", name, err, denied)
		}
	}
	gone := distributiontest.NewClient(t, client.Config{Insecure: []string{"127.0.0.1:1"}}).Repository("127.0.0.1:1", repo)
	err := trust.Policy{{Prefix: "*", Keys: []string{file}}}.Verify(t.Context(), gone, reference.Reference{Registry: "127.0.0.1:1", Repository: repo}, []digest.Digest{desc.Digest})
	if err == nil || errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("a registry that is down: %v", err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Keys([]string{file}); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}
