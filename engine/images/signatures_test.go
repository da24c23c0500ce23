package images

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content/memstore"
	"cove/distribution/distributiontest"
	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
	"cove/errdefs"
	_ "cove/internal/strictyaml/late/linked" // policies are YAML
)

// TestVerify asks a registry what signs an image, by keys that are given and by a file of
// configuration.
func TestVerify(t *testing.T) {
	t.Parallel()
	const repo = "team/app"
	reg := distributiontest.NewMemory(memstore.New(nil))
	host := distributiontest.Serve(t, t.Context(), reg)
	ours, other := signaturetest.New(t, "ecdsa"), signaturetest.New(t, "ecdsa")
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key, others := write("ours.pub", string(ours.PEM)), write("other.pub", string(other.PEM))
	policy := write("policy.yaml", "signatures:\n  "+host+"/team:\n    keys: [ours.pub]\n  "+host+"/free:\n    unsigned: true\n")
	sign := func(by signaturetest.Signer, of digest.Digest) {
		signaturetest.Push(t, reg, repo, signaturetest.Simple(t, nil, by.Sign(t, signaturetest.Payload(of))), signature.TagOf(of))
	}
	signed := signaturetest.PushImage(t, reg, repo, distributiontest.NewImage(t, 1, 20), "signed").Digest
	signaturetest.PushImage(t, reg, repo, distributiontest.NewImage(t, 2, 20), "bare")
	sign(ours, signed)

	is := local(t)
	for name, tt := range map[string]struct {
		tag    string
		o      VerifyOptions
		counts bool
		found  int
		says   string // of the reason, or of the signature
	}{
		"by the key":      {"signed", VerifyOptions{Keys: []string{key}}, true, 1, ""},
		"by one of two":   {"signed", VerifyOptions{Keys: []string{others, key}}, true, 1, ""},
		"by another key":  {"signed", VerifyOptions{Keys: []string{others}}, false, 1, "by a key that is trusted"},
		"by the policy":   {"signed", VerifyOptions{Policy: policy}, true, 1, ""},
		"without any":     {"bare", VerifyOptions{Keys: []string{key}}, false, 0, "it is not signed; what counts is a signature by one of " + key},
		"none, by policy": {"bare", VerifyOptions{Policy: policy}, false, 0, policy + " asks for a signature"},
	} {
		v, err := is.Verify(t.Context(), host+"/"+repo+":"+tt.tag, tt.o)
		if err != nil || v.Counts != tt.counts || len(v.Signatures) != tt.found || !strings.Contains(v.Reason, tt.says) {
			t.Errorf("%s: %+v, %v", name, v, err)
			continue
		}
		for _, s := range v.Signatures {
			if (s.Key == key) != tt.counts || (s.Reason != "") == tt.counts || s.Of != signed || s.Form != "cosign" {
				t.Errorf("%s: signature %+v", name, s)
			}
		}
	}
	for name, tt := range map[string]struct {
		image string
		o     VerifyOptions
		kind  error
	}{
		"no rule at all":     {host + "/" + repo + ":signed", VerifyOptions{}, errdefs.ErrInvalid},
		"asks for none":      {host + "/free/app:1", VerifyOptions{Policy: policy}, errdefs.ErrInvalid},
		"not there":          {host + "/" + repo + ":gone", VerifyOptions{Keys: []string{key}}, errdefs.ErrNotFound},
		"no such key":        {host + "/" + repo + ":signed", VerifyOptions{Keys: []string{key + ".gone"}}, errdefs.ErrInvalid},
		"no such policy":     {host + "/" + repo + ":signed", VerifyOptions{Policy: policy + ".gone"}, errdefs.ErrInvalid},
		"both":               {host + "/" + repo + ":signed", VerifyOptions{Keys: []string{key}, Policy: policy}, errdefs.ErrInvalid},
		"what is no name":    {"Not A Name", VerifyOptions{Keys: []string{key}}, errdefs.ErrInvalid},
		"a registry is down": {"127.0.0.1:1/x:1", VerifyOptions{Keys: []string{key}}, errdefs.ErrUnavailable},
	} {
		if v, err := is.Verify(t.Context(), tt.image, tt.o); !errors.Is(err, tt.kind) || v.Counts {
			t.Errorf("%s: %+v, %v; want %v", name, v, err, tt.kind)
		}
	}
}
