package registrycmd

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCosign signs, attests and verifies with the program itself, in both of its forms: by
// tags made of the digest, and by bundles that refer to their subject. It takes minutes to
// build, so make soak brings it.
func TestCosign(t *testing.T) {
	t.Parallel()
	cosign := built(t, "cosign")
	p := serve(t, t.TempDir())
	h := newClientHome(t, p, filepath.Join(p.root, "tls", "ca.crt"))
	h.env = append(h.env, "COSIGN_PASSWORD=of-the-test")
	h.run(built(t, "crane"), "auth", "login", p.Address, "-u", "admin", "--password-stdin")
	h.run(cosign, "generate-key-pair")
	// Bundles are verified beside a root of trust, though a key needs nothing of it.
	root := h.write("root.json", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`)
	for form, flag := range map[string]string{"tags": "--new-bundle-format=false", "bundles": "--new-bundle-format=true"} {
		t.Run(form, func(t *testing.T) {
			h := h.of(t)
			repo := "team/signed-" + form
			h.schema2(repo, "v1")
			_, header, _ := p.do("HEAD", "/v2/"+repo+"/manifests/v1", nil)
			subject := h.registry(repo) + "@" + header.Get("Docker-Content-Digest")
			by := []string{"--key", "cosign.pub", "--insecure-ignore-tlog=true", flag, subject}
			if form == "bundles" {
				by = append([]string{"--trusted-root", root}, by...)
			}
			verify := append([]string{"verify"}, by...)
			if out, _, err := h.try(cosign, verify...); err == nil {
				t.Errorf("what nobody signed is verified: %s", out)
			}
			made := []string{"--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "-y", flag}
			h.run(cosign, append(append([]string{"sign"}, made...), subject)...)
			predicate := []string{"--type", "custom", "--predicate", h.write("predicate.json", `{"made":"here"}`), subject}
			h.run(cosign, append(append([]string{"attest"}, made...), predicate...)...)
			h.want(h.run(cosign, verify...), strings.TrimPrefix(subject, h.registry(repo)+"@"))
			h.want(h.run(cosign, append([]string{"verify-attestation", "--type", "custom"}, by...)...), "payload")
			h.want(h.run(cosign, "tree", subject), "Supply Chain Security")
			h.run(cosign, "copy", "-f", h.registry(repo)+":v1", h.registry("other/signed-"+form+":v1"))
		})
	}
	p.Stop()
}
